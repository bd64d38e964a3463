-- Retention: how far it has come, and the indexes by which it finds what is old.

-- One row: what retention has removed, so that whoever checks the ledger can tell that from what is missing.
-- Each page of removals and its mark here are one transaction, under this row's lock. It stands outside of
-- the ledger's lock.
create table retention (
    singleton               boolean primary key default true check (singleton),
    -- When a daemon last began a sweep.
    swept_at                timestamptz,
    -- Of the notices up to this number of the log none is left. It never passes what the relay has published.
    notices_removed_through bigint not null default 0,
    notices_removed         bigint not null default 0,
    -- Of the inbox rows of project messages that came before this time, those without effect since are gone.
    inbox_removed_before    timestamptz,
    inbox_removed           bigint not null default 0,
    -- Of the parked messages that were dealt with before this time none is left.
    parked_removed_before   timestamptz,
    parked_removed          bigint not null default 0
);
insert into retention default values;

-- What may go one day: see the inbox's statement in src/store/retention.rs, which must say the same.
create index inbox_removable on inbox (received_at)
    where type like 'project.%' and source not like 'creditd/%' and outcome <> 'parked';
create index parked_removable on parked (done_at) where done_at is not null;
