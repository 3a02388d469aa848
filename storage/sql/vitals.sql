-- name: report
insert into vitals (owner, role, host, pid, seen_at, facts) values ($1, $2, $3, $4, $5, $6)
on conflict (owner) do update set seen_at = excluded.seen_at, facts = excluded.facts;

-- name: seen_since
select owner, role, host, pid, seen_at, facts from vitals where seen_at >= $1 order by host, owner;

-- name: forget
delete from vitals where owner = $1;

-- name: forget_unseen
delete from vitals where seen_at < $1;

-- name: clock (postgres)
select cast(extract(epoch from clock_timestamp()) * 1000 as bigint);

-- name: clock (sqlite)
-- The database is on this very machine: there is no other clock.
select null;

-- name: waiting_messages
select count(*) from (select 1 from messages where state = 'sending' limit 1) found;
