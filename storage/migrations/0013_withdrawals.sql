-- Where Mozilla keeps the pushes of messages that may be withdrawn: its answers' Location (RFC 8030 section 5). Other
-- messages have no rows here.
create table push_locations (
    site_id bigint not null,
    subscription_id bigint not null,
    message_id bigint not null,
    location text not null,
    forget_at bigint not null,
    primary key (site_id, subscription_id, message_id)
) {without_rowid};
create index push_locations_to_forget on push_locations (forget_at);

-- The withdrawals of a message.
create index messages_withdrawals on messages (parent_id, id) where kind = 'withdrawal';
