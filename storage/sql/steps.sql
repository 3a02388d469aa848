-- name: grow
update messages set audience = audience + $2
where id = $1 and kind = 'step' and freeze_ceiling is null and state in ('open', 'sending', 'paused');

-- name: begin
update messages set state = 'sending' where id = $1 and state = 'open';

-- name: close
-- Who is on their way still gets it, unless it stands still: nobody could set it going again.
update messages set freeze_ceiling = 0,
    ended_at = case when state = 'sending' then null else cast($3 as bigint) end,
    state_reason = case when state = 'paused' then $2 else state_reason end,
    state = case state when 'open' then 'sent' when 'paused' then 'cancelled' else state end
where id in ids($1) and kind = 'step' and freeze_ceiling is null and state in ('open', 'sending', 'paused');

-- name: pause
update messages set state = 'paused', state_reason = $2 where id in ids($1) and state = 'sending';

-- name: paused
select id from messages where id in ids($1) and state = 'paused' and state_reason = $2;
