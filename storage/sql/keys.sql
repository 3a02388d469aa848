-- name: add
insert into application_server_keys (id, site_id, public_key, sealed_private_key, state, state_reason, created_at)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: of_site
select id, site_id, public_key, sealed_private_key, state, state_reason, created_at
from application_server_keys where site_id = $1 order by id desc;

-- name: get
select id, site_id, public_key, sealed_private_key, state, state_reason, created_at
from application_server_keys where site_id = $1 and id = $2;

-- name: by_ids
select id, site_id, public_key, sealed_private_key, state, state_reason, created_at
from application_server_keys where id in ids($1);

-- name: states
select id, state from application_server_keys where id in ids($1);

-- name: newest_active
select id, site_id, public_key, sealed_private_key, state, state_reason, created_at
from application_server_keys where site_id = $1 and state = 'active' order by id desc limit 1;

-- name: retire
update application_server_keys set state = 'retired', state_reason = null where site_id = $1 and id = $2;

-- name: set_state
update application_server_keys set state = $3, state_reason = $4 where id = $1 and state = $2;

-- name: end_wait
-- Only what is due later for that reason: a retry may not come before a Retry-After, nor what is planned for later
-- before its time.
update batches set due_at = $2
where id in (
    select b.id
    from (
        select id from messages where state = 'sending' and site_id = $1
        union all select id from messages where state = 'paused' and site_id = $1) m
    join batches b on b.message_id = m.id
    where b.due_at > $2 and b.due_at <= $3 and b.waits_for_key = 1
    limit $4);

-- name: wake
-- Messages that the claim passes over for a while because nothing of them was due.
update messages set nap_until = 0 where site_id = $1 and state = 'sending' and nap_until > 0;

-- name: idle_waits
-- Sites of which somebody waits for a key although none is paused any more.
select distinct m.site_id from messages m
where m.state = 'sending'
    and not exists (select 1 from application_server_keys k where k.site_id = m.site_id and k.state = 'paused')
    and exists (select 1 from batches b
        where b.message_id = m.id and b.due_at > $1 and b.due_at <= $2 and b.waits_for_key = 1)
limit $3;
