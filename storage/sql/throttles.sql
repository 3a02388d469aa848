-- name: hold
-- The later time wins, and with it its reason; `since` is when the hold in force began, or the first of several in a
-- row (failures > 1: nothing was answered in between) that are less than $7 apart.
insert into throttles (site_id, provider, not_before, reason, since, failures) values ($1, $2, $3, $4, $5, $6)
on conflict (site_id, provider) do update
set reason = case when excluded.not_before > throttles.not_before then excluded.reason else throttles.reason end,
    since = case when throttles.not_before > excluded.since
            - (case when throttles.failures > 0 and excluded.failures > 1 then cast($7 as bigint) else 0 end)
        and throttles.since < excluded.since
        then throttles.since else excluded.since end,
    failures = case when throttles.failures > excluded.failures
        and throttles.not_before > excluded.since - cast($7 as bigint)
        then throttles.failures else excluded.failures end,
    not_before = case when excluded.not_before > throttles.not_before
        then excluded.not_before else throttles.not_before end;

-- name: recover
update throttles set failures = 0 where site_id = $1 and provider = $2 and failures > 0;

-- name: confirm
insert into throttles (site_id, provider, trusted_until) values (0, $1, $2)
on conflict (site_id, provider) do update
set not_before = 0, reason = null, since = null, failures = 0, trusted_until = excluded.trusted_until;

-- name: release
update throttles set not_before = 0, reason = null, since = null, failures = 0 where site_id = $1 and provider = $2;

-- name: wake
-- Messages that the claim passes over for a while because nothing of them could be claimed.
update messages set nap_until = 0
where state = 'sending' and nap_until > 0 and (site_id = $1 or cast($1 as bigint) = 0);

-- name: set_rate
insert into throttles (site_id, provider, rate) values ($1, $2, $3)
on conflict (site_id, provider) do update set rate = excluded.rate, next_at = 0;

-- name: all
select site_id, provider, not_before, reason, since, failures, rate, next_at, trusted_until from throttles
order by site_id, provider limit $1;

-- name: of_site
select site_id, provider, not_before, reason, since, failures, rate, next_at, trusted_until from throttles
where site_id = $1 order by provider;

-- name: of_providers
select site_id, provider, not_before, reason, since, failures, rate, next_at, trusted_until from throttles where site_id = 0;

-- name: held_sites
-- And those whose last hold ended after $2 and that have not answered since.
select site_id, provider, not_before, reason, since, failures, rate, next_at, trusted_until from throttles
where not_before > $2 and site_id > 0 and (not_before > $1 or failures > 0) order by not_before desc limit $3;

-- name: forget
delete from throttles
where (site_id, provider) in (
    select site_id, provider from throttles
    where not_before < $1 and trusted_until < $1 and rate is null limit $2);

-- name: rates
-- Locked until the transaction ends: two claims must not grant the same time.
select site_id, provider, rate, next_at from throttles
where site_id in ids($1) and rate is not null order by site_id, provider /* postgres: for update */;

-- name: pace
update throttles set next_at = $3 where site_id = $1 and provider = $2;
