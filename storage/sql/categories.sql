-- name: add
insert into categories (id, site_id, name, title, created_at, changed_at) values ($1, $2, $3, $4, $5, $6);

-- name: get
select id, site_id, name, title, created_at, changed_at from categories where site_id = $1 and id = $2;

-- name: of_site
select id, site_id, name, title, created_at, changed_at from categories where site_id = $1 order by id;

-- name: update
update categories set title = $3, changed_at = $4 where site_id = $1 and id = $2;

-- name: delete
delete from categories where site_id = $1 and id = $2;
