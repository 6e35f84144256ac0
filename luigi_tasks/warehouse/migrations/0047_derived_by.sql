-- Which run made the last attempt; null: one before this column was. So what a run derived, in however many goes, is
-- counted here, and nobody tries twice in one run what failed in it.
alter table ops.image_metadata add column run_key text;
alter table ops.derivatives add column run_key text;
create index image_metadata_run on ops.image_metadata (run_key);
create index derivatives_run on ops.derivatives (run_key);
