-- Whether a batch is due later only because an application server key is paused: resuming the key makes it due at
-- once. What is planned for later stays where it is.
alter table batches add column waits_for_key smallint not null default 0;
