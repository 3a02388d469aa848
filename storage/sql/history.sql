-- name: deliveries_of (sqlite)
select d.message_id, d.outcome, d.code, d.reason, d.at
from (select id from messages where site_id = $1 order by id desc limit $3) m
cross join deliveries d
where d.site_id = $1 and d.message_id = m.id and d.subscription_id = $2 and d.outcome is not null;

-- name: deliveries_of (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select d.message_id, d.outcome, d.code, d.reason, d.at
from (select id from messages where site_id = $1 order by id desc limit $3) m
cross join lateral (
    select message_id, outcome, code, reason, at from deliveries
    where site_id = $1 and message_id = m.id and subscription_id = $2 offset 0) d
where d.outcome is not null;

-- name: events_of (sqlite)
select e.message_id, e.kind, e.action, e.at
from (select id from messages where site_id = $1 order by id desc limit $3) m
cross join events e
where e.site_id = $1 and e.message_id = m.id and e.subscription_id = $2;

-- name: events_of (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select e.message_id, e.kind, e.action, e.at
from (select id from messages where site_id = $1 order by id desc limit $3) m
cross join lateral (
    select message_id, kind, action, at from events
    where site_id = $1 and message_id = m.id and subscription_id = $2 offset 0) e;

-- name: contents
select id, content from messages where id in ids($1);
