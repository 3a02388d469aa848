-- The schema of the first release. Times are bigint milliseconds since the epoch, UTC; ids are made by storage.ids.
-- Written once for both databases; {…} stands for what they spell differently (storage/migrations.py), and a line
-- `-- only: sqlite`, `-- only: postgres` or `-- both` says who reads the statements below it.

create table meta (
    key text primary key,
    value text not null
) {without_rowid};

create table sites (
    id {id_key},
    name text not null,
    origins text not null,
    contact text not null,
    identity text not null,
    demo smallint not null,
    settings text not null default '{}',
    created_at bigint not null,
    deleted_at bigint
);

create table application_server_keys (
    id {id_key},
    site_id bigint not null references sites (id),
    public_key {bytes} not null,
    sealed_private_key {bytes} not null,
    state text not null,
    state_reason text,
    created_at bigint not null,
    unique (site_id, public_key)
);

create table tokens (
    id {id_key},
    site_id bigint references sites (id),
    name text not null,
    scopes text not null,
    hash {bytes} not null unique,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
);
create index tokens_of_site on tokens (site_id, id);

-- No foreign key from here on where rows come by the million: a check for each costs, and on PostgreSQL it locks
-- the site's row. storage.sites.purge_step removes what a deleted site leaves.
create table subscriptions (
    site_id bigint not null,
    id bigint not null,
    provider text not null,
    key_id bigint not null,
    endpoint text not null,
    endpoint_hash {bytes} not null,
    p256dh {bytes} not null,
    auth {bytes} not null,
    state text not null,
    created_at bigint not null,
    seen_at bigint not null,
    expires_at bigint,
    ended_at bigint,
    external_id text,
    language text,
    timezone text,
    tags text,
    attributes text,
    opted_out text,
    never_accepted smallint not null default 0,
    primary key (site_id, id)
) {without_rowid};
-- When a push to it was accepted, to the week.
create table acceptances (
    site_id bigint not null,
    subscription_id bigint not null,
    at bigint not null,
    primary key (site_id, subscription_id)
) {without_rowid};
create unique index subscriptions_by_endpoint on subscriptions (site_id, endpoint_hash);
create index subscriptions_by_external_id on subscriptions (site_id, external_id, id) where external_id is not null;
create index subscriptions_expiring on subscriptions (expires_at) where expires_at is not null and state = 'active';

create table messages (
    id {id_key},
    site_id bigint not null references sites (id),
    kind text not null,
    parent_id bigint,
    state text not null,
    state_reason text,
    waiting_until bigint,
    priority text not null,
    lane smallint not null,
    content text not null,
    audience_spec text not null,
    ttl bigint not null,
    rate bigint,
    send_at bigint not null,
    expires_at bigint,
    created_at bigint not null,
    started_at bigint,
    frozen_at bigint,
    ended_at bigint,
    audience bigint,
    judged bigint not null default 0,
    unknown bigint,
    freeze_cursor bigint not null default 0,
    freeze_ceiling bigint,
    turn bigint not null default 0,
    next_at bigint not null default 0
);
create index messages_of_site on messages (site_id, id);
create index messages_scheduled on messages (lane, send_at) where state = 'scheduled';
create index messages_sending on messages (lane, turn) where state = 'sending';
create index messages_sending_of_site on messages (site_id, lane) where state = 'sending';
create index messages_freezing on messages (id) where frozen_at is null and state in ('sending', 'paused');
create index messages_expiring on messages (expires_at)
    where expires_at is not null and state in ('scheduled', 'sending', 'paused');

-- The turn that was taken last in each lane: where a message that starts, or comes back after a pause, queues up.
create table turns (
    lane smallint primary key,
    turn bigint not null
) {without_rowid};
insert into turns values (0, 0), (1, 0);

create table idempotency_keys (
    site_id bigint not null,
    key text not null,
    body_hash {bytes} not null,
    message_id bigint not null,
    created_at bigint not null,
    primary key (site_id, key)
) {without_rowid};
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- A finished batch is deleted. lease_until runs on lease_now(), never on wall time.
create table batches (
    id {id_key},
    site_id bigint not null,
    message_id bigint not null,
    provider text not null,
    size bigint not null,
    due_at bigint,
    attempt smallint not null,
    stage smallint not null default 0,
    variant smallint not null default 0,
    lane smallint not null,
    lease_owner text,
    lease_until bigint,
    leases bigint not null default 0,
    created_at bigint not null,
    members {bytes} not null
);
create index batches_by_due on batches (message_id, due_at);
create index batches_of_owner on batches (lease_owner) where lease_owner is not null;
create index batches_of_site on batches (site_id);

create table deliveries (
    site_id bigint not null,
    message_id bigint not null,
    subscription_id bigint not null,
    attempt smallint not null,
    variant smallint not null default 0,
    outcome text,
    code smallint,
    reason text,
    at bigint not null,
    primary key (site_id, message_id, subscription_id)
) {without_rowid};

create table events (
    site_id bigint not null,
    message_id bigint not null,
    subscription_id bigint not null,
    kind text not null,
    variant smallint not null default 0,
    action text,
    at bigint not null,
    primary key (site_id, message_id, subscription_id, kind)
) {without_rowid};

create table custom_events (
    site_id bigint not null,
    id bigint not null,
    subscription_id bigint not null,
    name text not null,
    data text,
    at bigint not null,
    primary key (site_id, id)
) {without_rowid};
create index custom_events_of_subscription on custom_events (site_id, subscription_id, id);

create table rollups (
    site_id bigint not null,
    message_id bigint not null,
    variant smallint not null,
    provider text not null,
    hour bigint not null,
    kind text not null,
    n bigint not null,
    primary key (site_id, message_id, variant, provider, hour, kind)
) {without_rowid};

create table audit (
    id {id_key},
    site_id bigint,
    actor text not null,
    action text not null,
    target text not null,
    detail text not null,
    at bigint not null
);
create index audit_of_site on audit (site_id, id);

create table leases (
    name text primary key,
    owner text not null,
    until bigint not null
) {without_rowid};

-- only: postgres
-- SQLite's lease_now() is registered by storage/sqlite.py: the machine's monotonic clock.
create function lease_now() returns bigint language sql volatile as
    $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;
-- 4 kB of ids do not compress, and a claim that changes the lease must not copy them.
alter table batches alter column members set storage external;
