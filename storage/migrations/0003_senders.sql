-- Which senders live, wherever they run, and what they count: their processes have no port of their own.
create table senders (
    owner text primary key,
    host text not null,
    pid bigint not null,
    started_at bigint not null,
    seen_at bigint not null,
    figures text not null
) {without_rowid};
