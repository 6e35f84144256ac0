-- While a long crawl goes on its run's manifest grows chunk by chunk; Freeze gives it its last items and ends that.
alter table ops.manifests add column growing boolean not null default false;
