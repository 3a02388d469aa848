-- name: add
insert into audit (id, site_id, actor, action, target, detail, at) values ($1, $2, $3, $4, $5, $6, $7);

-- name: page
-- From the newest on, until there are enough: what is seldom done takes a look at every entry.
select id, site_id, actor, action, target, detail, at from audit
where id < $1
    and (cast($3 as text) is null or action = cast($3 as text)
        or substr(action, 1, length(cast($3 as text)) + 1) = cast($3 as text) || '.')
    and (cast($4 as text) is null or actor = cast($4 as text))
order by id desc limit $2;

-- name: page_of_site
select id, site_id, actor, action, target, detail, at from audit
where site_id = $5 and id < $1
    and (cast($3 as text) is null or action = cast($3 as text)
        or substr(action, 1, length(cast($3 as text)) + 1) = cast($3 as text) || '.')
    and (cast($4 as text) is null or actor = cast($4 as text))
order by id desc limit $2;
