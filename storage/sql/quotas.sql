-- name: set
insert into quotas (site_id, subscribers, messages_per_day, day, used) values ($1, $2, $3, $4, 0)
on conflict (site_id) do update
set subscribers = excluded.subscribers, messages_per_day = excluded.messages_per_day;

-- name: get
select site_id, subscribers, messages_per_day, case when day = $2 then used else 0 end from quotas where site_id = $1;

-- name: count
update quotas set used = case when day = $2 then used else 0 end + $3, day = $2 where site_id = $1;

-- name: page
select site_id, subscribers, messages_per_day, case when day = $2 then used else 0 end from quotas
where site_id > $1 order by site_id limit $3;
