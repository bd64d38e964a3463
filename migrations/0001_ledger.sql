-- The ledger. Everything is in one schema, found by search_path; `creditd migrate` grants the daemon's role
-- the least that works.
--
-- Lock order: whoever writes the books locks the row of `ledger` first. All else follows it, so there is no
-- other order to keep. The relay's row stands outside of it.

-- One row: what the ledger as a whole remembers, and the lock that puts all transactions in one order.
create table ledger (
    singleton       boolean primary key default true check (singleton),
    -- Raised by every transaction that writes the books.
    version         bigint not null default 0,
    -- The last number given to an entry or a notice; drawn under the row's lock, so gapless and in the
    -- order of commits.
    log_last        bigint not null default 0,
    -- The last ticket drawn by a claim that had to wait.
    ticket_last     bigint not null default 0,
    -- The settings that decide, once a daemon has set them, and how often they were set.
    settings        jsonb,
    settings_number bigint not null default 0,
    -- The time of the last input; later ones are never earlier.
    last_at         timestamptz not null default '1970-01-01T00:00:00Z'
);
insert into ledger default values;

create table organization (
    organization_id text collate "C" primary key,
    name            text,
    contact         text,
    alert_rules     jsonb,
    -- Who set each register.
    versions        jsonb not null
);

create table account (
    account_id      text collate "C" primary key,
    kind            text not null check (kind in ('standalone', 'connected', 'integrated', 'pool')),
    organization_id text collate "C",
    name            text,
    contact         text,
    capacity        bigint not null,
    allocation      bigint not null,
    mode            text not null check (mode in ('recycle', 'consume')),
    on_insufficient text check (on_insufficient in ('queue', 'reject', 'overdraw')),
    overdraft_limit bigint not null,
    alert_rules     jsonb,
    versions        jsonb not null,
    -- How much of total is the plan.
    plan            bigint not null,
    total           bigint not null,
    held            bigint not null check (held >= 0),
    consumed        bigint not null check (consumed >= 0),
    queued_projects bigint not null check (queued_projects >= 0),
    queued_credits  bigint not null check (queued_credits >= 0),
    -- The last number given to an entry, an alert and a hold notice of this account.
    entries         bigint not null,
    alerts          bigint not null,
    holds           bigint not null,
    -- The digest of its last entry.
    digest          bytea not null check (length(digest) = 32),
    raised          jsonb not null
);
create index account_by_organization on account (organization_id) where organization_id is not null;

create table project (
    project_id      text collate "C" primary key,
    -- The registers.
    account_id      text collate "C" not null,
    status          text,
    effect          text check (effect in ('none', 'hold', 'settle', 'release')),
    stage           integer,
    price_said      jsonb,
    price_credits   bigint,
    final_credits   bigint,
    name            text,
    versions        jsonb not null,
    -- What is booked, and where.
    mode            text not null check (mode in ('recycle', 'consume')),
    chain_account   text collate "C" not null,
    chain_pool      text collate "C",
    held            bigint not null check (held >= 0),
    consumed        bigint not null check (consumed >= 0),
    -- Its place in the queue of its pool, or else of its account.
    ticket          bigint,
    waiting_since   timestamptz,
    aside           boolean,
    -- The held target that was refused.
    refused         bigint,
    -- What follows from the above, for those who read.
    state           text not null,
    wanted          bigint not null,
    check ((ticket is null) = (waiting_since is null)),
    check ((ticket is null) = (aside is null))
);
create unique index project_by_ticket on project (coalesce(chain_pool, chain_account), ticket)
    where ticket is not null;
create index project_holding_of_account on project (chain_account) where held > 0;
create index project_holding_of_pool on project (chain_pool) where held > 0 and chain_pool is not null;
create index project_by_account on project (account_id, project_id);

