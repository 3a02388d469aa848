-- name: hold (sqlite)
-- There is one writer at a time.
select $1;

-- name: hold (postgres)
select pg_advisory_xact_lock(cast($1 as bigint));
