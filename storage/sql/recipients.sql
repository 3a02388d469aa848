-- name: begin
insert into recipient_lists (site_id, list_id, message_id, in_use, created_at) values ($1, $2, $3, 0, $4);

-- name: add
-- Who was named before stays as they are.
insert into recipients (site_id, list_id, external_id, data)
select site_id, list_id, external_id, data
from rows($1: site_id bigint, list_id bigint, external_id text, data text)
where true
on conflict (site_id, list_id, external_id) do nothing
returning external_id;

-- name: leave
-- Kept for a while: a reader of another message may have begun with it.
update recipient_lists set in_use = 0, created_at = $3 where site_id = $1 and message_id = $2 and in_use = 1;

-- name: use
insert into recipient_lists (site_id, list_id, message_id, in_use, created_at)
select site_id, list_id, $3, 1, $4 from recipient_lists
where site_id = $1 and list_id = $2 and in_use >= 0
order by message_id limit 1
on conflict (site_id, list_id, message_id) do update set in_use = 1;

-- name: exists
select 1 from recipient_lists where site_id = $1 and list_id = $2 and in_use >= 0 limit 1;

-- name: window
-- Where a window of so many subscriptions ends: the key alone is read.
select id from subscriptions where site_id = $1 and id > $2 and id <= $3 order by id limit 1 offset $4;

-- name: data
select external_id, data from recipients where site_id = $1 and list_id = $2 and external_id in texts($3);

-- name: of_members (sqlite)
select s.id, r.data from subscriptions s cross join recipients r
where s.site_id = $1 and s.id in ids($3)
    and r.site_id = $1 and r.list_id = $2 and r.external_id = s.external_id;

-- name: of_members (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.id, r.data
from unnest($3::bigint[]) as wanted(value)
cross join lateral (
    select id, external_id from subscriptions where site_id = $1 and id = wanted.value offset 0) s
cross join lateral (
    select data from recipients where site_id = $1 and list_id = $2 and external_id = s.external_id offset 0) r;

-- name: known
-- Whether anybody has each name, in whatever state.
select r.external_id,
    case when exists (
        select 1 from subscriptions s /* sqlite: indexed by subscriptions_by_external_id */
        where s.site_id = $1 and s.external_id = r.external_id) then 1 else 0 end
from recipients r
where r.site_id = $1 and r.list_id = $2 and r.external_id > $3
order by r.external_id limit $4;

-- name: erase
delete from recipients
where site_id = $1 and external_id = $2 and list_id in (select list_id from recipient_lists where site_id = $1);

-- name: doom
-- Lists of which no message has need any more: ended long enough ago, or the upload was never completed.
update recipient_lists set in_use = -1
where in_use >= 0 and not exists (
    select 1 from recipient_lists o
    where o.site_id = recipient_lists.site_id and o.list_id = recipient_lists.list_id
        and ((o.in_use = 0 and o.created_at > $2)
            or (o.in_use = 1 and (
                exists (select 1 from messages m
                    where m.id = o.message_id and (m.ended_at is null or m.ended_at > $1))
                or exists (select 1 from messages m
                    where m.parent_id = o.message_id and m.kind = 'occurrence' and m.ended_at is null)))));

-- name: doomed
select site_id, list_id from recipient_lists where in_use = -1 order by site_id, list_id limit 1;

-- name: forget
delete from recipients where (site_id, list_id, external_id) in (
    select site_id, list_id, external_id from recipients where site_id = $1 and list_id = $2 limit $3);

-- name: forget_list
delete from recipient_lists where site_id = $1 and list_id = $2 and in_use = -1;
