-- name: add
insert into sites (id, name, origins, contact, identity, demo, settings, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: get
select id, name, origins, contact, identity, demo, settings, created_at
from sites where id = $1 and deleted_at is null;

-- name: page
select id, name, origins, contact, identity, demo, settings, created_at
from sites where id > $1 and deleted_at is null order by id limit $2;

-- name: page_of
select id, name, origins, contact, identity, demo, settings, created_at
from sites where id > $1 and deleted_at is null and id in ids($3) order by id limit $2;

-- name: update
update sites set name = $2, origins = $3, contact = $4, identity = $5, demo = $6, settings = $7
where id = $1 and deleted_at is null;

-- name: delete
update sites set deleted_at = $2 where id = $1 and deleted_at is null;

-- name: revoke_tokens
update tokens set revoked_at = $2 where site_id = $1 and revoked_at is null;

-- name: retire_keys
update application_server_keys set state = 'retired', state_reason = 'site_deleted' where site_id = $1;

-- name: cancel_messages
update messages set state = 'cancelled', state_reason = 'site_deleted', ended_at = $2
where site_id = $1 and state in ('draft', 'scheduled', 'open', 'sending', 'paused');

-- name: find_demo
select id, name, origins, contact, identity, demo, settings, created_at
from sites where demo = 1 and deleted_at is null order by id limit 1;

-- name: deleted
select id from sites where deleted_at is not null order by id limit 1;

-- name: purge
delete from sites where id = $1;

-- name: purge_custom_events
delete from custom_events where (site_id, id) in (select site_id, id from custom_events where site_id = $1 limit $2);

-- name: purge_events
delete from events where (site_id, message_id, subscription_id, kind) in (select site_id, message_id, subscription_id, kind from events where site_id = $1 limit $2);

-- name: purge_deliveries
delete from deliveries where (site_id, message_id, subscription_id) in (select site_id, message_id, subscription_id from deliveries where site_id = $1 limit $2);

-- name: purge_rollups
delete from rollups where (site_id, message_id, variant, provider, hour, kind) in (select site_id, message_id, variant, provider, hour, kind from rollups where site_id = $1 limit $2);

-- name: purge_site_totals
delete from site_totals where (site_id, hour, provider) in (select site_id, hour, provider from site_totals where site_id = $1 limit $2);

-- name: purge_growth
delete from growth where (site_id, hour) in (select site_id, hour from growth where site_id = $1 limit $2);

-- name: purge_breakdowns
delete from breakdowns where (site_id, message_id, day, dimension, value) in (select site_id, message_id, day, dimension, value from breakdowns where site_id = $1 limit $2);

-- name: purge_site_hours
delete from site_hours where (site_id, hour) in (select site_id, hour from site_hours where site_id = $1 limit $2);

-- name: purge_unlearnt
delete from unlearnt where id in (select id from unlearnt where site_id = $1 limit $2);

-- name: purge_batches
delete from batches where id in (select id from batches where site_id = $1 limit $2);

-- name: purge_stages
delete from stages where message_id in (select message_id from stages where site_id = $1 limit $2);

-- name: purge_idempotency_keys
delete from idempotency_keys where (site_id, key) in (select site_id, key from idempotency_keys where site_id = $1 limit $2);

-- name: purge_recipients
delete from recipients where (site_id, list_id, external_id) in (select site_id, list_id, external_id from recipients where site_id = $1 limit $2);

-- name: purge_recipient_lists
delete from recipient_lists where (site_id, list_id, message_id) in (select site_id, list_id, message_id from recipient_lists where site_id = $1 limit $2);

-- name: purge_outbox
delete from outbox where id in (select id from outbox where site_id = $1 limit $2);

-- name: purge_webhook_deliveries
delete from webhook_deliveries where id in (select id from webhook_deliveries where site_id = $1 limit $2);

-- name: purge_webhook_types
delete from webhook_types where (site_id, type, webhook_id) in (
    select site_id, type, webhook_id from webhook_types where site_id = $1 limit $2);

-- name: purge_webhooks
delete from webhooks where id in (select id from webhooks where site_id = $1 limit $2);

-- name: purge_images
delete from images where id in (select id from images where site_id = $1 limit $2);

-- name: purge_templates
delete from templates where id in (select id from templates where site_id = $1 limit $2);

-- name: purge_messages
delete from messages where id in (select id from messages where site_id = $1 limit $2);

-- name: purge_subscriptions
delete from subscriptions where (site_id, id) in (select site_id, id from subscriptions where site_id = $1 limit $2);

-- name: purge_throttles
delete from throttles where (site_id, provider) in (select site_id, provider from throttles where site_id = $1 limit $2);

-- name: purge_tokens
delete from tokens where id in (select id from tokens where site_id = $1 limit $2);

-- name: purge_application_server_keys
delete from application_server_keys where id in (select id from application_server_keys where site_id = $1 limit $2);

-- name: purge_automation_rounds
delete from automation_rounds where (site_id, step_id, round) in (select site_id, step_id, round from automation_rounds where site_id = $1 limit $2);

-- name: delete_automations
update automations set state = 'deleted', changed_at = $2 where site_id = $1;

-- name: purge_automation_places
delete from automation_places where (site_id, subscription_id, automation_id) in (select site_id, subscription_id, automation_id from automation_places where site_id = $1 limit $2);

-- name: purge_automations
delete from automations where id in (select id from automations where site_id = $1 limit $2);

-- name: purge_segments
delete from segments where id in (select id from segments where site_id = $1 limit $2);

-- name: purge_categories
delete from categories where id in (select id from categories where site_id = $1 limit $2);

-- name: purge_recent_pushes
delete from recent_pushes where (site_id, subscription_id, message_id) in (select site_id, subscription_id, message_id from recent_pushes where site_id = $1 limit $2);

-- name: purge_acceptances
delete from acceptances where (site_id, subscription_id) in (select site_id, subscription_id from acceptances where site_id = $1 limit $2);

-- name: purge_alerts
delete from alerts where id in (select id from alerts where site_id = $1 limit $2);

-- name: purge_quotas
delete from quotas where site_id in (select site_id from quotas where site_id = $1 limit $2);

-- name: purge_push_locations
delete from push_locations where (site_id, subscription_id, message_id) in (select site_id, subscription_id, message_id from push_locations where site_id = $1 limit $2);
