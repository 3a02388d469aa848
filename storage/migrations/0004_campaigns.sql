-- What a message asks for beyond "now, to these": rules of who and when (gateway/rules.py), JSON.
alter table messages add column rules text not null default '{}';
-- A segment's expression as it was when the message started: what changes later does not change who is in it.
alter table messages add column resolved text;
-- The variant that those who waited for the winner get; null until it is known.
alter table messages add column winner smallint;

-- From when on a batch must not be sent as it stands, because its members' quiet hours begin; it is planned anew then.
alter table batches add column window_ends_at bigint;
