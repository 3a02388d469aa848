-- name: sites_that_sent
-- Sites of which so much was accepted in these hours.
select site_id from site_totals /* sqlite: indexed by site_totals_by_hour */ where hour >= $1 and hour < $2
group by site_id having sum(accepted) >= $3 order by site_id limit $4;

-- name: that_failed
-- Of the hours since $1, wherever so many pushes failed or found nobody.
select site_id, provider, cast(sum(accepted) as bigint), cast(sum(failed) as bigint), cast(sum(gone) as bigint)
from site_totals /* sqlite: indexed by site_totals_by_hour */ where hour >= $1
group by site_id, provider having sum(failed) + sum(gone) >= $2
order by 4 desc limit $3;

-- name: together
-- All sites and providers, by hour.
select hour, cast(sum(accepted) as bigint), cast(sum(displayed) as bigint)
from site_totals /* sqlite: indexed by site_totals_by_hour */ where hour >= $1 and hour < $2 group by hour;

-- name: of_site
-- Only hours of the day from $4 on, $5 of them: `% 24` of a sum, because they may go beyond midnight.
select provider, hour, accepted, failed, gone, displayed, clicked from site_totals
where site_id = $1 and hour >= $2 and hour < $3 and (hour / 3600000 + 24 - $4) % 24 < $5
order by hour, provider;

-- name: note
insert into watched_hours (name, provider, hour, n, total) values ($1, $2, $3, $4, $5)
on conflict (name, provider, hour) do update
set n = watched_hours.n + excluded.n, total = watched_hours.total + excluded.total;

-- name: replace
insert into watched_hours (name, provider, hour, n, total) values ($1, $2, $3, $4, $5)
on conflict (name, provider, hour) do update set n = excluded.n, total = excluded.total;

-- name: noted
select provider, hour, n, total from watched_hours where name = $1 and hour >= $2 order by provider, hour;

-- name: forget
delete from watched_hours where hour < $1;

-- name: late_webhooks
-- By site: since when the oldest delivery of an active webhook waits. From webhook to webhook that has something
-- pending, one look into the index for each.
with recursive busy (id) as (
    select min(webhook_id) from webhook_deliveries where state = 'pending'
    union all
    select (select min(d.webhook_id) from webhook_deliveries d where d.state = 'pending' and d.webhook_id > busy.id)
    from busy where busy.id is not null)
select w.site_id, min((
    select d.created_at from webhook_deliveries d
    where d.webhook_id = w.id and d.state = 'pending' order by d.id limit 1))
from busy join webhooks w on w.id = busy.id
where w.state = 'active' group by w.site_id;

-- name: dead_webhooks
-- By site: deliveries that were given up since $1, and webhooks that paused themselves. Whoever sends a test sees what became of it.
select site_id, cast(sum(dead) as bigint), cast(sum(paused) as bigint)
from (
    select site_id, 1 as dead, 0 as paused from webhook_deliveries
    where ended_at is not null and ended_at >= $1 and state = 'dead' and types <> '["webhook.test"]'
    union all
    select site_id, 0, 1 from webhooks where state = 'paused' and failing_since is not null) found
group by site_id;
