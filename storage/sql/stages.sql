-- name: add
insert into stages (message_id, site_id, look_at) values ($1, $2, $3);

-- name: by_messages
select message_id, site_id, look_at, tried_at, released_at, decision, answers, failures
from stages where message_id in ids($1);

-- name: due
select s.message_id, s.site_id, s.look_at, s.tried_at, s.released_at, s.decision, s.answers, s.failures,
    m.state, m.frozen_at, m.rules
from stages s join messages m on m.id = s.message_id
where s.look_at <= $1
order by s.look_at limit $2;

-- name: bring_forward
update stages set look_at = $1 where look_at > $2;

-- name: judge
update stages set answers = $4, failures = $5 where message_id = $1 and answers = $2 and failures = $3;

-- name: note
-- Whoever looked long ago does not take back what others have judged since.
update stages set look_at = $2, tried_at = coalesce(tried_at, $3),
    answers = case when answers < $4 then $4 else answers end,
    failures = case when answers < $4 then $5 else failures end
where message_id = $1;

-- name: release
update stages set released_at = $2, decision = $3
where message_id = $1 and released_at is null
    and exists (select 1 from messages m
        where m.id = stages.message_id and m.frozen_at is not null and m.state in ('sending', 'paused'));

-- name: set_winner
update messages set winner = $2 where id = $1;

-- name: release_batches
-- The held batches stand at one end of batches_by_due: only they are read. `created_at` is when their turn has come.
update batches set due_at = $2, created_at = $2, variant = case when variant < 0 then coalesce(cast($3 as smallint), variant) else variant end
where message_id = $1 and due_at is null;

-- name: wake
update messages set nap_until = 0 where id = $1 and nap_until > 0;

-- name: untried
select distinct provider from batches where message_id = $1 and due_at >= 0 and attempt = 1;

-- name: under_way
select 1 from batches where message_id = $1 and due_at >= 0 limit 1;
