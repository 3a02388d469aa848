-- name: add
insert into subscriptions (
    site_id, id, provider, key_id, endpoint, endpoint_hash, p256dh, auth, state, created_at, seen_at, expires_at,
    external_id, language, timezone, tags, attributes, country, browser, platform,
    opted_out)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
on conflict (site_id, endpoint_hash) do nothing;

-- name: save
update subscriptions
set state = $3, provider = $4, key_id = $5, endpoint = $6, endpoint_hash = $7, p256dh = $8, auth = $9, seen_at = $10,
    expires_at = $11, ended_at = $12, external_id = $13, language = $14, timezone = $15, tags = $16,
    attributes = $17, opted_out = $18, country = $19, browser = $20, platform = $21
where site_id = $1 and id = $2;

-- name: get
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions where site_id = $1 and id = $2;

-- name: get_to_change
-- Locked until the transaction ends: what a sender says of it meanwhile (gone) must not be overwritten.
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions where site_id = $1 and id = $2 /* postgres: for update */;

-- name: by_endpoint_to_change
-- As get_to_change.
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions where site_id = $1 and endpoint_hash = $2 /* postgres: for update */;

-- name: by_endpoints (sqlite)
-- Without the hint SQLite takes the list for long and reads the whole site instead.
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions /* sqlite: indexed by subscriptions_by_endpoint */
where site_id = $1 and endpoint_hash in hashes($2);

