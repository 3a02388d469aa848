-- name: add
insert into images (id, site_id, purpose, width, height, webp_hash, webp_size, png_hash, png_size, original_size, created_at, webp, png)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: get
select id, site_id, purpose, width, height, webp_hash, webp_size, png_hash, png_size, original_size, created_at
from images where site_id = $1 and id = $2;

-- name: find
select id, site_id, purpose, width, height, webp_hash, webp_size, png_hash, png_size, original_size, created_at
from images where site_id = $1 and purpose = $2 and png_hash = $3;

-- name: page
select id, site_id, purpose, width, height, webp_hash, webp_size, png_hash, png_size, original_size, created_at
from images where site_id = $1 and id < $2 order by id desc limit $3;

-- name: delete
delete from images where site_id = $1 and id = $2;

-- name: count
select count(*) from images where site_id = $1;

-- name: webp
select webp from images where webp_hash = $1 limit 1;

-- name: png
select png from images where png_hash = $1 limit 1;

-- name: known
select webp_hash from images where webp_hash in hashes($1)
union all select png_hash from images where png_hash in hashes($1);
