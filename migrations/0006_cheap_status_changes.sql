-- Most messages change a project's status and nothing else that is indexed. An index with the status in it had each
-- of them written into every index of the table anew; without it PostgreSQL keeps to the row's own page (HOT).
--
-- When to look whether a hold is stale: not later than it becomes so, and often earlier, for a status that follows
-- leaves it as it is. Whoever looks too early puts it off. NULL where nothing is held, or no status' limit counts.
alter table project add column stale_check_at timestamptz;
update project set stale_check_at = status_since where held > 0;
drop index project_by_status;
create index project_to_check on project (stale_check_at) where stale_check_at is not null and stale_since is null;

-- project_tied has all of its rows.
drop index project_holding_of_account;
