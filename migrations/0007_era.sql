-- A ledger that was restored from a backup gives its numbers a second time, to other entries than those that went out
-- under them before. So that nobody takes the one for the other, each restoration begins an era, which is in every
-- event's source from the second on.
alter table ledger add column era integer not null default 1 check (era >= 1);
