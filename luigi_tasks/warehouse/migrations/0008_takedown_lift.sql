-- A takedown that was lifted stays as a row, with the lift and its reason, and blocks nothing any more. The same wallpaper
-- or bytes can be taken down anew, as another row.
alter table ops.tombstones add column lifted_at timestamptz;
alter table ops.tombstones add column lift_reason text check (lift_reason <> '');
alter table ops.tombstones add constraint tombstones_lift_has_a_reason
check ((lifted_at is null) = (lift_reason is null));
alter table ops.tombstones drop constraint tombstones_wallhaven_id_key;
alter table ops.tombstones drop constraint tombstones_sha256_key;
create unique index tombstones_wallpaper on ops.tombstones (wallhaven_id) where lifted_at is null;
create unique index tombstones_bytes on ops.tombstones (sha256) where lifted_at is null;
create index tombstones_history on ops.tombstones (wallhaven_id);
