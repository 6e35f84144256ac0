"""The DDL that Python owns: schemas raw and ops, by numbered forward-only migrations. dbt owns the rest."""
