-- name: add_many
-- `where true` keeps SQLite from reading ON CONFLICT as a join's ON.
insert into rollups (site_id, message_id, variant, provider, hour, kind, n)
select site_id, message_id, variant, provider, hour, kind, n
from rows($1: site_id bigint, message_id bigint, variant smallint, provider text, hour bigint, kind text, n bigint)
where true
on conflict (site_id, message_id, variant, provider, hour, kind) do update set n = rollups.n + excluded.n;

-- name: add_totals
-- Rows of messages, so that those that are no news can be left out. In order, so that two flushes on PostgreSQL do not
-- deadlock.
insert into site_totals (site_id, hour, provider, accepted, gone, failed, expired, skipped, displayed, clicked,
    closed, unsubscribed)
select rows.site_id, rows.hour, rows.provider,
    cast(sum(rows.accepted) as bigint), cast(sum(rows.gone) as bigint), cast(sum(rows.failed) as bigint),
    cast(sum(rows.expired) as bigint), cast(sum(rows.skipped) as bigint), cast(sum(rows.displayed) as bigint),
    cast(sum(rows.clicked) as bigint), cast(sum(rows.closed) as bigint), cast(sum(rows.unsubscribed) as bigint)
from rows($1: site_id bigint, message_id bigint, provider text, hour bigint, accepted bigint, gone bigint, failed
    bigint, expired bigint, skipped bigint, displayed bigint, clicked bigint, closed bigint, unsubscribed bigint)
where not exists (select 1 from messages m where m.id = rows.message_id and m.kind in ('test', 'withdrawal'))
group by rows.site_id, rows.hour, rows.provider
order by rows.site_id, rows.hour, rows.provider
on conflict (site_id, hour, provider) do update set
    accepted = site_totals.accepted + excluded.accepted, gone = site_totals.gone + excluded.gone, failed =
    site_totals.failed + excluded.failed, expired = site_totals.expired + excluded.expired, skipped =
    site_totals.skipped + excluded.skipped, displayed = site_totals.displayed + excluded.displayed, clicked =
    site_totals.clicked + excluded.clicked, closed = site_totals.closed + excluded.closed, unsubscribed =
    site_totals.unsubscribed + excluded.unsubscribed;

-- name: totals
-- Joined to messages for the site: the key begins with it.
select r.message_id, r.kind, cast(sum(r.n) as bigint)
from messages m join rollups r on r.site_id = m.site_id and r.message_id = m.id
where m.id in ids($1)
group by r.message_id, r.kind;

-- name: by_variant
select r.message_id, r.variant, r.kind, cast(sum(r.n) as bigint)
from messages m join rollups r on r.site_id = m.site_id and r.message_id = m.id
where m.id in ids($1)
group by r.message_id, r.variant, r.kind;

-- name: of_message
select site_id, message_id, variant, provider, hour, kind, n from rollups
where site_id = $1 and message_id = $2 order by hour, variant, provider, kind;

-- name: by_part
-- Hours of an offset from UTC, added up by the hour or the day of a wall clock.
select (hour + $4) / $5, provider, cast(sum(accepted) as bigint), cast(sum(gone) as bigint), cast(sum(failed) as bigint),
    cast(sum(expired) as bigint), cast(sum(skipped) as bigint), cast(sum(displayed) as bigint),
    cast(sum(clicked) as bigint), cast(sum(closed) as bigint), cast(sum(unsubscribed) as bigint)
from site_totals where site_id = $1 and hour >= $2 and hour < $3
group by (hour + $4) / $5, provider;

-- name: by_kind
select variant, provider, kind, cast(sum(n) as bigint) from rollups
where site_id = $1 and message_id in ids($2)
group by variant, provider, kind;

-- name: hours
select min(hour), max(hour) from rollups where site_id = $1 and message_id in ids($2);

-- name: kinds_by_part
select (hour + $5) / $6, kind, cast(sum(n) as bigint) from rollups
where site_id = $1 and message_id in ids($2) and hour >= $3 and hour < $4
group by (hour + $5) / $6, kind;

-- name: count_started
-- The conditions of the index, word for word.
select count(*) from messages /* sqlite: indexed by messages_started */
where site_id = $1 and started_at >= $2 and started_at < $3
    and started_at is not null and kind <> 'test' and kind <> 'withdrawal';
