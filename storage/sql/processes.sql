-- name: report
insert into processes (owner, role, host, pid, started_at, seen_at, figures) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (owner) do update set seen_at = excluded.seen_at, figures = excluded.figures;

-- name: seen_since
select owner, role, host, pid, started_at, seen_at, figures from processes
where seen_at >= $1 order by role, host, owner;

-- name: forget
delete from processes where owner = $1;

-- name: forget_unseen
delete from processes where seen_at < $1;

-- name: database_size (sqlite)
select page_count * page_size from pragma_page_count(), pragma_page_size();

-- name: database_size (postgres)
select pg_database_size(current_database());
