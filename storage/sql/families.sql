-- name: of_message
with family (id) as (
    select cast($2 as bigint)
    union all
    select message_id from automation_rounds where site_id = $1 and step_id = $2
    union all
    select id from (
        select id from messages where parent_id = $2 and kind = 'occurrence' order by id desc limit $3) newest)
select m.id, coalesce(m.audience, 0)
from family cross join messages m
where m.id = family.id and m.site_id = $1
order by m.id;
