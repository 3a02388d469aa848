-- name: wanted
select distinct site_id, type from webhook_types;

-- name: add
insert into outbox (site_id, type, facts, n, at)
select cast($1 as bigint), cast($2 as text), cast($3 as text), cast($4 as bigint), cast($5 as bigint)
where exists (select 1 from webhook_types t where t.site_id = $1 and t.type = $2);

-- name: sizes
select id, n from outbox order by id limit $1;

-- name: waiting
select id, site_id, type, facts, n, at from outbox where id in ids($1) order by id;

-- name: take
delete from outbox where id in ids($1);

-- name: wanting
-- Who collects what of these sites.
select t.site_id, t.type, t.webhook_id
from webhook_types t join sites s on s.id = t.site_id
where t.site_id in ids($1) and s.deleted_at is null
order by t.webhook_id;
