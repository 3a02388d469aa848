-- name: add
insert into growth (site_id, hour, subscribed, resubscribed, gone, never_worked, unsubscribed, expired, erased)
select site_id, hour, subscribed, resubscribed, gone, never_worked, unsubscribed, expired, erased
from rows($1: site_id bigint, hour bigint, subscribed bigint, resubscribed bigint, gone bigint, never_worked bigint,
    unsubscribed bigint, expired bigint, erased bigint)
where true
on conflict (site_id, hour) do update set
    subscribed = growth.subscribed + excluded.subscribed, resubscribed = growth.resubscribed + excluded.resubscribed,
    gone = growth.gone + excluded.gone, never_worked = growth.never_worked + excluded.never_worked,
    unsubscribed = growth.unsubscribed + excluded.unsubscribed, expired = growth.expired + excluded.expired,
    erased = growth.erased + excluded.erased;

-- name: active
select cast(coalesce(sum(subscribed + resubscribed - gone - never_worked - unsubscribed - expired - erased), 0) as bigint)
from growth where site_id = $1;

-- name: by_part
-- As rollups.by_part.
select (hour + $4) / $5, cast(sum(subscribed) as bigint), cast(sum(resubscribed) as bigint), cast(sum(gone) as bigint),
    cast(sum(never_worked) as bigint), cast(sum(unsubscribed) as bigint), cast(sum(expired) as bigint),
    cast(sum(erased) as bigint)
from growth where site_id = $1 and hour >= $2 and hour < $3
group by (hour + $4) / $5;
