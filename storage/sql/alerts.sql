-- name: add
-- Nothing when one of the kind is raised already.
insert into alerts (id, site_id, name, provider, severity, value, low, high, summary, look_at, raised_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (name, site_id, provider) where ended_at is null do nothing;

-- name: end
update alerts set ended_at = $2 where id = $1 and ended_at is null;

-- name: acknowledge
update alerts set acknowledged_at = $2 where id = $1 and acknowledged_at is null;

-- name: get
select id, site_id, name, provider, severity, value, low, high, summary, look_at, raised_at, ended_at, acknowledged_at
from alerts where id = $1;

-- name: raised
select id, site_id, name, provider, severity, value, low, high, summary, look_at, raised_at, ended_at, acknowledged_at
from alerts where ended_at is null order by name, site_id, provider limit $1;

-- name: page
-- $3: which of them, those that are raised and those that have ended.
select id, site_id, name, provider, severity, value, low, high, summary, look_at, raised_at, ended_at, acknowledged_at
from alerts
where id < $1 and ((ended_at is null and cast($3 as bigint) = 1) or (ended_at is not null and cast($4 as bigint) = 1))
order by id desc limit $2;

-- name: page_of_site
select id, site_id, name, provider, severity, value, low, high, summary, look_at, raised_at, ended_at, acknowledged_at
from alerts
where site_id = $5 and id < $1
    and ((ended_at is null and cast($3 as bigint) = 1) or (ended_at is not null and cast($4 as bigint) = 1))
order by id desc limit $2;

-- name: forget
delete from alerts where id in (select id from alerts where ended_at is not null and ended_at < $1 limit $2);
