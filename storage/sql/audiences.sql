-- name: window
-- Where a window of so many subscriptions ends: the key alone is read.
select id from subscriptions where site_id = $1 and id > $2 and id <= $3 order by id limit 1 offset $4;

-- name: window_of_tag
select subscription_id from subscription_tags
where site_id = $1 and tag = $5 and subscription_id > $2 and subscription_id <= $3
order by subscription_id limit 1 offset $4;
