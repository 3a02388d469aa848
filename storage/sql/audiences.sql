-- name: window
-- Where a window of so many subscriptions ends: the key alone is read.
select id from subscriptions where site_id = $1 and id > $2 and id <= $3 order by id limit 1 offset $4;

-- name: window_of_tag
select subscription_id from subscription_tags
where site_id = $1 and tag = $5 and subscription_id > $2 and subscription_id <= $3
order by subscription_id limit 1 offset $4;

-- name: accepted_between
-- Messages of which something was accepted in these hours, and how much, from the counters: there are a few for each
-- message, and a message itself may be a megabyte.
select message_id, cast(sum(n) as bigint) from rollups
where site_id = $1 and kind = 'accepted' and hour >= $2 and hour < $3
group by message_id order by message_id;

-- name: accepted_of (sqlite)
select d.subscription_id from json_each($2) as wanted cross join deliveries d
where d.site_id = $1 and d.message_id = wanted.value and d.subscription_id > $3 and d.subscription_id <= $4
    and d.outcome = 'accepted' and d.at >= $5;

-- name: accepted_of (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select d.subscription_id from unnest($2::bigint[]) as wanted(value) cross join lateral (
    select subscription_id from deliveries
    where site_id = $1 and message_id = wanted.value and subscription_id > $3 and subscription_id <= $4
        and outcome = 'accepted' and at >= $5 offset 0) d;
