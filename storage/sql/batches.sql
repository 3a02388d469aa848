-- name: add
insert into batches (id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at,
    leases, window_ends_at, waits_for_key)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: claim (sqlite)
-- Walks the next $9 sending messages in the order of their turns (messages_sending). One that has nothing due costs one
-- look (batches_by_due), one that is due on a provider that its site may not use one look more (throttles); then come
-- the provider's due batches (batches_by_provider) until there are enough. CROSS JOIN fixes that order of loops; an
-- ORDER BY outside would sort all there are. $8 is 0 where nothing may be claimed that has a rate.
update batches set lease_owner = $1, lease_until = lease_now() + $3, leases = leases + 1
where id in (
    select b.id
    from (
            select id, site_id from messages indexed by messages_sending
            where state = 'sending' and lane between $5 and $6 and nap_until <= $2 and next_at <= $2
                and ($8 = 1 or rate is null)
            order by lane, turn limit $9) m
        cross join json_each($7) p
        cross join batches b indexed by batches_by_provider
    where exists (select 1 from batches due indexed by batches_by_due where due.message_id = m.id and due.due_at <= $2)
        and not exists (select 1 from throttles t where t.site_id = m.site_id and t.provider = ''
            and (t.not_before > $2 or t.next_at > $2 or ($8 = 0 and t.rate is not null)))
        and not exists (select 1 from throttles t where t.site_id = m.site_id and t.provider = p.value
            and (t.not_before > $2 or t.next_at > $2 or ($8 = 0 and t.rate is not null)))
        and b.message_id = m.id and b.provider = p.value and b.due_at <= $2
        and (b.lease_until is null or b.lease_until <= lease_now())
    limit $4)
returning id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at, leases,
    window_ends_at;

-- name: claim (postgres)
-- The same walk: the lateral subqueries keep the order of their outer side and stop at the limit. What another
-- sender is claiming at this moment is skipped, not waited for. Provider and due_at are compared as a row: with
-- `provider = …` it read all due batches of the other providers for one that has none.
with picked as materialized (
    select b.id
    from (
        select id, site_id from messages
        where state = 'sending' and lane between $5 and $6 and nap_until <= $2 and next_at <= $2
            and ($8 = 1 or rate is null)
        order by lane, turn limit $9
    ) m cross join lateral (
        select due_at from batches where message_id = m.id and due_at <= $2 order by due_at limit 1
    ) due cross join lateral (
        select p.provider from unnest($7::text[]) p (provider)
        where not exists (select 1 from throttles t where t.site_id = m.site_id and t.provider in ('', p.provider)
            and (t.not_before > $2 or t.next_at > $2 or ($8 = 0 and t.rate is not null)))
        offset 0
    ) p cross join lateral (
        select id from batches
        where message_id = m.id and (provider, due_at) >= (p.provider, 0) and (provider, due_at) <= (p.provider, $2)
            and (lease_until is null or lease_until <= lease_now())
        order by provider, due_at limit $4
        for update skip locked
    ) b
    limit $4
)
update batches set lease_owner = $1, lease_until = lease_now() + $3, leases = leases + 1
where id in (select id from picked)
returning id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at, leases,
    window_ends_at;

-- name: walked
-- The messages that the claim has just looked at.
select id from messages
where state = 'sending' and lane between $2 and $3 and nap_until <= $1 and next_at <= $1 and ($4 = 1 or rate is null)
order by lane, turn limit $5;

-- name: nap
-- No longer than until its next batch is due; spread out, so that they do not all wake up in one claim.
update messages
set nap_until = coalesce((select min(b.due_at) from batches b
    where b.message_id = messages.id and b.due_at > $2 and b.due_at < $3), $3) - messages.id % 1000
where id in ids($1) and state = 'sending';

-- name: wake
update messages set nap_until = 0 where id in ids($1) and nap_until > $2;

-- name: unclaim
-- As if the claim had not picked them.
update batches set lease_owner = null, lease_until = null, leases = leases - 1 where id in ids($1) and lease_owner = $2;

-- name: advance_turns (sqlite)
update turns set turn = (select max(turns.turn, max(m.turn)) from messages m where m.id in ids($1) and m.lane = turns.lane)
where lane in (select lane from messages where id in ids($1));

-- name: advance_turns (postgres)
-- Approximate is enough, waiting for another sender's claim is not: skip the lane if somebody is moving it.
update turns
set turn = greatest(turn, (select max(m.turn) from messages m where m.id in ids($1) and m.lane = turns.lane))
where lane in (
    select lane from turns where lane in (select lane from messages where id in ids($1))
    for update skip locked);

