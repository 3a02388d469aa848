-- What a dashboard asks for, added up when it is written (storage/rollups.py, growth.py, breakdowns.py). All messages of
-- a site together, but tests and withdrawals, which are no news for an audience.
create table site_totals (
    site_id bigint not null,
    hour bigint not null,
    provider text not null,
    accepted bigint not null,
    gone bigint not null,
    failed bigint not null,
    expired bigint not null,
    skipped bigint not null,
    displayed bigint not null,
    clicked bigint not null,
    closed bigint not null,
    unsubscribed bigint not null,
    primary key (site_id, hour, provider)
) {without_rowid};
insert into site_totals
select r.site_id, r.hour, r.provider,
    sum(case when r.kind = 'accepted' then r.n else 0 end), sum(case when r.kind = 'gone' then r.n else 0 end),
    sum(case when r.kind in ('unauthorized', 'too_large', 'rejected', 'render_failed') then r.n else 0 end),
    sum(case when r.kind = 'expired' then r.n else 0 end),
    sum(case when substr(r.kind, 1, 8) = 'skipped:' then r.n else 0 end),
    sum(case when r.kind = 'displayed' then r.n else 0 end), sum(case when r.kind = 'clicked' then r.n else 0 end),
    sum(case when r.kind = 'closed' then r.n else 0 end), sum(case when r.kind = 'unsubscribed' then r.n else 0 end)
from rollups r
where not exists (select 1 from messages m where m.id = r.message_id and m.kind in ('test', 'withdrawal'))
group by r.site_id, r.hour, r.provider;

-- Subscriptions of a site that came, came back, and were lost, and why. All of it together is how many are active.
create table growth (
    site_id bigint not null,
    hour bigint not null,
    subscribed bigint not null,
    resubscribed bigint not null,
    gone bigint not null,
    never_worked bigint not null,
    unsubscribed bigint not null,
    expired bigint not null,
    erased bigint not null,
    primary key (site_id, hour)
) {without_rowid};
insert into growth
select site_id, hour, sum(subscribed), 0, sum(case when reason = 'gone' then 1 else 0 end),
    sum(case when reason = 'never_worked' then 1 else 0 end), sum(case when reason = 'unsubscribed' then 1 else 0 end),
    sum(case when reason = 'expired' then 1 else 0 end), sum(case when reason = 'erased' then 1 else 0 end)
from (
    select site_id, created_at - created_at % 3600000 as hour, 1 as subscribed, '' as reason from subscriptions
    union all
    select site_id, ended_at - ended_at % 3600000, 0,
        case when state = 'gone' and never_accepted = 1 then 'never_worked' else state end
    from subscriptions where state <> 'active') moved
group by site_id, hour;

-- Who reports events, and which buttons they click: of each message, and by day (UTC) of a whole site (message_id 0).
create table breakdowns (
    site_id bigint not null,
    message_id bigint not null,
    day bigint not null,
    dimension text not null,
    value text not null,
    displayed bigint not null,
    clicked bigint not null,
    closed bigint not null,
    primary key (site_id, message_id, day, dimension, value)
) {without_rowid};

-- How many messages were started in a time. The kind is in it for SQLite, which would look into each message to make
-- sure of it.
create index messages_started on messages (site_id, started_at, kind)
    where started_at is not null and kind <> 'test' and kind <> 'withdrawal';

-- How far raw rows have been removed (storage/removals.py): those of messages that ended before, or then with no greater
-- id. First where that is done, then how far it may have begun.
create table removals (
    kind text primary key,
    done_at bigint not null,
    done_id bigint not null,
    ended_at bigint not null,
    message_id bigint not null
) {without_rowid};
create index messages_by_end on messages (ended_at, id) where ended_at is not null;
