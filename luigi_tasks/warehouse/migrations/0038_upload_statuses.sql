-- How many wallpapers have which upload_status, kept where they change, so that no summary counts all of them. The
-- triggers come with the table of wallpapers, which is dbt's (dbt_project/macros/wallpapers.sql).
create table ops.upload_statuses (
    upload_status text primary key,
    number bigint not null
);

-- A statement's rows are `come` and `gone`, as far as it has such.
create function ops.count_upload_statuses() returns trigger
language plpgsql
as $$
begin
    if tg_op <> 'DELETE' then
        insert into ops.upload_statuses as known (upload_status, number)
        select come.upload_status, count(*) from come group by 1 order by 1
        on conflict (upload_status) do update set number = known.number + excluded.number;
    end if;
    if tg_op <> 'INSERT' then
        update ops.upload_statuses as known set number = known.number - lost.number
        from (select gone.upload_status, count(*) as number from gone group by 1) as lost
        where lost.upload_status = known.upload_status;
    end if;
    return null;
end
$$;

-- Until dbt builds again and counts anew, as it does where its table has no triggers yet.
do $$
begin
    if to_regclass('draenei_content.wallpapers') is not null then
        insert into ops.upload_statuses (upload_status, number)
        select upload_status, count(*) from draenei_content.wallpapers group by upload_status;
    end if;
end
$$;
