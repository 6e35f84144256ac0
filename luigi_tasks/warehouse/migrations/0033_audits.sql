-- What each fsck left unmended, so that alerts see it: damage is {class: how many}, empty when all was sound.
-- part of parts: a share of everything, always the same ones.
create table ops.audits (
    audit_id bigint generated always as identity primary key,
    source text not null,
    audited_at timestamptz not null default clock_timestamp(),
    deep boolean not null,
    part integer not null,
    parts integer not null,
    objects bigint not null,
    damage jsonb not null
);
create index audits_latest on ops.audits (source, deep, parts, part, audited_at desc);
