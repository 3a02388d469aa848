-- name: add
insert into templates (id, site_id, name, content, created_at, changed_at) values ($1, $2, $3, $4, $5, $6);

-- name: get
select id, site_id, name, content, created_at, changed_at from templates where site_id = $1 and id = $2;

-- name: page
select id, site_id, name, content, created_at, changed_at from templates
where site_id = $1 and id > $2 order by id limit $3;

-- name: update
update templates set name = $3, content = $4, changed_at = $5 where site_id = $1 and id = $2;

-- name: delete
delete from templates where site_id = $1 and id = $2;

-- name: count
select count(*) from templates where site_id = $1;
