-- Whose bytes a picture had when the hashes took it in anew: the first of those that are left may be another one now.
alter table ops.picture_changes add column sha256 text;

-- Pairs have another meaning and hashes a column more: the next build makes these anew, as a full refresh does.
drop table if exists draenei_content.duplicate_clusters cascade;
drop table if exists draenei_content.duplicate_pairs cascade;
drop table if exists draenei_intermediate.int_picture_bands cascade;
drop table if exists draenei_intermediate.int_picture_hashes cascade;
