-- What is known of a picture by its bytes, whichever sources have it. measured_with: versions of the libraries;
-- other versions measure again.
create table ops.image_metadata (
    sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
    status text not null check (status in ('measured', 'unreadable')),
    reason text not null default '',
    attempts integer not null default 1,
    measured_with text not null,
    bytes bigint not null,
    format text,
    mode text,
    width integer,
    height integer,
    orientation smallint,
    has_profile boolean,
    exif jsonb,
    colours jsonb,
    brightness double precision check (brightness between 0 and 1),
    entropy double precision check (entropy between 0 and 8),
    -- 64 bits each, as the signed integer of the same bits.
    dhash bigint,
    phash bigint,
    measured_at timestamptz not null default clock_timestamp(),
    check (status = 'unreadable' or (
        reason = '' and num_nulls(format, mode, width, height, exif, colours, brightness, entropy, dhash, phash) = 0
    )),
    check (status = 'measured' or reason <> '')
);

-- What was made of a picture. recipe: digest over operation, parameters and library versions, so that another parameter
-- is another derivative and the ones of other recipes stay as they are.
create table ops.derivatives (
    source_sha256 text not null check (source_sha256 ~ '^[0-9a-f]{64}$'),
    recipe text not null check (recipe ~ '^[0-9a-f]{16}$'),
    operation text not null,
    parameters jsonb not null,
    library text not null,
    status text not null check (status in ('made', 'failed')),
    reason text not null default '',
    attempts integer not null default 1,
    object_key text not null unique,
    sha256 text,
    bytes bigint,
    content_type text not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (source_sha256, recipe),
    check (status = 'failed' or (reason = '' and num_nulls(sha256, bytes) = 0)),
    check (status = 'made' or reason <> '')
);
create index derivatives_recipe on ops.derivatives (recipe);

-- Every picture that counts as stored, of every source: what derivatives are made of.
create view ops.pictures as
select 'wallhaven' as source, wallhaven_id as picture_id, sha256, s3_key as object_key, bytes
from ops.uploads
where outcome = 'stored' and lost_at is null;
