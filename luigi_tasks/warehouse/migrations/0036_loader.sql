-- The pipeline's steps act as the loader (gateways/postgres.py): what it needs of the tables that are here, and of those
-- that later migrations make. gateways/warehouse_roles.py grants the same again where the role came after this.
do $$
begin
    if to_regrole('draenei_loader') is null then
        return;
    end if;
    grant usage on schema raw, ops to draenei_loader;
    grant select, insert on all tables in schema raw to draenei_loader;
    grant select, insert, update, delete on all tables in schema ops to draenei_loader;
    grant usage on all sequences in schema ops to draenei_loader;
    revoke insert, update, delete on ops.migrations from draenei_loader;
    alter default privileges in schema raw grant select, insert on tables to draenei_loader;
    alter default privileges in schema ops grant select, insert, update, delete on tables to draenei_loader;
    alter default privileges in schema ops grant usage on sequences to draenei_loader;
end;
$$;
