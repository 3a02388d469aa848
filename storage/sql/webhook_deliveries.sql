-- name: add
insert into webhook_deliveries (id, site_id, webhook_id, state, types, events, attempts, status, error, created_at,
    ended_at, next_attempt_at, body)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: get
select id, site_id, webhook_id, state, types, events, attempts, status, error, created_at, ended_at, next_attempt_at
from webhook_deliveries where webhook_id = $1 and id = $2;

-- name: page
select id, site_id, webhook_id, state, types, events, attempts, status, error, created_at, ended_at, next_attempt_at
from webhook_deliveries where webhook_id = $1 and id < $2 order by id desc limit $3;

-- name: page_by_state
select id, site_id, webhook_id, state, types, events, attempts, status, error, created_at, ended_at, next_attempt_at
from webhook_deliveries where webhook_id = $1 and state = $4 and id < $2 order by id desc limit $3;

-- name: oldest_pending
select w.id, (select d.created_at from webhook_deliveries d
    where d.webhook_id = w.id and d.state = 'pending' order by d.id limit 1)
from webhooks w where w.id in ids($1);

-- name: claim
-- The oldest of those whose time has come. A paused webhook's are not looked for.
update webhook_deliveries set lease_owner = $3, lease_until = lease_now() + cast($4 as bigint)
where id in (
    select id from webhook_deliveries
    where webhook_id = $1 and state = 'pending' and next_attempt_at <= $2
        and (lease_until is null or lease_until <= lease_now())
    order by next_attempt_at limit $5 /* postgres: for update skip locked */)
returning id, attempts, created_at, body;

-- name: end
update webhook_deliveries
set state = $3, attempts = attempts + 1, status = $4, error = $5, ended_at = $6, next_attempt_at = null, lease_owner = null,
    lease_until = null
where id = $1 and lease_owner = $2 and state = 'pending';

-- name: put_off
update webhook_deliveries
set attempts = attempts + 1, status = $3, error = $4, next_attempt_at = $5, lease_owner = null, lease_until = null
where id = $1 and lease_owner = $2 and state = 'pending';

-- name: release
update webhook_deliveries set lease_owner = null, lease_until = null where lease_owner = $1 and state = 'pending';

-- name: hurry
update webhook_deliveries set next_attempt_at = $2
where webhook_id = $1 and state = 'pending' and next_attempt_at > $2;

-- name: replay
update webhook_deliveries
set state = 'pending', attempts = 0, ended_at = null, next_attempt_at = $3, lease_owner = null, lease_until = null
where webhook_id = $1 and id = $2 and state <> 'pending';

-- name: replay_state
update webhook_deliveries
set state = 'pending', attempts = 0, ended_at = null, next_attempt_at = $3, lease_owner = null, lease_until = null
where id in (
    select id from webhook_deliveries /* sqlite: indexed by webhook_deliveries_by_state */
    where webhook_id = $1 and state = $2 and ended_at <= $3 order by id limit $4);

-- name: forget
delete from webhook_deliveries where id in (
    select id from webhook_deliveries where state = $1 and ended_at is not null and ended_at < $2 limit $3);

-- name: overdue
-- Of webhooks that are paused, or whose receiver is away: nobody tries them, and they are kept so long. Not since they
-- were made: one that is replayed may be weeks old.
update webhook_deliveries set state = 'dead', ended_at = $2, next_attempt_at = null, error = coalesce(error, $3)
where id in (
    select id from webhook_deliveries
    where state = 'pending' and next_attempt_at < $1 and (lease_until is null or lease_until <= lease_now()) limit $4);

-- name: forget_of_deleted
-- From webhook to webhook, one look into the index for each. (The `with` is inside: SQLite counts no rows otherwise.)
delete from webhook_deliveries where id in (
    with recursive known (id) as (
        select min(webhook_id) from webhook_deliveries
        union all
        select (select min(d.webhook_id) from webhook_deliveries d where d.webhook_id > known.id)
        from known where known.id is not null)
    select d.id from webhook_deliveries d
    where d.webhook_id in (
        select known.id from known
        where known.id is not null and not exists (select 1 from webhooks w where w.id = known.id))
    limit $1);

-- name: summary
-- Of active webhooks: how many wait, and since when the oldest. And how many are dead.
select count(*), min(d.created_at), (select count(*) from webhook_deliveries where state = 'dead' and ended_at is not null)
from webhook_deliveries d join webhooks w on w.id = d.webhook_id
where d.state = 'pending' and w.state = 'active';
