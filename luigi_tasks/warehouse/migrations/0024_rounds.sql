-- While a long crawl goes on its run's manifest grows chunk by chunk; Freeze gives it its last items and ends that.
alter table ops.manifests add column growing boolean not null default false;

-- A request that comes later than it might have come held all that followed it up. Now they catch up, at half the spacing,
-- until the last ones are as many as their spacing allows. Never more than p_limit in a window, as before.
create or replace function ops.take_request(p_source text, p_limit integer, p_burst integer, p_window interval)
returns table (wait_seconds double precision, used integer)
language plpgsql as $$
declare
    budget ops.request_budget;
    recent timestamptz[];
    moment timestamptz;
    free_at timestamptz;
    spacing interval := p_window / p_limit;
begin
    insert into ops.request_budget (source) values (p_source) on conflict do nothing;
    select * into budget from ops.request_budget b where b.source = p_source for update;
    moment := clock_timestamp();
    recent := array(select g from unnest(budget.grants) as g where g > moment - p_window order by g);
    used := cardinality(recent);
    free_at := greatest(moment, budget.blocked_until);
    if used >= p_limit then
        free_at := greatest(free_at, recent[used - p_limit + 1] + p_window);
    end if;
    if used >= p_burst then
        free_at := greatest(free_at, least(
            recent[used] + spacing, greatest(recent[used - p_burst + 1] + p_burst * spacing, recent[used] + spacing / 2)
        ));
    end if;
    wait_seconds := extract(epoch from free_at - moment);
    if wait_seconds = 0 then
        used := used + 1;
        update ops.request_budget b set grants = recent || moment where b.source = p_source;
    end if;
    return next;
end;
$$;
