-- name: record_first
-- One statement for a whole flush. A row that is there was recorded by an earlier flush or another sender.
insert into deliveries (site_id, message_id, subscription_id, attempt, variant, outcome, code, reason, at)
select site_id, message_id, subscription_id, attempt, variant, outcome, code, reason, at
from rows($1: site_id bigint, message_id bigint, subscription_id bigint, attempt smallint, variant smallint,
    outcome text, code smallint, reason text, at bigint)
where true
on conflict (site_id, message_id, subscription_id) do nothing
returning message_id, subscription_id, attempt;

-- name: record_later
-- Compare and set: only where exactly the attempt before is still open.
update deliveries
set attempt = rows.attempt, variant = rows.variant, outcome = rows.outcome, code = rows.code,
    reason = rows.reason, at = rows.at
from rows($1: site_id bigint, message_id bigint, subscription_id bigint, attempt smallint, variant smallint,
    outcome text, code smallint, reason text, at bigint)
where deliveries.site_id = rows.site_id and deliveries.message_id = rows.message_id
    and deliveries.subscription_id = rows.subscription_id
    and deliveries.attempt = rows.attempt - 1 and deliveries.outcome is null
returning deliveries.message_id, deliveries.subscription_id, deliveries.attempt;

-- name: recorded
select subscription_id from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3);

-- name: open_at
select subscription_id from deliveries
where site_id = $1 and message_id = $2 and subscription_id in ids($3) and attempt = $4 and outcome is null;

-- name: page
select subscription_id, attempt, variant, outcome, reason, code, at from deliveries
where site_id = $1 and message_id = $2 and subscription_id > $3
    and (cast($5 as text) is null or outcome = $5)
order by subscription_id limit $4;
