-- What is not sent for now: holds, breakers and rates of a site, a provider, or a site on a provider.
-- site_id 0: every site; provider '': every provider.
create table throttles (
    site_id bigint not null,
    provider text not null,
    not_before bigint not null default 0,
    reason text,
    since bigint,
    failures smallint not null default 0,
    rate bigint,
    next_at bigint not null default 0,
    trusted_until bigint not null default 0,
    primary key (site_id, provider)
) {without_rowid};
create index throttles_by_time on throttles (not_before);

-- Until when the claim passes over a message of which it found nothing to claim; with the pace of a message in the
-- index that the claim walks.
alter table messages add column nap_until bigint not null default 0;
drop index messages_sending;
create index messages_sending on messages (lane, turn, nap_until, next_at) where state = 'sending';
create index messages_napping on messages (site_id) where state = 'sending' and nap_until > 0;
-- A provider that is held costs one look, however many batches wait for it.
create index batches_by_provider on batches (message_id, provider, due_at);

create index messages_paused on messages (id) where state = 'paused';

-- What mass-404 guards and the housekeeper look for among subscriptions that have ended.
create index subscriptions_gone on subscriptions (provider, ended_at) where state = 'gone';
create index subscriptions_never_accepted on subscriptions (ended_at) where state = 'gone' and never_accepted = 1;

-- A failure list must not read a million accepted deliveries to find ten that failed.
create index deliveries_failed on deliveries (site_id, message_id, subscription_id)
    where outcome <> 'accepted' and outcome <> 'skipped';
