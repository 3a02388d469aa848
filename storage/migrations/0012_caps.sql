-- What visitors may leave: kinds of messages, by names that never change, because subscriptions.opted_out holds them.
create table categories (
    id {id_key},
    site_id bigint not null references sites (id),
    name text not null,
    title text not null,
    created_at bigint not null,
    changed_at bigint not null,
    unique (site_id, name)
);

-- Pushes that were accepted of late, of sites with a frequency cap only. A row for each, and not a list in one row:
-- senders add theirs at the same time, without reading, and each at most once.
create table recent_pushes (
    site_id bigint not null,
    subscription_id bigint not null,
    message_id bigint not null,
    at bigint not null,
    forget_at bigint not null,
    primary key (site_id, subscription_id, message_id)
) {without_rowid};
create index recent_pushes_to_forget on recent_pushes (forget_at);
