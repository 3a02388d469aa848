-- name: add_many
-- An event that comes late counts in full: it can be late by two days at most.
insert into site_hours (site_id, hour, period, n)
select site_id, hour, period, n from rows($1: site_id bigint, hour smallint, period bigint, n bigint)
where true
on conflict (site_id, hour) do update set
    period = case when excluded.period > site_hours.period then excluded.period else site_hours.period end,
    n = excluded.n + case
        when excluded.period <= site_hours.period then site_hours.n
        when excluded.period - site_hours.period > 40 then 0
        else site_hours.n >> cast(excluded.period - site_hours.period as integer) end;

-- name: of_sites
select site_id, hour, period, n from site_hours where site_id in ids($1) order by site_id, hour;
