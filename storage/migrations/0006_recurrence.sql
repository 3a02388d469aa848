-- The occurrences of a series, newest first.
create index messages_of_series on messages (parent_id, id) where kind = 'occurrence';
-- What has ended a moment ago, for those who watch a site live.
create index messages_ended on messages (site_id, ended_at) where ended_at is not null;
-- How many series of a site go on.
create index messages_series on messages (site_id) where kind = 'series' and state in ('scheduled', 'paused');
