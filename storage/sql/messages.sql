-- Columns stand in the order of storage.messages.COLUMNS wherever a message is read or written whole.

-- name: add
insert into messages (
    id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, audience_spec, ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
    $24, $25, $26, $27, $28, $29);

-- name: get
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, audience_spec, ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where site_id = $1 and id = $2;

-- name: by_ids
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, audience_spec, ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where id in ids($1);

-- name: states
select id, state from messages where id in ids($1);

-- name: page
-- Without audiences: each may be a megabyte of names. Tests are found by the message that they test.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, '', ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where site_id = $1 and id < $2 and kind <> 'test' order by id desc limit $3;

-- name: tests
-- Those of one request: their ids were drawn in one moment.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, audience_spec, ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages
where site_id = $1 and id >= $2 and id <= $3 and kind = 'test' and parent_id = $4 and created_at = $5 order by id;

-- name: live
-- Three looks into indexes, each cut off: a site may send thousands of transactional messages a minute. The plus
-- keeps SQLite from walking all messages of the site for those few that are paused.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, '', ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where id in (
        select id from (
            select * from (
                select id, lane from messages where site_id = $1 and state = 'sending' order by lane desc, id desc limit $3) s
            union all select * from (
                select id, lane from messages where +site_id = $1 and state = 'paused' order by id desc limit $3) p
            order by lane desc, id desc limit $3) g
        union all select id from (
            select id from messages where site_id = $1 and ended_at is not null and ended_at >= $2
            order by ended_at desc limit $3) e)
order by case when ended_at is null then 0 else 1 end, lane desc, id desc limit 2 * $3;

-- name: page_of_series
-- Without audiences, as in `page`.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, '', ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where site_id = $1 and parent_id = $2 and kind = 'occurrence' and id < $3 order by id desc limit $4;

-- name: count_series
select count(*) from messages where site_id = $1 and kind = 'series' and state in ('scheduled', 'paused');

-- name: move_series
update messages set state = $4, state_reason = $5, send_at = $6, ended_at = $7
where id = $1 and kind = 'series' and state = $2 and send_at = $3;

-- name: overtake
update messages set state = 'expired', state_reason = $2, ended_at = $3
where state = 'scheduled' and id = (
    select id from messages where parent_id = $1 and kind = 'occurrence' order by id desc limit 1);

-- name: update_before_start
update messages
set state = $3, priority = $4, lane = $5, content = $6, audience_spec = $7, ttl = $8, rate = $9, send_at = $10,
    expires_at = $11, rules = $12, kind = $13, state_reason = case when $3 = 'paused' then state_reason end
where site_id = $1 and id = $2 and (state in ('draft', 'scheduled') or (state = 'paused' and started_at is null));

-- name: find_idempotent
select body_hash, message_id, created_at from idempotency_keys where site_id = $1 and key = $2;

-- name: remember_idempotent
insert into idempotency_keys (site_id, key, body_hash, message_id, created_at) values ($1, $2, $3, $4, $5)
on conflict (site_id, key) do nothing;

-- name: forget_idempotent
delete from idempotency_keys where (site_id, key) in (
    select site_id, key from idempotency_keys where created_at < $1 order by created_at limit $2);

-- name: due
-- Lane by lane, so that each is a range of the partial index: what is scheduled for later is never looked at.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, audience_spec, ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where id in (
        select id from (
            select id from messages
            where state = 'scheduled' and lane = 0 and send_at <= $1 and (expires_at is null or expires_at > $1)
            order by send_at limit $2) lane_0
        union all select id from (
            select id from messages
            where state = 'scheduled' and lane = 1 and send_at <= $1 and (expires_at is null or expires_at > $1)
            order by send_at limit $2) lane_1)
order by lane, send_at limit $2;

-- name: start
update messages set state = 'sending', started_at = $2, freeze_ceiling = $3, resolved = $4, state_reason = null
where id = $1 and state = 'scheduled';

-- name: queue_turn
-- Behind the turn taken last by as many places as its site has messages sending: those of one site are spread
-- out among the others' instead of going first in a row.
update messages
set nap_until = 0, turn = (select t.turn from turns t where t.lane = messages.lane)
    + (select count(*) from messages o
        where o.state = 'sending' and o.site_id = messages.site_id and o.lane = messages.lane)
