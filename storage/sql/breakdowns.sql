-- name: add
-- Twice: of the message, and of the day of the site if the message is news.
insert into breakdowns (site_id, message_id, day, dimension, value, displayed, clicked, closed)
with told as (
    select * from rows($1: site_id bigint, message_id bigint, day bigint, dimension text, value text,
        displayed bigint, clicked bigint, closed bigint)),
parts as (
    select site_id, message_id, 0 as day, dimension, value, displayed, clicked, closed from told
    union all
    select site_id, 0, day, dimension, value, displayed, clicked, closed from told
    where dimension <> 'action'
        and not exists (select 1 from messages m where m.id = told.message_id and m.kind in ('test', 'withdrawal')))
select site_id, message_id, day, dimension, value,
    cast(sum(displayed) as bigint), cast(sum(clicked) as bigint), cast(sum(closed) as bigint)
from parts
group by site_id, message_id, day, dimension, value
order by site_id, message_id, day, dimension, value
on conflict (site_id, message_id, day, dimension, value) do update set
    displayed = breakdowns.displayed + excluded.displayed, clicked = breakdowns.clicked + excluded.clicked,
    closed = breakdowns.closed + excluded.closed;

-- name: of_messages
select dimension, value, cast(sum(displayed) as bigint), cast(sum(clicked) as bigint), cast(sum(closed) as bigint)
from breakdowns where site_id = $1 and message_id in ids($2)
group by dimension, value;

-- name: of_site
select dimension, value, cast(sum(displayed) as bigint), cast(sum(clicked) as bigint), cast(sum(closed) as bigint)
from breakdowns where site_id = $1 and message_id = 0 and day >= $2 and day < $3
group by dimension, value;
