-- name: add
-- In order, so that two flushes on PostgreSQL do not deadlock.
insert into recent_pushes (site_id, subscription_id, message_id, at, forget_at)
select site_id, subscription_id, message_id, at, forget_at
from rows($1: site_id bigint, subscription_id bigint, message_id bigint, at bigint, forget_at bigint)
where true /* postgres: order by site_id, subscription_id, message_id */
on conflict (site_id, subscription_id, message_id) do nothing;

-- name: full (sqlite)
select subscription_id from recent_pushes
where site_id = $1 and subscription_id in ids($2) and at > $3
group by subscription_id having count(*) >= $4 or max(at) > $5;

-- name: full (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select found.subscription_id
from unnest($2::bigint[]) as ids(id) cross join lateral (
    select subscription_id, at from recent_pushes
    where site_id = $1 and subscription_id = ids.id and at > $3 offset 0) found
group by found.subscription_id having count(*) >= $4 or max(found.at) > $5;

-- name: forget
delete from recent_pushes where (site_id, subscription_id, message_id) in (
    select site_id, subscription_id, message_id from recent_pushes where forget_at <= $1 limit $2);

-- name: erase
delete from recent_pushes where site_id = $1 and subscription_id = $2;
