-- name: report
insert into senders (owner, host, pid, started_at, seen_at, figures) values ($1, $2, $3, $4, $5, $6)
on conflict (owner) do update set seen_at = excluded.seen_at, figures = excluded.figures;

-- name: seen_since
select owner, host, pid, started_at, seen_at, figures from senders where seen_at >= $1 order by host, owner;

-- name: forget
delete from senders where owner = $1;

-- name: forget_unseen
delete from senders where seen_at < $1;
