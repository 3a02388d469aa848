-- Who is told of what happens at a site. Secrets are sealed under the master key.
create table webhooks (
    id {id_key},
    site_id bigint not null references sites (id),
    url text not null,
    description text not null,
    types text not null,
    state text not null,
    sealed_secret {bytes} not null,
    sealed_old_secret {bytes},
    old_secret_until bigint,
    created_at bigint not null,
    paused_at bigint,
    failing_since bigint,
    last_error text
);
create index webhooks_of_site on webhooks (site_id, id);

-- The types that each webhook collects now: whoever has something to tell looks here, and finds nothing for most sites.
create table webhook_types (
    site_id bigint not null,
    type text not null,
    webhook_id bigint not null,
    primary key (site_id, type, webhook_id)
) {without_rowid};

-- One request, with its body as it is signed and sent, however often.
create table webhook_deliveries (
    id {id_key},
    site_id bigint not null,
    webhook_id bigint not null,
    state text not null,
    types text not null,
    events bigint not null,
    attempts bigint not null,
    status bigint,
    error text,
    created_at bigint not null,
    ended_at bigint,
    next_attempt_at bigint,
    lease_owner text,
    lease_until bigint,
    body text not null
);
create index webhook_deliveries_pending on webhook_deliveries (webhook_id, next_attempt_at) where state = 'pending';
create index webhook_deliveries_by_state on webhook_deliveries (webhook_id, state, id);
create index webhook_deliveries_of_webhook on webhook_deliveries (webhook_id, id);
create index webhook_deliveries_of_site on webhook_deliveries (site_id);
create index webhook_deliveries_ended on webhook_deliveries (state, ended_at) where ended_at is not null;

-- What happened and has not been made into deliveries yet, written in the transaction in which it happened: `n` facts
-- of one type as a JSON array (gateway/webhooks/facts.py), many in a row. `at` null: when it is packed. Ids are never
-- used again: receivers know an event by the row's.
-- only: sqlite
create table outbox (
    id integer primary key autoincrement,
    site_id bigint not null,
    type text not null,
    n bigint not null,
    at bigint,
    facts text not null
);

-- Triggers, so that no way in which a message or a subscription changes can forget to tell. Without a webhook that
-- wants it each is one look into an empty table.
create trigger message_told after update of state on messages
when new.state <> old.state and new.kind <> 'test'
    and exists (select 1 from webhook_types t where t.site_id = new.site_id)
begin
    insert into outbox (site_id, type, facts, n, at)
    select new.site_id, told.type, json_array(json_object(
            'message_id', new.id, 'kind', new.kind, 'state', new.state, 'reason', new.state_reason,
            'audience', new.audience)),
        1, told.at
    from (
        select case
                when new.state in ('sent', 'cancelled', 'expired', 'paused') then 'message.' || new.state
                when old.state = 'paused' then 'message.resumed'
                when old.state = 'scheduled' and new.state = 'sending' then 'message.started'
            end as type,
            case
                when new.state in ('sent', 'cancelled', 'expired') then new.ended_at
                when old.state = 'scheduled' and new.state = 'sending' then new.started_at
            end as at) told
    where exists (select 1 from webhook_types t where t.site_id = new.site_id and t.type = told.type);
end;
create trigger subscription_told after insert on subscriptions
when exists (select 1 from webhook_types t where t.site_id = new.site_id and t.type = 'subscription.created')
begin
    insert into outbox (site_id, type, facts, n, at)
    values (new.site_id, 'subscription.created', json_array(json_object(
            'subscription_id', new.id, 'provider', new.provider, 'again', json('false'))), 1, new.seen_at);
end;
create trigger subscription_ended_told after update of state on subscriptions
when old.state = 'active' and new.state <> 'active'
    and exists (select 1 from webhook_types t where t.site_id = new.site_id and t.type = 'subscription.ended')
begin
    insert into outbox (site_id, type, facts, n, at)
    values (new.site_id, 'subscription.ended', json_array(json_object(
            'subscription_id', new.id, 'provider', new.provider, 'reason', new.state)), 1, new.ended_at);
end;
create trigger subscription_again_told after update of state on subscriptions
when old.state <> 'active' and new.state = 'active'
    and exists (select 1 from webhook_types t where t.site_id = new.site_id and t.type = 'subscription.created')
begin
    insert into outbox (site_id, type, facts, n, at)
    values (new.site_id, 'subscription.created', json_array(json_object(
            'subscription_id', new.id, 'provider', new.provider, 'again', json('true'))), 1, null);
end;

-- only: postgres
create table outbox (
    id bigint generated always as identity primary key,
    site_id bigint not null,
    type text not null,
    n bigint not null,
    at bigint,
    facts text not null
);

-- See above.
create function tell(site bigint, what text, fact json, happened_at bigint) returns void language sql as $$
    insert into outbox (site_id, type, facts, n, at)
    select site, what, json_build_array(fact)::text, 1, happened_at
    where exists (select 1 from webhook_types t where t.site_id = site and t.type = what);
$$;
create function tell_of_message() returns trigger language plpgsql as $$
begin
    perform tell(new.site_id,
        case
            when new.state in ('sent', 'cancelled', 'expired', 'paused') then 'message.' || new.state
            when old.state = 'paused' then 'message.resumed'
            when old.state = 'scheduled' and new.state = 'sending' then 'message.started'
        end,
        json_build_object('message_id', new.id, 'kind', new.kind, 'state', new.state, 'reason', new.state_reason,
            'audience', new.audience),
        case
            when new.state in ('sent', 'cancelled', 'expired') then new.ended_at
            when old.state = 'scheduled' and new.state = 'sending' then new.started_at
        end)
    where exists (select 1 from webhook_types t where t.site_id = new.site_id);
    return null;
end $$;
create trigger message_told after update of state on messages for each row
    when (old.state <> new.state and new.kind <> 'test') execute function tell_of_message();

create function tell_of_subscription() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from webhook_types t where t.site_id = new.site_id) then
        return null;
    elsif tg_op = 'INSERT' then
        perform tell(new.site_id, 'subscription.created', json_build_object(
            'subscription_id', new.id, 'provider', new.provider, 'again', false), new.seen_at);
    elsif new.state = 'active' then
        perform tell(new.site_id, 'subscription.created', json_build_object(
            'subscription_id', new.id, 'provider', new.provider, 'again', true), null);
    else
        perform tell(new.site_id, 'subscription.ended', json_build_object(
            'subscription_id', new.id, 'provider', new.provider, 'reason', new.state), new.ended_at);
    end if;
    return null;
end $$;
create trigger subscription_told after insert on subscriptions for each row execute function tell_of_subscription();
create trigger subscription_ended_told after update of state on subscriptions for each row
    when ((old.state = 'active') <> (new.state = 'active')) execute function tell_of_subscription();

-- both
create index outbox_of_site on outbox (site_id);
