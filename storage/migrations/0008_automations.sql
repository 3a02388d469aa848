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
-- `round`: how often they have been in it before and were sent something.
create table automation_places (
    site_id bigint not null,
    subscription_id bigint not null,
    automation_id bigint not null,
    round smallint not null,
    step smallint not null,
    due_at bigint,
    primary key (site_id, subscription_id, automation_id)
) {without_rowid};
create index automation_places_due on automation_places (automation_id, due_at) where due_at is not null;
create index automation_places_of on automation_places (automation_id);

-- A delivery is one for each message and subscription. So a step has messages of its own for those who are there for
-- the second time, the third, …: made when somebody is. `step_id`: the step's first message, that of round 0.
create table automation_rounds (
    site_id bigint not null,
    step_id bigint not null,
    round smallint not null,
    message_id bigint not null,
    primary key (site_id, step_id, round)
) {without_rowid};
-- All messages of an automation that may still send, also those of steps that it has no more.
create index messages_of_automation on messages (parent_id)
    where kind = 'step' and state in ('open', 'sending', 'paused');
