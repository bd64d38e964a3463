-- Price lists, grants with a term, assets, stale holds, closed accounts, and commands.

alter table ledger
    -- The last number given to a price list.
    add column price_list_last bigint not null default 0;

alter table account
    add column closed             boolean not null default false,
    -- A pool's: the sum of its integrated accounts' totals.
    add column promised           bigint not null default 0,
    -- How many of its projects' holds are stale.
    add column stale_holds        bigint not null default 0 check (stale_holds >= 0),
    -- How many of its grants with a term are not over, and how many of them were warned of.
    add column open_grants        bigint not null default 0 check (open_grants >= 0),
    add column expiring_grants    bigint not null default 0 check (expiring_grants >= 0),
    add column transfers_rejected bigint not null default 0;
update account pool
   set promised = coalesce((select sum(member.total) from account member
                             where member.kind = 'integrated'
                               and 'pool:' || member.organization_id = pool.account_id), 0)
 where pool.kind = 'pool';

alter table project
    -- Since when it is in its status, and since when that is too long.
    add column status_since   timestamptz,
    add column stale_since    timestamptz,
    -- The status that it was in when its hold was released by command.
    add column released_from  jsonb,
    -- Since when a price was said that is not known in credits.
    add column unpriced_since timestamptz;
-- Nobody knows since when: from those that were there before, the clock is started now.
update project
   set status_since = case when status is not null then (select last_at from ledger) end,
       unpriced_since = case when price_said is not null and price_credits is null
                             then (select last_at from ledger) end;
create index project_by_status on project (status, status_since) where held > 0 and stale_since is null;
create index project_stale on project (project_id) where stale_since is not null;
create index project_unpriced on project (unpriced_since) where unpriced_since is not null;
create index project_tied on project (chain_account) where held > 0 or ticket is not null;

-- Grants with a term: what is left of each. Its number is that of its entry.
create table credit_grant (
    log_number   bigint primary key,
    account_id   text collate "C" not null,
    credits      bigint not null check (credits > 0),
    credits_left bigint not null check (credits_left between 0 and credits),
    expires_at   timestamptz not null,
    warned       boolean not null,
    closed       boolean not null
);
create index credit_grant_open on credit_grant (account_id) where not closed;
create index credit_grant_due on credit_grant (expires_at) where not closed;
create index credit_grant_to_warn_of on credit_grant (expires_at) where not closed and not warned;

-- Every version of every price list; without an organization, of the default one.
create table price_list (
    number          bigint primary key,
    organization_id text collate "C",
    arrived_at      timestamptz not null,
    starts_at       timestamptz not null,
    -- Whether its start was applied.
    started         boolean not null,
    prices          jsonb not null,
    cause_source    text not null,
    cause_id        text not null,
    cause_type      text not null,
    actor           text
);
create index price_list_by_owner on price_list (coalesce(organization_id, ''), starts_at, number);
create index price_list_due on price_list (starts_at) where not started;

-- Assets: one row a message.
create table asset (
    source          text collate "C" not null,
    id              text collate "C" not null,
    account_id      text collate "C" not null,
    organization_id text collate "C",
    project_id      text collate "C",
    asset_type      text not null,
    quantity        bigint not null check (quantity > 0),
    -- What it was charged, and the account's entry of that.
    credits         bigint,
    log_number      bigint,
    at              timestamptz not null,
    primary key (source, id)
);
create index asset_by_account on asset (account_id, at);

alter table notice drop constraint notice_kind_check;
alter table notice add constraint notice_kind_check check (kind in ('alert', 'hold', 'transfer_rejected'));

-- What was said, by whom and why: of commands, and of the ledger's own inputs.
alter table inbox
    add column fact  jsonb,
    add column actor text,
    add column note  text;
