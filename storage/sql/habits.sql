-- name: note
insert into unlearnt (site_id, subscription_id, at, hour, clicked)
select site_id, subscription_id, at, hour, clicked
from rows($1: site_id bigint, subscription_id bigint, at bigint, hour smallint, clicked smallint);

-- name: waiting
select site_id, subscription_id, id from unlearnt order by id limit $1;

-- name: span
select min(id), max(id) from (select min(id) as id from unlearnt union all select max(id) from unlearnt) ends;

-- name: take
delete from unlearnt where id in ids($1) returning site_id, subscription_id, at, clicked, hour;

-- name: habits (sqlite)
select s.site_id, s.id, s.displayed_at, s.clicked_at, s.activity
from rows($1: site_id bigint, id bigint)
join subscriptions s on s.site_id = rows.site_id and s.id = rows.id and s.state <> 'erased';

-- name: habits (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded). Locked in the order of
-- the rows: the counters are read here and written below, and an erasure in between would be undone.
select s.site_id, s.id, s.displayed_at, s.clicked_at, s.activity
from rows($1: site_id bigint, id bigint)
cross join lateral (
    select site_id, id, displayed_at, clicked_at, activity from subscriptions
    where site_id = rows.site_id and id = rows.id and state <> 'erased' offset 0 for no key update) s;

-- name: learn (sqlite)
update subscriptions
set displayed_at = rows.displayed_at, clicked_at = rows.clicked_at, activity = unhex(rows.activity)
from rows($1: site_id bigint, id bigint, displayed_at bigint, clicked_at bigint, activity text)
where subscriptions.site_id = rows.site_id and subscriptions.id = rows.id;

-- name: learn (postgres)
-- As storage/sql/subscriptions.sql, gone.
update subscriptions
set displayed_at = found.displayed_at, clicked_at = found.clicked_at, activity = decode(found.activity, 'hex')
from (
    select rows.*, s.place
    from rows($1: site_id bigint, id bigint, displayed_at bigint, clicked_at bigint, activity text)
    cross join lateral (
        select ctid as place from subscriptions s where s.site_id = rows.site_id and s.id = rows.id offset 0) s
) found
where subscriptions.ctid = found.place and subscriptions.site_id = found.site_id and subscriptions.id = found.id;
