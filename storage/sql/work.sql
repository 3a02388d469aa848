-- name: counts
-- Each from an index that holds nothing else, but for keys: a site has two or three.
select (select count(*) from messages where state = 'sending'),
    (select count(*) from messages where state = 'paused'),
    (select count(*) from messages where state = 'scheduled'),
    (select count(*) from application_server_keys where state = 'paused');
