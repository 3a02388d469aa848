-- name: add_many
-- `where true` keeps SQLite from reading ON CONFLICT as a join's ON.
insert into rollups (site_id, message_id, variant, provider, hour, kind, n)
select site_id, message_id, variant, provider, hour, kind, n
from rows($1: site_id bigint, message_id bigint, variant smallint, provider text, hour bigint, kind text, n bigint)
where true
on conflict (site_id, message_id, variant, provider, hour, kind) do update set n = rollups.n + excluded.n;

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
