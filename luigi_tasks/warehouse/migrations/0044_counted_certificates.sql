-- A crawl asks what its own records are known as, and which certificates count: both cost what is new.

create index listing_changes_record on ops.listing_changes (query_key, record_id);

-- That a certificate counts is kept when Load finds it: from then on nothing takes it back but a crawl that is replayed,
-- which writes its certificate anew.
alter table ops.certificates add column counted boolean not null default false;
update ops.certificates set counted = true where run_key in (select run_key from ops.counted_certificates);
create index certificates_uncounted on ops.certificates (query_key) where not counted;

-- As before (0019): what is not known yet is asked of the run's pages, up to the first that is not loaded.
create or replace view ops.counted_certificates as
select c.*
from ops.certificates c
where
    c.counted
    or (
        exists (select from ops.steps s where s.run_key = c.run_key and s.step = 'Fetch')
        and (
            select p.page_id
            from ops.pages p
            where
                p.run_key = c.run_key and p.entity = 'search' and p.status = 200
                and not exists (select from ops.loads l where l.page_id = p.page_id)
            limit 1
        ) is null
    );
