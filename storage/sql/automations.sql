-- name: add
insert into automations (id, site_id, name, state, version, definition, created_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: get
select id, site_id, name, state, version, definition, created_at, changed_at
from automations where site_id = $1 and id = $2 and state <> 'deleted';

-- name: page
select id, site_id, name, state, version, definition, created_at, changed_at
from automations where site_id = $1 and id < $2 and state <> 'deleted' order by id desc limit $3;

-- name: update
update automations set name = $3, state = $4, version = version + 1, definition = $5, changed_at = $6
where id = $1 and version = $2 and state <> 'deleted';

-- name: due
-- One look into the index of places for each active automation, from one id on, so that all have their turn.
select id, site_id, name, state, version, definition, created_at, changed_at
from automations a /* sqlite: indexed by automations_active */
where state = 'active' and id > $1
    and exists (select 1 from automation_places p where p.automation_id = a.id and p.due_at <= $2)
order by id limit $3;

-- name: version
-- Null when it is not active any more.
select version from automations where id = $1 and state = 'active';

-- name: enter
-- Whoever waits for the first step begins anew; whoever has left comes in again if $5 is 1, in a round of their own if
-- the one before has sent them anything: at most $6 times.
insert into automation_places (site_id, subscription_id, automation_id, round, step, due_at)
select cast($1 as bigint), wanted.value, a.id, 0, 0, cast($4 as bigint)
from automations a
    cross join /* sqlite: json_each($2) as wanted *//* postgres: unnest($2::bigint[]) as wanted(value) */
where a.id = $3 and a.state = 'active'
on conflict (site_id, subscription_id, automation_id) do update set
    round = automation_places.round + case when automation_places.step > 0 then 1 else 0 end,
    step = 0, due_at = excluded.due_at
where (automation_places.step = 0 and automation_places.due_at is not null)
    or (automation_places.due_at is null and cast($5 as bigint) = 1
        and (automation_places.step = 0 or automation_places.round < cast($6 as bigint)));

-- name: leave_begun
-- Those who have been sent a step.
update automation_places set due_at = null
where site_id = $1 and subscription_id in ids($2) and automation_id = $3 and due_at is not null and step > 0;

-- name: leave
update automation_places set due_at = null
where site_id = $1 and subscription_id in ids($2) and automation_id in ids($3) and due_at is not null;

-- name: leave_all
update automation_places set due_at = null where site_id = $1 and subscription_id = $2 and due_at is not null;

-- name: forget
delete from automation_places where site_id = $1 and subscription_id = $2;

-- name: due_places
select subscription_id, round, step, due_at from automation_places
where automation_id = $1 and due_at <= $2 order by due_at limit $3;

-- name: move (sqlite)
update automation_places set step = rows.step_to, due_at = rows.due_to
from rows($1: site_id bigint, automation_id bigint, subscription_id bigint, step bigint, due_at bigint,
    step_to bigint, due_to bigint, round bigint)
where automation_places.site_id = rows.site_id and automation_places.subscription_id = rows.subscription_id
    and automation_places.automation_id = rows.automation_id
    and automation_places.round = rows.round and automation_places.step = rows.step
    and automation_places.due_at = rows.due_at;

-- name: move (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
update automation_places set step = found.step_to, due_at = found.due_to
from (
    select rows.*, p.place
    from rows($1: site_id bigint, automation_id bigint, subscription_id bigint, step bigint, due_at bigint,
        step_to bigint, due_to bigint, round bigint)
    cross join lateral (
        select ctid as place from automation_places p
        where p.site_id = rows.site_id and p.subscription_id = rows.subscription_id
            and p.automation_id = rows.automation_id offset 0) p
) found
where automation_places.ctid = found.place and automation_places.site_id = found.site_id
    and automation_places.subscription_id = found.subscription_id
    and automation_places.automation_id = found.automation_id
    and automation_places.round = found.round and automation_places.step = found.step
    and automation_places.due_at = found.due_at;

-- name: waiting
select count(*) from (
    select 1 from automation_places where automation_id = $1 and due_at is not null limit $2) waiting;

-- name: deleted
-- Not at once: whoever knew of it a moment ago may still write a place.
select id from automations where state = 'deleted' and changed_at <= $1 order by id limit 1;

-- name: purge_places
delete from automation_places where (site_id, subscription_id, automation_id) in (
    select site_id, subscription_id, automation_id from automation_places where automation_id = $1 limit $2);

-- name: purge
delete from automations where id = $1;
