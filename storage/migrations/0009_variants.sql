-- Messages whose rest is held until the first have shown how it goes, or that are paused when too much fails: what the
-- scheduler knows of each (storage/stages.py). A row is made when such a message starts; other messages have none.
create table stages (
    message_id {id_key},
    site_id bigint not null,
    look_at bigint,
    tried_at bigint,
    released_at bigint,
    decision text,
    answers bigint not null default 0,
    failures bigint not null default 0
);
create index stages_to_look_at on stages (look_at) where look_at is not null;
create index stages_of_site on stages (site_id);
