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
