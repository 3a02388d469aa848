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

-- name: accepted_by (sqlite)
-- Of each subscription the first of these messages that it has received, no more.
select doubted.value from json_each($3) as doubted
where exists (
    select 1 from deliveries d
    where d.site_id = $1 and d.message_id in ids($2) and d.subscription_id = doubted.value
        and d.outcome = 'accepted' and d.at >= $4);

-- name: accepted_by (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select doubted.value from unnest($3::bigint[]) as doubted(value) cross join lateral (
    select 1 from unnest($2::bigint[]) as wanted(value) cross join lateral (
        select 1 from deliveries d
        where d.site_id = $1 and d.message_id = wanted.value and d.subscription_id = doubted.value
            and d.outcome = 'accepted' and d.at >= $4 offset 0) d
    limit 1) first;

-- name: doubtful (sqlite)
-- Who has received none of these messages. The list is made once: the deliveries of each lie beside each other.
select a.subscription_id from acceptances a
where a.site_id = $1 and a.subscription_id > $2 and a.subscription_id <= $3 and a.at >= $4 and a.at < $5
    and a.subscription_id not in (
        select d.subscription_id from json_each($6) wanted cross join deliveries d
        where d.site_id = $1 and d.message_id = wanted.value
            and d.subscription_id > $2 and d.subscription_id <= $3 and d.outcome = 'accepted' and d.at >= $5);

-- name: doubtful (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select a.subscription_id from acceptances a left join lateral (
    select 1 as received from unnest($6::bigint[]) as wanted(value) cross join lateral (
        select 1 from deliveries d
        where d.site_id = $1 and d.message_id = wanted.value and d.subscription_id = a.subscription_id
            and d.outcome = 'accepted' and d.at >= $5 offset 0) d
    limit 1) first on true
where a.site_id = $1 and a.subscription_id > $2 and a.subscription_id <= $3 and a.at >= $4 and a.at < $5
    and first.received is null;

-- name: doubtful_of_tag (sqlite)
select a.subscription_id from subscription_tags t cross join acceptances a
where t.site_id = $1 and t.tag = $6 and t.subscription_id > $2 and t.subscription_id <= $3
    and a.site_id = t.site_id and a.subscription_id = t.subscription_id and a.at >= $4 and a.at < $5;

-- name: doubtful_of_tag (postgres)
select a.subscription_id from subscription_tags t cross join lateral (
    select subscription_id from acceptances
    where site_id = t.site_id and subscription_id = t.subscription_id and at >= $4 and at < $5 offset 0) a
where t.site_id = $1 and t.tag = $6 and t.subscription_id > $2 and t.subscription_id <= $3;
