-- name: grow
update messages set audience = audience + $2
where id = $1 and kind = 'step' and freeze_ceiling is null and state in ('open', 'sending', 'paused');

-- name: begin
update messages set state = 'sending' where id = $1 and state = 'open';

-- name: of_rounds
-- More than was asked for: each of the rounds with each of the steps.
select step_id, round, message_id from automation_rounds
where site_id = $1 and step_id in ids($2) and round in ids($3);

-- name: add_round
insert into automation_rounds (site_id, step_id, round, message_id) values ($1, $2, $3, $4)
on conflict (site_id, step_id, round) do nothing;

-- name: close
-- Who is on their way still gets it, unless it stands still: nobody could set it going again.
update messages set freeze_ceiling = 0,
    ended_at = case when state = 'sending' then null else cast($4 as bigint) end,
    state_reason = case when state = 'paused' then $3 else state_reason end,
    state = case state when 'open' then 'sent' when 'paused' then 'cancelled' else state end
where id in (
        select value from /* sqlite: json_each($2) *//* postgres: unnest($2::bigint[]) as ids(value) */
        union all select message_id from automation_rounds where site_id = $1 and step_id in ids($2))
    and kind = 'step' and state in ('open', 'sending', 'paused');

-- name: close_all
-- As in close.
update messages set freeze_ceiling = 0,
    ended_at = case when state = 'sending' then null else cast($3 as bigint) end,
    state_reason = case when state = 'paused' then $2 else state_reason end,
    state = case state when 'open' then 'sent' when 'paused' then 'cancelled' else state end
where parent_id = $1 and kind = 'step' and state in ('open', 'sending', 'paused');

-- name: pause
update messages set state = 'paused', state_reason = $2
where parent_id = $1 and kind = 'step' and state in ('open', 'sending', 'paused') and state = 'sending';

-- name: paused
select id from messages
where parent_id = $1 and kind = 'step' and state in ('open', 'sending', 'paused') and state = 'paused'
    and state_reason = $2;

-- name: totals
-- One statement, so that audience and counters are of one moment. CROSS JOIN: SQLite would read all of the site's
-- roll-ups.
with parts (step_id, message_id) as (
    select id, id from messages where id in ids($2)
    union all select step_id, message_id from automation_rounds where site_id = $1 and step_id in ids($2))
select parts.step_id, 'audience', cast(sum(m.audience) as bigint), count(*)
from parts join messages m on m.id = parts.message_id
group by parts.step_id
union all
select parts.step_id, r.kind, cast(sum(r.n) as bigint), 0
from parts cross join rollups r where r.site_id = $1 and r.message_id = parts.message_id
group by parts.step_id, r.kind;
