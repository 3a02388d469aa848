-- What the gateway has noticed by itself (gateway/watch). Site 0 and no provider stand for all of them.
create table alerts (
    id {id_key},
    site_id bigint not null,
    name text not null,
    provider text not null,
    severity text not null,
    value double precision not null,
    low double precision,
    high double precision,
    summary text not null,
    look_at text not null,
    raised_at bigint not null,
    ended_at bigint,
    acknowledged_at bigint
);
-- One at a time of each kind.
create unique index alerts_raised on alerts (name, site_id, provider) where ended_at is null;
create index alerts_of_site on alerts (site_id, id);
create index alerts_ended on alerts (ended_at) where ended_at is not null;

-- What every process, leader or not, says of itself every few seconds.
create table vitals (
    owner text primary key,
    role text not null,
    host text not null,
    pid bigint not null,
    seen_at bigint not null,
    facts text not null
) {without_rowid};

-- The recent past of what no roll-up holds: `total` over `n` in an hour.
create table watched_hours (
    name text not null,
    provider text not null,
    hour bigint not null,
    n bigint not null,
    total bigint not null,
    primary key (name, provider, hour)
) {without_rowid};

-- Which sites were active of late. Rows are added once an hour, and none that is there moves in it.
create index site_totals_by_hour on site_totals (hour, site_id);

-- Only of sites that have any; `used` are the pushes of `day`, the number of days since the epoch in UTC.
create table quotas (
    site_id bigint primary key,
    subscribers bigint,
    messages_per_day bigint,
    day bigint not null,
    used bigint not null
) {without_rowid};
