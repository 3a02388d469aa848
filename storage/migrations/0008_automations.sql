-- Messages that visitors get some time after something happened: each step is a message of its own, with an open
-- audience. `definition` is JSON (gateway/campaigns/automations.py).
create table automations (
    id {id_key},
    site_id bigint not null references sites (id),
    name text not null,
    state text not null,
    version bigint not null,
    definition text not null,
    created_at bigint not null,
    changed_at bigint not null
);
create index automations_of_site on automations (site_id, id);
create index automations_active on automations (id) where state = 'active';
create index automations_deleted on automations (id) where state = 'deleted';

-- Where each visitor stands. due_at null: they have been through, or left; kept so that nobody gets once what is once.
create table automation_places (
    site_id bigint not null,
    subscription_id bigint not null,
    automation_id bigint not null,
    step smallint not null,
    due_at bigint,
    primary key (site_id, subscription_id, automation_id)
) {without_rowid};
create index automation_places_due on automation_places (automation_id, due_at) where due_at is not null;
create index automation_places_of on automation_places (automation_id);
