-- Pictures as notifications show them. The bytes are here, so that every machine has them and a backup of the database
-- is one of everything; each keeps a copy on its disk. They stand last: a list does not read them.
create table images (
    id {id_key},
    site_id bigint not null references sites (id),
    purpose text not null,
    width bigint not null,
    height bigint not null,
    webp_hash {bytes},
    webp_size bigint not null,
    png_hash {bytes} not null,
    png_size bigint not null,
    original_size bigint not null,
    created_at bigint not null,
    webp {bytes},
    png {bytes} not null
);
-- The same picture once for each purpose; and a site's pictures in the order in which they came.
create unique index images_of_site on images (site_id, purpose, png_hash);
create index images_in_order on images (site_id, id);
-- Two sites may have the same one.
create index images_by_webp on images (webp_hash) where webp_hash is not null;
create index images_by_png on images (png_hash);
