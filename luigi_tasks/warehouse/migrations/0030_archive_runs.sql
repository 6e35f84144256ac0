-- What a run's audit and the list of the quarantine ask of archives, without reading the ledgers whole.
create index archive_entries_run on ops.archive_entries (run_key);
create index archive_versions_run on ops.archive_versions (run_key);
create index archive_entries_bad on ops.archive_entries (entered_at) where outcome <> 'stored';
create index image_metadata_unreadable on ops.image_metadata (measured_at) where status = 'unreadable';
