-- Messages of a site by what they are: a stretch of its list at a time, so that no search reads all of it.

-- name: states
select id, state from messages where site_id = $1 and id < $2 and kind <> 'test' order by id desc limit $3;

-- name: contents
select id, state, content from messages where site_id = $1 and id < $2 and kind <> 'test' order by id desc limit $3;

-- name: listed
-- Columns in the order of storage.messages.COLUMNS. Without audiences: each may be a megabyte of names.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, '', ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where id in ids($1) order by id desc;
