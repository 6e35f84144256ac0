-- Which stored pictures the models that look for duplicates have yet to look at: a row for each model and change, gone
-- once the model has taken it in. Written where the change is, so that no build ever reads all pictures to find some.
create table ops.picture_changes (
    change_id bigint generated always as identity primary key,
    model text not null,
    wallhaven_id text not null,
    claimed_in text
);
create index picture_changes_of on ops.picture_changes (model, wallhaven_id);

create function ops.note_picture_change(changed_id text) returns void
language sql
as $$
    insert into ops.picture_changes (model, wallhaven_id)
    select model, changed_id
    from unnest(array['int_picture_hashes', 'int_picture_bands', 'duplicate_pairs', 'duplicate_clusters']) as model
$$;

create function ops.note_upload() returns trigger
language plpgsql
as $$
begin
    perform ops.note_picture_change(new.wallhaven_id);
    return null;
end
$$;

create trigger stored_upload after insert on ops.uploads
for each row when (new.outcome = 'stored')
execute function ops.note_upload();

create trigger changed_upload after update on ops.uploads
for each row when (
    (old.outcome, old.lost_at, old.sha256) is distinct from (new.outcome, new.lost_at, new.sha256)
)
execute function ops.note_upload();

create function ops.note_measuring() returns trigger
language plpgsql
as $$
begin
    perform ops.note_picture_change(u.wallhaven_id)
    from ops.uploads as u
    where u.sha256 = coalesce(new.sha256, old.sha256) and u.outcome = 'stored' and u.lost_at is null;
    return null;
end
$$;

create trigger measured_picture after insert or update or delete on ops.image_metadata
for each row execute function ops.note_measuring();
