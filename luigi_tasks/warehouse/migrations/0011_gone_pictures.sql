-- The few attempts that found a picture gone: pending_details asks whether the wallpaper is, too.
create index uploads_gone on ops.uploads (wallhaven_id) where outcome = 'gone' and reopened_at is null;
