-- name: record
insert into events (site_id, message_id, subscription_id, kind, variant, action, at)
select site_id, message_id, subscription_id, kind, variant, action, at
from rows($1: site_id bigint, message_id bigint, subscription_id bigint, kind text, variant smallint,
    action text, at bigint)
where true
on conflict (site_id, message_id, subscription_id, kind) do nothing
returning message_id, subscription_id, kind;

-- name: reporters (sqlite)
select s.site_id, s.id, s.provider, s.timezone, s.browser, s.country
from rows($1: site_id bigint, id bigint)
join subscriptions s on s.site_id = rows.site_id and s.id = rows.id;

-- name: reporters (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.site_id, s.id, s.provider, s.timezone, s.browser, s.country
from rows($1: site_id bigint, id bigint)
cross join lateral (
    select site_id, id, provider, timezone, browser, country from subscriptions
    where site_id = rows.site_id and id = rows.id offset 0) s;

-- name: displayed_last (sqlite)
select e.message_id, e.variant, e.at
from (select id from messages where site_id = $1 order by id desc limit $4) m
cross join events e on e.site_id = $1 and e.message_id = m.id and e.subscription_id = $2 and e.kind = 'displayed'
where e.at >= $3
order by e.at desc limit 1;

-- name: displayed_last (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select e.message_id, e.variant, e.at
from (select id from messages where site_id = $1 order by id desc limit $4) m
cross join lateral (
    select message_id, variant, at from events
    where site_id = $1 and message_id = m.id and subscription_id = $2 and kind = 'displayed' offset 0) e
where e.at >= $3
order by e.at desc limit 1;

-- name: track
insert into custom_events (site_id, id, subscription_id, name, data, at) values ($1, $2, $3, $4, $5, $6);

-- name: custom_of_subscription
select id, site_id, subscription_id, name, data, at from custom_events
where site_id = $1 and subscription_id = $2 order by id desc limit $3;
