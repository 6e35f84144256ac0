-- Sales: one row for each order line of each file that was collected, as every source's raw table.
create table raw.sales_lines (like raw.wallhaven_search including all);
alter table raw.sales_lines add foreign key (batch_id) references ops.batches;
