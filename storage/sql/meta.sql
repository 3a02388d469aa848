-- name: get
select value from meta where key = $1;

-- name: set_if_absent
insert into meta (key, value) values ($1, $2) on conflict (key) do nothing;
