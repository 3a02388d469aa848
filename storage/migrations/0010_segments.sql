-- Named expressions of whom to address (gateway/campaigns/expressions.py), JSON.
create table segments (
    id {id_key},
    site_id bigint not null references sites (id),
    name text not null,
    expression text not null,
    created_at bigint not null,
    changed_at bigint not null,
    unique (site_id, name)
);
create index segments_of_site on segments (site_id, id);

-- The one index of tags: whom a tag stands for, in the order in which audiences are walked. Triggers keep it, so that
-- no way into `subscriptions` can forget to; who sets no tags pays nothing.
create table subscription_tags (
    site_id bigint not null,
    tag text not null,
    subscription_id bigint not null,
    primary key (site_id, tag, subscription_id)
) {without_rowid};

-- only: sqlite
insert into subscription_tags
select distinct s.site_id, tag.value, s.id from subscriptions s, json_each(s.tags) tag where s.tags is not null;

create trigger subscription_tagged after insert on subscriptions when new.tags is not null
begin
    insert into subscription_tags select distinct new.site_id, value, new.id from json_each(new.tags);
end;
create trigger subscription_retagged after update of tags on subscriptions when old.tags is not new.tags
begin
    delete from subscription_tags
    where site_id = old.site_id and subscription_id = old.id and tag in (select value from json_each(old.tags));
    insert into subscription_tags select distinct new.site_id, value, new.id from json_each(new.tags);
end;
create trigger subscription_untagged after delete on subscriptions when old.tags is not null
begin
    delete from subscription_tags
    where site_id = old.site_id and subscription_id = old.id and tag in (select value from json_each(old.tags));
end;

-- only: postgres
insert into subscription_tags
select distinct site_id, tag.value, id from subscriptions cross join lateral jsonb_array_elements_text(tags::jsonb) tag
where tags is not null;

create function index_tags() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' and old.tags is not null then
        delete from subscription_tags
        where site_id = old.site_id and subscription_id = old.id
            and tag = any (array(select jsonb_array_elements_text(old.tags::jsonb)));
    end if;
    if tg_op <> 'DELETE' and new.tags is not null then
        insert into subscription_tags
        select distinct new.site_id, value, new.id from jsonb_array_elements_text(new.tags::jsonb);
    end if;
    return null;
end $$;
create trigger subscription_tagged after insert on subscriptions for each row
    when (new.tags is not null) execute function index_tags();
create trigger subscription_retagged after update of tags on subscriptions for each row
    when (old.tags is distinct from new.tags) execute function index_tags();
create trigger subscription_untagged after delete on subscriptions for each row
    when (old.tags is not null) execute function index_tags();

-- Milliseconds since the epoch of a full RFC 3339 date-time, null for any other text: a cast alone would raise.
create function time_of(given text) returns bigint language plpgsql immutable as $$
begin
    if given !~ '^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$' then
        return null;
    end if;
    return round(extract(epoch from given::timestamptz) * 1000)::bigint;
exception when datetime_field_overflow or invalid_datetime_format then
    return null;
end $$;
