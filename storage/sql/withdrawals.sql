-- name: add_locations
-- In order, so that two flushes on PostgreSQL do not deadlock.
insert into push_locations (site_id, subscription_id, message_id, location, forget_at)
select site_id, subscription_id, message_id, location, forget_at
from rows($1: site_id bigint, subscription_id bigint, message_id bigint, location text, forget_at bigint)
where true /* postgres: order by site_id, subscription_id, message_id */
on conflict (site_id, subscription_id, message_id) do nothing;

-- name: locations (sqlite)
select subscription_id, location from push_locations
where site_id = $1 and message_id = $2 and subscription_id in ids($3);

-- name: locations (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select found.subscription_id, found.location
from unnest($3::bigint[]) as ids(id) cross join lateral (
    select subscription_id, location from push_locations
    where site_id = $1 and subscription_id = ids.id and message_id = $2 offset 0) found;

-- name: forget_locations
delete from push_locations where (site_id, subscription_id, message_id) in (
    select site_id, subscription_id, message_id from push_locations where forget_at <= $1 limit $2);

-- name: erase_locations
delete from push_locations where site_id = $1 and subscription_id = $2;

-- name: reported (sqlite)
select distinct subscription_id from events
where site_id = $1 and message_id = $2 and subscription_id in ids($3);

-- name: reported (postgres)
select ids.id
from unnest($3::bigint[]) as ids(id) cross join lateral (
    select 1 from events where site_id = $1 and message_id = $2 and subscription_id = ids.id limit 1) e;

-- name: forgotten (sqlite)
select subscription_id from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3) and at <= $4;

-- name: forgotten (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select d.subscription_id
from unnest($3::bigint[]) as ids(id) cross join lateral (
    select subscription_id from deliveries
    where site_id = $1 and message_id = $2 and subscription_id = ids.id and at <= $4 offset 0) d;

-- name: taken_back (sqlite)
select d.subscription_id from messages w cross join deliveries d
where w.parent_id = $2 and w.kind = 'withdrawal' and w.state = 'cancelled'
    and d.site_id = $1 and d.message_id = w.id and d.subscription_id in ids($3) and d.outcome = 'accepted';

-- name: taken_back (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select d.subscription_id
from (select id from messages where parent_id = $2 and kind = 'withdrawal' and state = 'cancelled' offset 0) w
cross join unnest($3::bigint[]) as ids(id) cross join lateral (
    select subscription_id from deliveries
    where site_id = $1 and message_id = w.id and subscription_id = ids.id and outcome = 'accepted' offset 0) d;

-- name: under_way
select 1 from batches where message_id in (
    select cast($1 as bigint)
    union all select id from messages where parent_id = $1 and kind = 'withdrawal' and state = 'cancelled')
limit 1;

-- name: last_of
select parent_id, id, state from messages where parent_id in ids($1) and kind = 'withdrawal' order by parent_id, id;

-- name: put_off
update messages set send_at = $3, state_reason = $4 where id = $1 and state = 'scheduled' and send_at = $2;
