-- As before (0002), but asked run by run: a count is not turned into a join that reads every page there is.
create or replace view ops.counted_certificates as
select c.*
from ops.certificates c
where
    exists (select from ops.steps s where s.run_key = c.run_key and s.step = 'Fetch')
    and (
        select count(*)
        from ops.pages p
        where
            p.run_key = c.run_key and p.entity = 'search' and p.status = 200
            and not exists (select from ops.loads l where l.page_id = p.page_id)
    ) = 0;
