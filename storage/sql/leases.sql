-- name: acquire
insert into leases (name, owner, until) values ($1, $2, lease_now() + cast($3 as bigint))
on conflict (name) do update set owner = excluded.owner, until = excluded.until
where leases.owner = excluded.owner or leases.until <= lease_now();

-- name: release
delete from leases where name = $1 and owner = $2;