-- name: take_turn
-- Stride scheduling: a site with k messages sending moves each of them on by k.
update messages
set turn = (select case when t.turn > messages.turn then t.turn else messages.turn end
        from turns t where t.lane = messages.lane)
    + (select count(*) from messages o
        where o.state = 'sending' and o.site_id = messages.site_id and o.lane = messages.lane)
where id in ids($1)
returning id, rate, next_at;

-- name: claim_of_message (sqlite)
update batches set lease_owner = $2, lease_until = lease_now() + $4, leases = leases + 1
where id in (
    select id from batches
    where message_id = $1 and (lease_until is null or lease_until <= lease_now()) limit $3)
returning id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at, leases,
    window_ends_at;

-- name: claim_of_message (postgres)
with picked as materialized (
    select id from batches
    where message_id = $1 and (lease_until is null or lease_until <= lease_now()) limit $3
    for update skip locked
)
update batches set lease_owner = $2, lease_until = lease_now() + $4, leases = leases + 1
where id in (select id from picked)
returning id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at, leases,
    window_ends_at;

-- name: overdue
-- Where anything of `claim_overdue` is; a row costs one look into the provider's due batches.
select message_id, provider, untried, tried_before
from rows($1: message_id bigint, provider text, untried bigint, tried_before bigint, now bigint)
where exists (
    select 1 from batches b /* sqlite: indexed by batches_by_provider */
    where b.message_id = rows.message_id and b.provider = rows.provider and b.due_at <= rows.now
        and ((b.attempt = 1 and rows.untried = 1 and b.due_at <= rows.tried_before)
            or (b.attempt > 1 and b.created_at <= rows.tried_before))
        and (b.lease_until is null or b.lease_until <= lease_now()));

-- name: claim_overdue (sqlite)
update batches set lease_owner = $2, lease_until = lease_now() + $4, leases = leases + 1
where id in (
    select id from batches indexed by batches_by_provider
    where message_id = $1 and provider = $5 and due_at <= $6
        and ((attempt = 1 and $7 = 1 and due_at <= $8) or (attempt > 1 and created_at <= $8))
        and (lease_until is null or lease_until <= lease_now()) limit $3)
returning id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at, leases,
    window_ends_at;

-- name: claim_overdue (postgres)
with picked as materialized (
    select id from batches
    where message_id = $1 and provider = $5 and due_at <= $6
        and ((attempt = 1 and $7 = 1 and due_at <= $8) or (attempt > 1 and created_at <= $8))
        and (lease_until is null or lease_until <= lease_now()) limit $3
    for update skip locked
)
update batches set lease_owner = $2, lease_until = lease_now() + $4, leases = leases + 1
where id in (select id from picked)
returning id, site_id, message_id, provider, members, size, due_at, attempt, stage, variant, lane, created_at, leases,
    window_ends_at;

-- name: extend
update batches set lease_until = lease_now() + cast($3 as bigint) where id in ids($1) and lease_owner = $2
returning id;

-- name: finish_many
delete from batches where id in ids($1) and lease_owner = $2
returning id, leases;

-- name: release
update batches set lease_owner = null, lease_until = null where id in ids($1) and lease_owner = $2;

-- name: release_owner
update batches set lease_owner = null, lease_until = null where lease_owner = $1;

-- name: drop_untouched (sqlite)
delete from batches where id in (
    select id from batches where message_id = $1 and leases = 0 and attempt = 1 limit $2)
returning provider, variant, size;

-- name: drop_untouched (postgres)
-- Skips what a sender is claiming at this moment: it will have been touched.
delete from batches where id in (
    select id from batches where message_id = $1 and leases = 0 and attempt = 1 limit $2
    for update skip locked)
returning provider, variant, size;

-- name: leftovers
-- One look into the batches' index for each message that has any: `distinct` would read the whole of it, five times a
-- second. What senders hold of an ended message is bounded, and it does not count: it would stand before others.
with recursive owners (id) as (
    select min(message_id) from batches
    union all
    select (select min(b.message_id) from batches b where b.message_id > owners.id) from owners
    where owners.id is not null)
select m.id from owners join messages m on m.id = owners.id
where m.state in ('sent', 'cancelled', 'expired')
    and exists (select 1 from batches b
        where b.message_id = m.id and (b.lease_until is null or b.lease_until <= lease_now()))
limit $1;

-- name: count_of_message
select count(*) from batches where message_id = $1;
