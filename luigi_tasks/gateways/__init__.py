"""The outside world: HTTP, Postgres, object stores, dbt. The only place that imports drivers."""