where id = $1;

-- name: freezing
-- One that was paused before its start has no ceiling yet, and nobody in it.
select id, site_id, kind, parent_id, state, state_reason, waiting_until, priority, lane, content, audience_spec, ttl, rate,
    send_at, expires_at, created_at, started_at, frozen_at, ended_at, audience, judged, unknown, freeze_cursor,
    freeze_ceiling, turn, next_at, rules, resolved, winner
from messages where frozen_at is null and state in ('sending', 'paused') and started_at is not null
order by id limit $1;

-- name: freeze_advance
update messages set freeze_cursor = $3, judged = judged + $4
where id = $1 and freeze_cursor = $2 and frozen_at is null and state in ('sending', 'paused');

-- name: frozen
update messages set audience = $2, unknown = $3, frozen_at = $4
where id = $1 and frozen_at is null and state in ('sending', 'paused');

-- name: transition
-- A message that ends in the middle of its freeze has addressed those who were judged so far, nobody else.
update messages
set state = $3, state_reason = $4, ended_at = $5,
    audience = case when cast($5 as bigint) is not null and started_at is not null and frozen_at is null
        then judged else audience end,
    frozen_at = case when cast($5 as bigint) is not null and started_at is not null and frozen_at is null
        then cast($5 as bigint) else frozen_at end
where id = $1 and state in texts($2);

-- name: finish_done
-- A message costs one look into the batches' index. A paused one has nothing left, too, once its last answers are in
-- or its time is over. A step of an automation goes on as long as it takes more visitors, in silence; its audience is
-- compared because on PostgreSQL somebody may have come since the look.
update messages set state_reason = null,
    state = case when messages.kind = 'step' and messages.freeze_ceiling is null then 'open' else 'sent' end,
    ended_at = case when messages.kind = 'step' and messages.freeze_ceiling is null then null else cast($1 as bigint) end
from (
    select id, audience from (
        select id, audience from messages where state = 'sending' and frozen_at is not null
        union all select id, audience from messages where state = 'paused' and frozen_at is not null
            and not (kind = 'step' and freeze_ceiling is null)) m
    where not exists (select 1 from batches b where b.message_id = m.id)
    limit $2) done
where messages.id = done.id and messages.state in ('sending', 'paused') and messages.audience = done.audience
returning messages.id, messages.state;

-- name: past_ttl
-- Whoever of them has not been sent to yet may still be: their TTL has not begun. But nobody waits for a hold longer.
select id, site_id, started_at, ttl from messages
where state = 'sending' and started_at + ttl * 1000 <= $1;

-- name: expired_unstarted
select id from messages
where expires_at <= $1 and state in ('scheduled', 'sending', 'paused') and state in ('scheduled', 'paused')
    and started_at is null
order by expires_at limit $2;

-- name: sending_past_expiry
select id from messages
where expires_at <= $1 and state in ('scheduled', 'sending', 'paused') and state in ('sending', 'paused')
    and started_at is not null
    and exists (select 1 from batches b
        where b.message_id = messages.id and (b.lease_until is null or b.lease_until <= lease_now()))
order by expires_at limit $2;

-- name: progress_of
-- One statement, so that audience and counters are of one moment even where every statement has its own snapshot.
select m.id, m.audience, r.kind, cast(sum(r.n) as bigint)
from messages m left join rollups r on r.site_id = m.site_id and r.message_id = m.id
where m.id in ids($1)
group by m.id, m.audience, r.kind;

-- name: next_batches
-- From provider to provider, one look into batches_by_provider for each, however many batches there are.
with recursive pairs (message_id, provider) as (
    select m.id, (select min(b.provider) from batches b where b.message_id = m.id) from messages m where m.id in ids($1)
    union all
    select p.message_id, (select min(b.provider) from batches b
        where b.message_id = p.message_id and b.provider > p.provider)
    from pairs p where p.provider is not null)
select p.message_id, p.provider, b.due_at, b.attempt, b.waits_for_key, b.window_ends_at
from pairs p join batches b on b.id = (
    select f.id from batches f
    where f.message_id = p.message_id and f.provider = p.provider and f.due_at is not null
    order by f.provider, f.due_at limit 1);

-- name: pace
update messages set next_at = $2 where id = $1;
