-- What the gateway learns of a visitor by itself: from the request that subscribes, and from what browsers report.
alter table subscriptions add column country text;
alter table subscriptions add column browser text;
alter table subscriptions add column platform text;
-- When a message was last displayed, and clicked.
alter table subscriptions add column displayed_at bigint;
alter table subscriptions add column clicked_at bigint;
-- 24 counters of a byte each, packed: at which hours of the visitor's day that was (storage/activity.py).
alter table subscriptions add column activity {bytes};

-- The same of a whole site, for those of whom nothing is known yet. `n` is as of the half-life numbered `period`.
create table site_hours (
    site_id bigint not null,
    hour smallint not null,
    period bigint not null,
    n bigint not null,
    primary key (site_id, hour)
) {without_rowid};

-- Displays and clicks that `activity` has not been told of yet, in the order in which they came: added to at the end,
-- taken by the thousand. To write each into its visitor's row at once would cost a page of the table for each.
create table unlearnt (
    id {id_key},
    site_id bigint not null,
    subscription_id bigint not null,
    at bigint not null,
    hour smallint not null,
    clicked smallint not null
);

-- only: postgres
alter table unlearnt alter column id add generated always as identity;
-- Room in each page, so that what is learnt is written beside the row and touches none of its four indexes.
alter table subscriptions set (fillfactor = 90);
