-- name: add
insert into audit (id, site_id, actor, action, target, detail, at) values ($1, $2, $3, $4, $5, $6, $7);

-- name: page
select id, site_id, actor, action, target, detail, at from audit
where id < $1 order by id desc limit $2;

-- name: page_of_site
select id, site_id, actor, action, target, detail, at from audit
where site_id = $3 and id < $1 order by id desc limit $2;
