-- Columns in the order of storage.segments.Segment.

-- name: add
insert into segments (id, site_id, name, expression, created_at, changed_at) values ($1, $2, $3, $4, $5, $6);

-- name: get
select id, site_id, name, expression, created_at, changed_at from segments where site_id = $1 and id = $2;

-- name: page
select id, site_id, name, expression, created_at, changed_at from segments
where site_id = $1 and id > $2 order by id limit $3;

-- name: count
select count(*) from segments where site_id = $1;

-- name: change
update segments set name = $3, expression = $4, changed_at = $5 where site_id = $1 and id = $2;

-- name: delete
delete from segments where site_id = $1 and id = $2;
