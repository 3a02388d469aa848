-- name: add
insert into tokens (id, site_id, name, scopes, hash, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: by_hash
select id, site_id, name, scopes, created_at, expires_at, revoked_at from tokens where hash = $1;

-- name: get
select id, site_id, name, scopes, created_at, expires_at, revoked_at from tokens where id = $1;

-- name: of_site
select id, site_id, name, scopes, created_at, expires_at, revoked_at from tokens
where site_id = $1 order by id;

-- name: of_every_site
select id, site_id, name, scopes, created_at, expires_at, revoked_at from tokens
where site_id is null order by id;

-- name: revoke
update tokens set revoked_at = $2 where id = $1 and revoked_at is null;
