-- More sources on the same rails. A raw table looks the same for every source, so a new one is one line.

create table raw.jsonplaceholder_users (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create table raw.jsonplaceholder_posts (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create table raw.jsonplaceholder_comments (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create table raw.jsonplaceholder_albums (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create table raw.jsonplaceholder_photos (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);
create table raw.jsonplaceholder_todos (like raw.wallhaven_search including all, foreign key (batch_id) references ops.batches);

-- Two sources may give one name to an entity, and the same bytes.
alter table ops.quarantine drop constraint quarantine_entity_body_sha256_position_key;
alter table ops.quarantine add unique (source, entity, body_sha256, position);

-- What stands in the clean zone: the file of a page, by the schema and the writer that made it.
create table ops.clean_files (
    page_id bigint primary key references ops.pages,
    source text not null,
    entity text not null,
    body_sha256 text not null,
    object_key text not null,
    sha256 text not null,
    bytes bigint not null,
    records integer not null,
    quarantined integer not null,
    cleaned_at timestamptz not null default clock_timestamp()
);
create index clean_files_object on ops.clean_files (object_key);