-- Credits moved between two sides of an account. Append-only, kept for ever. The digest's layout is
-- described in docs/ledger.md.
create table entry (
    log_number      bigint primary key,
    account_id      text collate "C" not null,
    organization_id text collate "C",
    sequence        bigint not null check (sequence > 0),
    at              timestamptz not null,
    kind            text not null,
    from_side       text not null check (from_side in ('outside', 'available', 'held', 'consumed')),
    to_side         text not null check (to_side in ('outside', 'available', 'held', 'consumed')),
    credits         bigint not null check (credits > 0),
    project_id      text collate "C",
    -- The account's balance with this entry.
    total           bigint not null,
    held            bigint not null,
    consumed        bigint not null,
    cause_source    text not null,
    cause_id        text not null,
    cause_type      text not null,
    traceparent     text,
    reason          text,
    actor           text,
    layout          smallint not null,
    digest          bytea not null check (length(digest) = 32),
    check (from_side <> to_side),
    unique (account_id, sequence)
);

create function refuse_to_change_entries() returns trigger language plpgsql as $$
begin
    raise exception 'entries are append-only: % of % is refused', tg_op, tg_table_name
        using errcode = 'integrity_constraint_violation',
              hint = 'correct a balance by a credits.adjusted message; it leaves its own entry';
end
$$;
create trigger entries_are_append_only before update or delete or truncate on entry
    for each statement execute function refuse_to_change_entries();

-- Alerts and hold events. They share the entries' numbers, and move no credits.
create table notice (
    log_number      bigint primary key,
    account_id      text collate "C" not null,
    organization_id text collate "C",
    kind            text not null check (kind in ('alert', 'hold')),
    sequence        bigint not null check (sequence > 0),
    at              timestamptz not null,
    cause_source    text not null,
    cause_id        text not null,
    cause_type      text not null,
    traceparent     text,
    body            jsonb not null,
    unique (account_id, kind, sequence)
);

-- Every message that could be decoded: one row a key, its first outcome, and how often it came.
create table inbox (
    source          text collate "C" not null,
    id              text collate "C" not null,
    type            text not null,
    -- Of type and decoded data; another one under the same key is a conflict.
    fingerprint     bytea not null check (length(fingerprint) = 32),
    time            timestamptz,
    received_at     timestamptz not null,
    outcome         text not null check (outcome in ('applied', 'stale', 'rejected', 'parked')),
    reason          text,
    detail          text,
    -- The stretch of the log that it wrote.
    log_first       bigint,
    log_last        bigint,
    deliveries      bigint not null default 1,
    conflicts       bigint not null default 0,
    primary key (source, id)
);

-- Messages that can't be applied yet, or at all, as they came.
create table parked (
    parked_id       bigint generated always as identity primary key,
    -- Of body, properties and headers: the same message parked twice is one row.
    content_hash    bytea not null unique check (length(content_hash) = 32),
    reason          text not null,
    detail          text not null,
    -- Where they could be read.
    source          text,
    message_id      text,
    type            text,
    -- What would let it be applied, such as account:acme; and whether that has come.
    waits_for       text collate "C",
    due             boolean not null default false,
    -- How often it was offered again since the last offer that came to an end: a process died of the others.
    offers          integer not null default 0,
    deliveries      bigint not null default 1,
    received_at     timestamptz not null,
    -- Routing key, content type, headers and properties. json and not jsonb: it keeps \u0000.
    envelope        json not null,
    body            bytea not null,
    -- When and how it was dealt with.
    done_at         timestamptz,
    done_outcome    text
);
create index parked_waiting on parked (waits_for) where done_at is null and waits_for is not null;
create index parked_due on parked (parked_id) where due and done_at is null;
create index parked_open on parked (parked_id) where done_at is null;
create index parked_by_key on parked (source, message_id) where source is not null;

-- Messages that are tried alone because they were in hand when the process died.
create table suspect (
    content_hash    bytea primary key,
    tries           integer not null,
    last_try_at     timestamptz not null
);

-- One row: who publishes the log, up to where it is published. By the database's clock.
create table relay (
    singleton       boolean primary key default true check (singleton),
    owner           text,
    epoch           bigint not null default 0,
    lease_until     timestamptz not null default '-infinity',
    -- All of the log up to here is confirmed by the broker.
    published       bigint not null default 0,
    -- How many of them no queue took.
    unroutable      bigint not null default 0
);
insert into relay default values;
