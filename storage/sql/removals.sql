-- name: marks
select done_at, done_id, ended_at, message_id from removals where kind = $1;

-- name: begun
select 1 from messages m cross join removals r
where m.id = $2 and r.kind = $1 and m.ended_at is not null and (m.ended_at, m.id) <= (r.ended_at, r.message_id);

-- name: begin
insert into removals (kind, done_at, done_id, ended_at, message_id) values ($1, 0, 0, $2, $3)
on conflict (kind) do update set ended_at = excluded.ended_at, message_id = excluded.message_id;

-- name: done
-- What was looked at, no more: somebody else may have done it, too, and have begun with the next.
update removals set done_at = $2, done_id = $3 where kind = $1;

-- name: next_messages
select ended_at, id from messages
where ended_at is not null and (ended_at, id) > ($1, $2) and ended_at < $3
order by ended_at, id limit $4;

-- name: messages_between
select site_id, id from messages
where ended_at is not null and (ended_at, id) > ($1, $2) and (ended_at, id) <= ($3, $4);

-- name: remove_deliveries (sqlite)
-- ROWS of storage/removals.py: a statement over rows takes nothing else.
delete from deliveries where (site_id, message_id, subscription_id) in (
    select d.site_id, d.message_id, d.subscription_id
    from rows($1: site_id bigint, id bigint)
    cross join deliveries d on d.site_id = rows.site_id and d.message_id = rows.id
    limit 1000);

-- name: remove_deliveries (postgres)
-- As in storage/sql/deliveries.sql, record_later.
delete from deliveries using (
    select d.place, rows.site_id, rows.id
    from rows($1: site_id bigint, id bigint)
    cross join lateral (
        select ctid as place from deliveries d where d.site_id = rows.site_id and d.message_id = rows.id
        limit 1000) d
    limit 1000) found
where deliveries.ctid = found.place and deliveries.site_id = found.site_id and deliveries.message_id = found.id;

-- name: remove_events (sqlite)
delete from events where (site_id, message_id, subscription_id, kind) in (
    select e.site_id, e.message_id, e.subscription_id, e.kind
    from rows($1: site_id bigint, id bigint)
    cross join events e on e.site_id = rows.site_id and e.message_id = rows.id
    limit 1000);

-- name: remove_events (postgres)
delete from events using (
    select e.place, rows.site_id, rows.id
    from rows($1: site_id bigint, id bigint)
    cross join lateral (
        select ctid as place from events e where e.site_id = rows.site_id and e.message_id = rows.id
        limit 1000) e
    limit 1000) found
where events.ctid = found.place and events.site_id = found.site_id and events.message_id = found.id;

-- name: open_steps
-- Not while a batch from before waits that a sender has had: its rows tell whoever has it next to whom it was sent.
select site_id, id from messages
where kind = 'step' and state in ('open', 'sending', 'paused') and created_at < $1
    and not exists (select 1 from batches b where b.message_id = messages.id and b.leases > 0 and b.created_at < $1)
order by id;

-- name: page_of_deliveries
select subscription_id, at, outcome is not null from deliveries
where site_id = $1 and message_id = $2 and subscription_id > $3 order by subscription_id limit $4;

-- name: page_of_events
-- Of one subscription all kinds are removed together: the page may end between them.
select subscription_id, at, 1 = 1 from events
where site_id = $1 and message_id = $2 and subscription_id > $3 order by subscription_id limit $4;

-- name: remove_old_deliveries
delete from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3) and at < $4 and outcome is not null;

-- name: remove_old_events
delete from events where site_id = $1 and message_id = $2 and subscription_id in ids($3) and at < $4;

-- name: sites_with_custom_events
-- From site to site, two looks into the primary key for each.
with recursive found (site_id) as (
    select min(site_id) from custom_events
    union all
    select (select min(c.site_id) from custom_events c where c.site_id > found.site_id)
    from found where found.site_id is not null)
select site_id from found
where site_id is not null and exists (select 1 from custom_events c where c.site_id = found.site_id and c.id <= $1);

-- name: remove_custom_events
delete from custom_events where (site_id, id) in (
    select site_id, id from custom_events where site_id = $1 and id <= $2 order by id limit $3);
