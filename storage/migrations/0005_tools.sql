-- Notifications that are saved under a name, to be sent again and again with other values in them.
create table templates (
    id {id_key},
    site_id bigint not null references sites (id),
    name text not null,
    content text not null,
    created_at bigint not null,
    changed_at bigint not null,
    unique (site_id, name)
);

-- Recipients by the hundred thousand, each with what only they are told. A list never changes: a new upload is a new
-- list, so that nobody ever sees half of one, and a message that is made after another one shares its list.
create table recipients (
    site_id bigint not null,
    list_id bigint not null,
    external_id text not null,
    data text not null,
    primary key (site_id, list_id, external_id)
) {without_rowid};

-- Which messages a list is kept for. in_use 0: it is still coming in, or another one has taken its place.
create table recipient_lists (
    site_id bigint not null,
    list_id bigint not null,
    message_id bigint not null,
    in_use smallint not null,
    created_at bigint not null,
    primary key (site_id, list_id, message_id)
) {without_rowid};
create index recipient_lists_of_message on recipient_lists (message_id);
