-- name: record_first
-- One statement for a whole flush. A row that is there was recorded by an earlier flush or another sender. In order, so
-- that two flushes on PostgreSQL do not deadlock.
insert into deliveries (site_id, message_id, subscription_id, attempt, variant, outcome, code, reason, at)
select site_id, message_id, subscription_id, attempt, variant, outcome, code, reason, at
from groups($1: site_id bigint, message_id bigint, attempt smallint, variant smallint, outcome text, code smallint,
    reason text; subscription_id bigint, at bigint)
where true /* postgres: order by site_id, message_id, subscription_id */
on conflict (site_id, message_id, subscription_id) do nothing
returning message_id, subscription_id;

-- name: record_later (sqlite)
-- Compare and set: only where exactly the attempt before is still open.
update deliveries
set attempt = rows.attempt, variant = rows.variant, outcome = rows.outcome, code = rows.code,
    reason = rows.reason, at = rows.at
from groups($1: site_id bigint, message_id bigint, attempt smallint, variant smallint, outcome text, code smallint,
    reason text; subscription_id bigint, at bigint)
where deliveries.site_id = rows.site_id and deliveries.message_id = rows.message_id
    and deliveries.subscription_id = rows.subscription_id
    and deliveries.attempt = rows.attempt - 1 and deliveries.outcome is null
returning deliveries.message_id, deliveries.subscription_id;

-- name: record_later (postgres)
-- The rows are looked up one by one, as in recorded, and updated where they lie; attempt and outcome are checked on
-- the row as it is when its lock is had. The key is compared, too: in partitions a place is not unique.
update deliveries
set attempt = found.attempt, variant = found.variant, outcome = found.outcome, code = found.code,
    reason = found.reason, at = found.at
from (
    select rows.*, d.place
    from groups($1: site_id bigint, message_id bigint, attempt smallint, variant smallint, outcome text,
        code smallint, reason text; subscription_id bigint, at bigint)
    cross join lateral (
        select ctid as place from deliveries d
        where d.site_id = rows.site_id and d.message_id = rows.message_id
            and d.subscription_id = rows.subscription_id
        offset 0) d
    order by rows.site_id, rows.message_id, rows.subscription_id
) found
where deliveries.ctid = found.place and deliveries.site_id = found.site_id
    and deliveries.message_id = found.message_id and deliveries.subscription_id = found.subscription_id
    and deliveries.attempt = found.attempt - 1 and deliveries.outcome is null
returning deliveries.message_id, deliveries.subscription_id;

-- name: recorded (sqlite)
select subscription_id from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3);

-- name: recorded (postgres)
-- One look-up for each id, whatever the statistics say: of a message that is being sent they know nothing yet, so
-- that `= any($3)` was made a filter over all of its deliveries (60 ms instead of 1). OFFSET 0 is the fence.
select d.subscription_id
from unnest($3::bigint[]) as ids(id) cross join lateral (
    select subscription_id from deliveries
    where site_id = $1 and message_id = $2 and subscription_id = ids.id offset 0) d;

-- name: open_at (sqlite)
select subscription_id from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3) and attempt = $4 and outcome is null;

-- name: open_at (postgres)
-- As in recorded.
select d.subscription_id
from unnest($3::bigint[]) as ids(id) cross join lateral (
    select subscription_id from deliveries
    where site_id = $1 and message_id = $2 and subscription_id = ids.id and attempt = $4 and outcome is null
    offset 0) d;

-- name: called_gone (sqlite)
select subscription_id from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3) and outcome is null and code in (404, 410);

-- name: called_gone (postgres)
-- As in recorded.
select d.subscription_id
from unnest($3::bigint[]) as ids(id) cross join lateral (
    select subscription_id from deliveries
    where site_id = $1 and message_id = $2 and subscription_id = ids.id and outcome is null and code in (404, 410)
    offset 0) d;

-- name: page
select subscription_id, attempt, variant, outcome, reason, code, at from deliveries
where site_id = $1 and message_id = $2 and subscription_id > $3
    and (cast($5 as text) is null or outcome = $5)
order by subscription_id limit $4;

-- name: failed_page
-- The condition of the index deliveries_failed, word for word; SQLite would read all deliveries without the hint.
select subscription_id, attempt, variant, outcome, reason, code, at
from deliveries /* sqlite: indexed by deliveries_failed */
where site_id = $1 and message_id = $2 and subscription_id > $3 and outcome <> 'accepted' and outcome <> 'skipped'
    and (cast($5 as text) is null or outcome = $5)
order by subscription_id limit $4;
