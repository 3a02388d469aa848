-- Which processes live, wherever they run, and what they count: senders have no port of their own.
create table processes (
    owner text primary key,
    role text not null,
    host text not null,
    pid bigint not null,
    started_at bigint not null,
    seen_at bigint not null,
    figures text not null
) {without_rowid};
