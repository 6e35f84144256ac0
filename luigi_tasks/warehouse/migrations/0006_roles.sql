-- Group roles for least privilege; nobody logs in as one. What each may do is granted before every dbt build
-- (gateways/warehouse_roles.py), because dbt makes tables too. Roles belong to the whole server, so another database of
-- it may have made them; a user who may not create roles goes without, and doctor says so.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['draenei_loader', 'draenei_transformer', 'draenei_reader'] loop
        begin
            if to_regrole(role_name) is null then
                execute format('create role %I nologin', role_name);
                execute format('grant %I to current_user', role_name);
            end if;
        exception
            when insufficient_privilege then
                raise notice 'role % was not made: % may not create roles', role_name, current_user;
            when duplicate_object or unique_violation then
                raise notice 'role % was made by another database at this very moment', role_name;
        end;
    end loop;
end;
$$;