-- name: by_endpoints (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.site_id, s.id, s.provider, s.key_id, s.endpoint, s.p256dh, s.auth, s.state, s.created_at, s.seen_at,
        s.accepted_at, s.expires_at, s.ended_at, s.external_id, s.language, s.timezone, s.tags, s.attributes,
        s.opted_out, s.country, s.browser, s.platform, s.displayed_at, s.clicked_at
from unnest($2::bytea[]) as wanted(value) cross join lateral (
    select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
        (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
        expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser,
        platform, displayed_at, clicked_at from subscriptions
    where site_id = $1 and endpoint_hash = wanted.value offset 0) s;

-- name: page
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions where site_id = $1 and id > $2 order by id limit $3;

-- name: page_filtered (sqlite)
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions
where site_id = $1 and id > $2
    and ($4 is null or exists (select 1 from json_each(tags) where value = $4)) and ($5 is null or state = $5)
order by id limit $3;

-- name: page_filtered (postgres)
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions
where site_id = $1 and id > $2
    and ($4::text is null or tags::jsonb ? $4) and ($5::text is null or state = $5)
order by id limit $3;

-- name: page_by_external_id (sqlite)
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions
where site_id = $1 and external_id = $6 and id > $2
    and ($4 is null or exists (select 1 from json_each(tags) where value = $4)) and ($5 is null or state = $5)
order by id limit $3;

-- name: page_by_external_id (postgres)
select site_id, id, provider, key_id, endpoint, p256dh, auth, state, created_at, seen_at,
    (select at from acceptances a where a.site_id = subscriptions.site_id and a.subscription_id = subscriptions.id) as accepted_at,
    expires_at, ended_at, external_id, language, timezone, tags, attributes, opted_out, country, browser, platform, displayed_at,
    clicked_at
from subscriptions
where site_id = $1 and external_id = $6 and id > $2
    and ($4::text is null or tags::jsonb ? $4) and ($5::text is null or state = $5)
order by id limit $3;

-- name: end
update subscriptions set state = $3, ended_at = $4, never_accepted = cast(not exists (
        select 1 from acceptances a where a.site_id = $1 and a.subscription_id = $2) as integer)
where site_id = $1 and id = $2 and state = 'active'
returning never_accepted;

-- name: erase
update subscriptions
set state = 'erased', ended_at = $3, endpoint = '', endpoint_hash = $4, p256dh = $5, auth = $6, external_id = null,
    language = null, timezone = null, tags = null, attributes = null, opted_out = null, expires_at = null,
    country = null, browser = null, platform = null, displayed_at = null, clicked_at = null, activity = null
where site_id = $1 and id = $2;

-- name: erase_custom_events
delete from custom_events where site_id = $1 and subscription_id = $2;

-- name: count_by_state
select state, count(*) from subscriptions where site_id = $1 group by state;

-- name: count_new_since
select count(*) from (select 1 from subscriptions where site_id = $1 and id > $2 limit $3) newest;

-- name: members (sqlite)
-- Columns in the order of storage.subscriptions.MemberRow. 500 look-ups in the primary key, in the order of the list:
-- `in ids($2)` would sort it first.
select s.id, state, endpoint, p256dh, auth, key_id, expires_at,
    (select at from acceptances a where a.site_id = s.site_id and a.subscription_id = s.id), external_id, seen_at
from json_each($2) as wanted cross join subscriptions s where site_id = $1 and s.id = wanted.value;

-- name: members (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.id, s.state, s.endpoint, s.p256dh, s.auth, s.key_id, s.expires_at, s.accepted_at, s.external_id, s.seen_at
from unnest($2::bigint[]) as wanted(value) cross join lateral (
    select id, state, endpoint, p256dh, auth, key_id, expires_at,
        (select at from acceptances a where a.site_id = $1 and a.subscription_id = wanted.value) as accepted_at,
        external_id, seen_at
    from subscriptions
    where site_id = $1 and id = wanted.value offset 0) s;

-- name: audience_step
-- By the primary key, which is the table itself on SQLite: a range, in order, nothing sorted.
select id, provider from subscriptions
where site_id = $1 and id > $2 and id <= $3 and state = 'active'
order by id limit $4;

-- name: audience_step_details
-- As audience_step, for messages that ask for more. Columns in the order of storage.subscription.RecipientRow.
select id, provider, timezone, activity from subscriptions
where site_id = $1 and id > $2 and id <= $3 and state = 'active'
order by id limit $4;

-- name: details (sqlite)
-- Columns in the order of storage.subscription.RecipientRow.
select id, provider, timezone, activity from subscriptions where site_id = $1 and id in ids($2);

-- name: details (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.id, s.provider, s.timezone, s.activity
from unnest($2::bigint[]) as wanted(value) cross join lateral (
    select id, provider, timezone, activity from subscriptions
    where site_id = $1 and id = wanted.value offset 0) s;

-- name: visitors (sqlite)
-- Columns in the order of storage.subscription.VisitorRow.
select id, language, timezone, attributes from subscriptions where site_id = $1 and id in ids($2);

-- name: visitors (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.id, s.language, s.timezone, s.attributes
from unnest($2::bigint[]) as wanted(value) cross join lateral (
    select id, language, timezone, attributes from subscriptions
    where site_id = $1 and id = wanted.value offset 0) s;

-- name: opted_out (sqlite)
select id from subscriptions
where site_id = $1 and id in ids($2) and exists (select 1 from json_each(opted_out) where value = $3);

-- name: opted_out (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.id
from unnest($2::bigint[]) as wanted(value) cross join lateral (
    select id, opted_out from subscriptions where site_id = $1 and id = wanted.value offset 0) s
where s.opted_out::jsonb ? $3;

-- name: by_ids (sqlite)
select id, provider, state from subscriptions where site_id = $1 and id in ids($2);

-- name: by_ids (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.id, s.provider, s.state
from unnest($2::bigint[]) as wanted(value) cross join lateral (
    select id, provider, state from subscriptions
    where site_id = $1 and id = wanted.value offset 0) s;

-- name: by_external_ids (sqlite)
-- The hint as in by_endpoints.
select external_id, id, provider, state
from subscriptions /* sqlite: indexed by subscriptions_by_external_id */
where site_id = $1 and external_id in texts($2);

-- name: by_external_ids (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
select s.external_id, s.id, s.provider, s.state
from unnest($2::text[]) as wanted(value) cross join lateral (
    select external_id, id, provider, state from subscriptions
    where site_id = $1 and external_id = wanted.value offset 0) s;

-- name: newest_of_visitor
-- So many of the index's entries and no more, however many have the external id.
select id, state from subscriptions /* sqlite: indexed by subscriptions_by_external_id */
where site_id = $1 and external_id = $2 order by id desc limit $3;

-- name: gone (sqlite)
update subscriptions set state = 'gone', ended_at = rows.at, never_accepted = not exists (
        select 1 from acceptances a where a.site_id = rows.site_id and a.subscription_id = rows.id)
from rows($1: site_id bigint, id bigint, endpoint text, at bigint)
where subscriptions.site_id = rows.site_id and subscriptions.id = rows.id
    and subscriptions.endpoint = rows.endpoint and subscriptions.state = 'active'
returning subscriptions.site_id, subscriptions.ended_at, subscriptions.never_accepted;

-- name: gone (postgres)
-- One look-up for each, whatever the statistics say (storage/sql/deliveries.sql, recorded).
update subscriptions set state = 'gone', ended_at = found.at, never_accepted = cast(not exists (
        select 1 from acceptances a where a.site_id = found.site_id and a.subscription_id = found.id) as integer)
from (
    select rows.*, s.place
    from rows($1: site_id bigint, id bigint, endpoint text, at bigint)
    cross join lateral (
        select ctid as place from subscriptions s where s.site_id = rows.site_id and s.id = rows.id offset 0) s
) found
where subscriptions.ctid = found.place and subscriptions.site_id = found.site_id and subscriptions.id = found.id
    and subscriptions.endpoint = found.endpoint and subscriptions.state = 'active'
returning subscriptions.site_id, subscriptions.ended_at, subscriptions.never_accepted;

-- name: accepted
-- In a narrow table of its own: to write it into the subscriptions would rewrite all of a site's rows at its first
-- broadcast, on PostgreSQL with their entries in six indexes.
insert into acceptances (site_id, subscription_id, at)
select $1, wanted.value, $3
from /* sqlite: json_each($2) as wanted *//* postgres: unnest($2::bigint[]) as wanted(value) */
where true
on conflict (site_id, subscription_id) do update set at = excluded.at;

-- name: expire_due
update subscriptions set state = 'expired', ended_at = $1
where (site_id, id) in (
    select site_id, id from subscriptions where expires_at is not null and expires_at <= $1 and state = 'active' limit $2)
returning site_id;

-- name: gone_between
select site_id, id, ended_at, never_accepted from subscriptions
where state = 'gone' and provider = $1 and ended_at >= $2 and ended_at <= $3 limit $4 /* postgres: for update */;

-- name: revert_gone (sqlite)
update subscriptions set state = 'active', ended_at = null
from rows($1: site_id bigint, id bigint)
where subscriptions.site_id = rows.site_id and subscriptions.id = rows.id and subscriptions.state = 'gone'
returning subscriptions.site_id, subscriptions.id;

-- name: revert_gone (postgres)
-- As in gone.
update subscriptions set state = 'active', ended_at = null
from (
    select rows.*, s.place
    from rows($1: site_id bigint, id bigint)
    cross join lateral (
        select ctid as place from subscriptions s where s.site_id = rows.site_id and s.id = rows.id offset 0) s
) found
where subscriptions.ctid = found.place and subscriptions.site_id = found.site_id and subscriptions.id = found.id
    and subscriptions.state = 'gone'
returning subscriptions.site_id, subscriptions.id;

-- name: forget_never_accepted
delete from subscriptions
where (site_id, id) in (
    select site_id, id from subscriptions
    where state = 'gone' and never_accepted = 1 and ended_at < $1 limit $2)
returning site_id, id;
