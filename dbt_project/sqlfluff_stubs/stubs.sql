{#- What the linter sees in place of dbt and of our macros: it needs only the shape of the SQL around them. -#}
{%- macro source(schema, table) -%}{{ schema }}.{{ table }}{%- endmacro -%}
{%- macro ref(model) -%}{{ model }}{%- endmacro -%}
{%- macro config() -%}{%- set settings = kwargs -%}{%- endmacro -%}
{%- macro wallhaven_content_columns() -%}u{%- endmacro -%}
{%- macro is_rebuild() -%}{%- endmacro -%}
{%- macro in_new_batches() -%}batch_id = 1{%- endmacro -%}
{%- macro of_wallpapers(ids) -%}wallhaven_id in ({{ ids }}){%- endmacro -%}
{%- macro wallhaven_observations(records, entity) -%}select * from {{ records }}{%- endmacro -%}
{%- macro wallhaven_item_columns() -%}url{%- endmacro -%}
{%- macro wallhaven_tags() -%}tags{%- endmacro -%}
{%- macro wallhaven_content_hash() -%}md5(url){%- endmacro -%}
{%- macro json_text(payload, field) -%}({{ payload }} ->> '{{ field }}'){%- endmacro -%}
{%- macro json_integer(payload, field, type) -%}({{ payload }} ->> '{{ field }}')::bigint{%- endmacro -%}
{%- macro json_utc_timestamp(payload, field) -%}({{ payload }} ->> '{{ field }}')::timestamptz{%- endmacro -%}
{%- macro intervals(observations, number, compare, carry, key) -%}select wallhaven_id from {{ observations }}{%- endmacro -%}
{%- macro final_outcomes() -%}('stored'){%- endmacro -%}
{%- macro upload_max_attempts() -%}5{%- endmacro -%}
{%- macro gone_confirmations() -%}3{%- endmacro -%}
{%- macro gone_spacing() -%}interval '20 hours'{%- endmacro -%}
{%- macro wallhaven_denials(of=none) -%}select 1 as wallhaven_id{%- endmacro -%}
{%- macro wallhaven_absences() -%}select 1 as wallhaven_id{%- endmacro -%}
{%- macro wallhaven_suspicions(of=none) -%}select 1 as wallhaven_id{%- endmacro -%}
{%- macro is_to_be_checked(wallpapers) -%}{{ wallpapers }}.upload_status <> 'taken_down'{%- endmacro -%}
{%- macro retry_delay(attempts, outcome) -%}interval '1 day'{%- endmacro -%}
{%- macro object_key(wallhaven_id, file_type) -%}{{ wallhaven_id }} || {{ file_type }}{%- endmacro -%}
{%- macro changed_wallpapers() -%}select wallhaven_id from wallpapers{%- endmacro -%}
{%- macro one_row_of(relation, which) -%}select * from {{ relation }}{%- endmacro -%}
{%- macro uploads_of_one(relation) -%}select * from {{ relation }}{%- endmacro -%}
{%- macro sales_text(field) -%}({{ field }})::text{%- endmacro -%}
{%- macro sales_integer(field) -%}({{ field }})::bigint{%- endmacro -%}
{%- macro sales_decimal(field) -%}({{ field }})::numeric{%- endmacro -%}
{%- macro sales_date(field) -%}({{ field }})::date{%- endmacro -%}
{%- macro utc_minute(run_id) -%}{{ run_id }}::timestamptz{%- endmacro -%}
{%- macro sales_members(key, attributes) -%}select 1 as one{%- endmacro -%}
{%- macro sales_versions(members, key, attributes) -%}select * from {{ members }}{%- endmacro -%}
{%- macro days_of_years(bounds) -%}select first_date as date_day from {{ bounds }}{%- endmacro -%}
{%- macro iso_day_of_week(day) -%}extract(isodow from {{ day }})::integer{%- endmacro -%}
{%- macro quarantined_cell(record, field) -%}{{ record }}::text{%- endmacro -%}
{%- macro stood_on(version, date) -%}{{ version }}.valid_from < {{ date }}{%- endmacro -%}
{%- macro rows_differ(row, other) -%}({{ row | join(', ') }}) is distinct from ({{ other | join(', ') }}){%- endmacro -%}
{%- macro sales_measures() -%}count(*) as lines{%- endmacro -%}
{%- macro loads_that_do_not_add_up(name, entities) -%}select 1 as one{%- endmacro -%}
{%- macro record_observations(name, entities) -%}select * from records{%- endmacro -%}
{%- macro standing_records(observations, versions, entity) -%}select * from {{ versions }}{%- endmacro -%}
{%- macro changes_by_run(models) -%}select run_key, inserted, updated from versions{%- endmacro -%}
{%- macro provenance_columns() -%}run_key{%- endmacro -%}
{%- macro jsonplaceholder_entities() -%}users{%- endmacro -%}
{%- macro every_dangling_record() -%}select 1 as one{%- endmacro -%}
{%- macro listed_records() -%}select 1 as one{%- endmacro -%}
{%- macro quarantine_max_share() -%}0.05{%- endmacro -%}
{%- macro kaggle_entities() -%}users{%- endmacro -%}
{%- macro jsonplaceholder_standing(entity) -%}select * from standing_{{ entity }}{%- endmacro -%}
{%- macro reads_whole_tables() -%}{%- endmacro -%}
{%- macro in_untested_batches(column='batch_id') -%}{{ column }} = any(array[1]){%- endmacro -%}
{%- macro of_untested_bodies() -%}body_sha256 = 'x'{%- endmacro -%}
{%- macro json_field(payload, field) -%}({{ payload }} ->> '{{ field }}'){%- endmacro -%}
{%- macro text_before(text, separator) -%}split_part({{ text }}, '{{ separator }}', 1){%- endmacro -%}
{%- macro last_segment(name) -%}upper({{ name }}){%- endmacro -%}
{%- macro number_of_file(filename) -%}length({{ filename }}){%- endmacro -%}
{%- macro first_colour(colours) -%}lower({{ colours }}){%- endmacro -%}
{%- macro json_holds_something(document) -%}{{ document }} is not null{%- endmacro -%}
{%- macro as_text(value) -%}cast({{ value }} as text){%- endmacro -%}
{%- macro as_indexed(column) -%}{{ column }}{%- endmacro -%}
{%- macro in_claimed_pictures(column='wallhaven_id') -%}{{ column }} = 'x'{%- endmacro -%}
{%- macro judged_pairs() -%}select 1 as wallhaven_id_a{%- endmacro -%}
{%- macro hamming(one, other) -%}{{ one }} - {{ other }}{%- endmacro -%}
{%- macro telling_pictures() -%}100{%- endmacro -%}
{%- macro verdicts() -%}verdicts{%- endmacro -%}
{%- macro distances(one, other) -%}{{ one }}.is_plain or {{ other }}.is_plain as is_plain{%- endmacro -%}
{%- macro is_near() -%}not is_plain{%- endmacro -%}
{%- macro agreeing_bits() -%}10{%- endmacro -%}
{%- macro plain_entropy() -%}3{%- endmacro -%}
{%- macro bands_of(dhash, phash) -%}{{ dhash }}, {{ phash }}{%- endmacro -%}
{%- macro sharing_bands() -%}select wallhaven_id as one, wallhaven_id as other from int_picture_bands{%- endmacro -%}
{%- macro mean_colour(colours) -%}{{ colours }}{%- endmacro -%}
{%- macro parted_components() -%}parted as (select wallhaven_id, 1 as part from components){%- endmacro -%}
