-- name: add
insert into webhooks (id, site_id, url, description, types, state, sealed_secret, sealed_old_secret,
    old_secret_until, created_at, paused_at, failing_since, last_error)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: get
select id, site_id, url, description, types, state, sealed_secret, sealed_old_secret,
    old_secret_until, created_at, paused_at, failing_since, last_error
from webhooks where site_id = $1 and id = $2;

-- name: page
select id, site_id, url, description, types, state, sealed_secret, sealed_old_secret,
    old_secret_until, created_at, paused_at, failing_since, last_error
from webhooks where site_id = $1 and id > $2 order by id limit $3;

-- name: count
select count(*) from webhooks where site_id = $1;

-- name: save
update webhooks
set url = $3, description = $4, types = $5, state = $6, sealed_secret = $7, sealed_old_secret = $8, old_secret_until = $9,
    paused_at = $10, failing_since = $11, last_error = $12
where site_id = $1 and id = $2;

-- name: delete
delete from webhooks where site_id = $1 and id = $2;

-- name: forget_types
delete from webhook_types where site_id = $1 and webhook_id = $2;

-- name: collect
insert into webhook_types (site_id, type, webhook_id) select cast($1 as bigint), wanted.value, cast($2 as bigint)
from /* sqlite: json_each($3) as wanted *//* postgres: unnest($3::text[]) as wanted(value) */;

-- name: pause
update webhooks set state = 'paused', paused_at = $3, failing_since = coalesce(failing_since, $3),
    last_error = $2
where id = $1 and state = 'active';

-- name: failed
update webhooks set failing_since = coalesce(failing_since, $2), last_error = $3
where id = $1 and (failing_since is null or last_error <> $3);

-- name: works
update webhooks set failing_since = null, last_error = null where id = $1 and failing_since is not null;

-- name: paused_since
select id, site_id from webhooks
where state = 'paused' and paused_at < $1
    and exists (select 1 from webhook_types t where t.site_id = webhooks.site_id and t.webhook_id = webhooks.id)
limit $2;

-- name: due
-- From webhook to webhook that has something pending, one look into the index for each. The other index would lead
-- SQLite through all that was delivered within a week.
with recursive busy (id) as (
    select min(webhook_id) from webhook_deliveries /* sqlite: indexed by webhook_deliveries_pending */ where state = 'pending'
    union all
    select (select min(d.webhook_id) from webhook_deliveries d /* sqlite: indexed by webhook_deliveries_pending */
        where d.state = 'pending' and d.webhook_id > busy.id)
    from busy where busy.id is not null)
select w.id, w.site_id, w.url, w.description, w.types, w.state, w.sealed_secret, w.sealed_old_secret,
    w.old_secret_until, w.created_at, w.paused_at, w.failing_since, w.last_error
from busy join webhooks w on w.id = busy.id join sites s on s.id = w.site_id
where w.state = 'active' and s.deleted_at is null
    and exists (select 1 from webhook_deliveries d
        where d.webhook_id = w.id and d.state = 'pending' and d.next_attempt_at <= $1
            and (d.lease_until is null or d.lease_until <= lease_now()));
