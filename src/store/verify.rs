//! `creditd verify`: the books recomputed from the entries alone, and every number held against every other
//! (DESIGN 3.2, 3.4). One snapshot; nothing is locked, and the daemon goes on meanwhile.

mod grants;
mod terms;

use std::collections::HashMap;

use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::{PgConnection, Postgres, Transaction};

use super::rows::EntryRecord;
use super::{Store, StoreError, load, retention};
use crate::ledger::account::Account;
use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::digest::{LAYOUT, of_entry};
use crate::ledger::entry::Digest;
use crate::ledger::entry::{Entry, EntryKind, Side};
use crate::ledger::ids::AccountId;

/// Something that differs: where, and by how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: `account acme`, `project p-1`, `log`.
    pub place: String,
    /// What was found and what was expected.
    pub what: String,
}

impl Finding {
    fn about_account(account_id: &str, what: String) -> Self {
        Self { place: format!("account {account_id}"), what }
    }
}

/// What was checked, and what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Accounts that were recomputed.
    pub accounts: u64,
    /// Projects that were held against their entries.
    pub projects: u64,
    /// Entries that were replayed, digests included.
    pub entries: u64,
    /// Notices that were counted.
    pub notices: u64,
    /// What differs; nothing where all is well.
    pub findings: Vec<Finding>,
}

/// Is told how many entries are done, and of how many.
pub type Progress<'p> = &'p mut (dyn FnMut(u64, u64) + Send);

/// No more than so many findings of one kind are told.
const FINDINGS_MAX: i64 = 100;

impl Store {
    /// A snapshot that many queries can read.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut snapshot = self.pool.begin().await?;
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *snapshot)
            .await?;
        Ok(snapshot)
    }

    /// The same, for those who do something else between two queries for longer than a session may be idle.
    pub(super) async fn unhurried_snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        sqlx::query("set local idle_in_transaction_session_timeout = 0").execute(&mut *snapshot).await?;
        Ok(snapshot)
    }

    /// Checks the whole ledger.
    pub async fn verify(&self, progress: Progress<'_>) -> Result<Verification, StoreError> {
        let mut snapshot = self.snapshot().await?;
        // A ledger of years takes longer to read than a statement of the daemon may.
        sqlx::query("set local statement_timeout = 0").execute(&mut *snapshot).await?;
        let mut findings = Vec::new();
        let accounts = load::all_accounts(&mut snapshot).await?;
        let accounts = accounts.into_iter().map(|account| (account.id.clone(), account)).collect();
        let entries = replay(&mut snapshot, &accounts, &mut findings, progress).await?;
        let notices = check_notices(&mut snapshot, &mut findings).await?;
        check_log(&mut snapshot, &mut findings).await?;
        findings.extend(retention::check(&mut snapshot).await?);
        let projects = check_projects(&mut snapshot, &mut findings).await?;
        check_sums(&mut snapshot, &mut findings).await?;
        terms::check_tallies(&mut snapshot, &mut findings).await?;
        terms::check_terms(&mut snapshot, &mut findings).await?;
        check_counters(&mut snapshot, &mut findings).await?;
        check_plans(&mut snapshot, &mut findings).await?;
        check_causes(&mut snapshot, &mut findings).await?;
        snapshot.rollback().await?;
        let accounts = u64::try_from(accounts.len()).unwrap_or(u64::MAX);
        Ok(Verification { accounts, projects, entries, notices, findings })
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An account's books as its entries tell them.
struct Replay {
    account_id: AccountId,
    balance: Balance,
    plan: Credits,
    entries: i64,
    digest: Digest,
}

impl Replay {
    fn new(account_id: AccountId) -> Self {
        let (balance, plan) = (Balance::default(), Credits::ZERO);
        Self { account_id, balance, plan, entries: 0, digest: Digest::FIRST }
    }

    /// Takes the account's next entry, and says what is wrong with it.
    fn take(&mut self, entry: &Entry, layout: i16) -> Vec<String> {
        let mut wrong = Vec::new();
        let number = entry.number;
        if entry.sequence != self.entries + 1 {
            let expected = self.entries + 1;
            wrong.push(format!("entry {number} has sequence {}, expected {expected}", entry.sequence));
        }
        if layout != LAYOUT {
            wrong.push(format!("entry {number} has the unknown layout {layout}"));
        } else if of_entry(self.digest, entry) != entry.digest {
            wrong.push(format!("entry {number}: its digest does not follow from it and the entry before"));
        }
        let before = entry.previous_balance();
        if before != self.balance {
            let told = differences(before, self.balance).join(", ");
            wrong.push(format!("entry {number} does not continue the balance before it: {told}"));
        }
        if entry.kind == EntryKind::Plan {
            let raised = entry.from == Side::Outside;
            self.plan += if raised { entry.credits } else { -entry.credits };
        }
        self.entries = entry.sequence;
        self.balance = entry.balance;
        self.digest = entry.digest;
        wrong
    }

    /// Holds the account's row against its entries.
    fn compare(&self, account: &Account) -> Vec<String> {
        let mut wrong = differences(account.balance, self.balance);
        if account.plan != self.plan {
            wrong.push(difference("plan", account.plan, self.plan));
        }
        if account.sequences.entries != self.entries {
            let counted = account.sequences.entries;
            wrong.push(format!("it counts {counted} entries, there are {}", self.entries));
        }
        if account.digest != self.digest {
            wrong.push(format!("its digest is {}, its last entry's {}", account.digest, self.digest));
        }
        wrong
    }
}

fn difference(what: &str, found: Credits, expected: Credits) -> String {
    format!("{what} is {found}, its entries say {expected} ({:+})", (found - expected).0)
}

fn differences(found: Balance, expected: Balance) -> Vec<String> {
    let parts = [
        ("total", found.total, expected.total),
        ("held", found.held, expected.held),
        ("consumed", found.consumed, expected.consumed),
    ];
    let differing = parts.into_iter().filter(|(_, found, expected)| found != expected);
    differing.map(|(what, found, expected)| difference(what, found, expected)).collect()
}

/// Replays all entries, account by account.
async fn replay(
    connection: &mut PgConnection,
    accounts: &HashMap<AccountId, Account>,
    findings: &mut Vec<Finding>,
    progress: Progress<'_>,
) -> Result<u64, StoreError> {
    let all = sqlx::query_scalar!(r#"select count(*) as "count!" from entry"#);
    let total = count(all.fetch_one(&mut *connection).await?);
    let mut grants = grants::Grants::load(&mut *connection).await?;
    let mut replays: HashMap<AccountId, Replay> = HashMap::new();
    let mut done = 0;
    let mut add = |account: &AccountId, wrong: Vec<String>| {
        let place = format!("account {account}");
        findings.extend(wrong.into_iter().map(|what| Finding { place: place.clone(), what }));
    };
    let mut rows = sqlx::query!(
        "select log_number, account_id, organization_id, sequence, at, kind, from_side, to_side, credits,
                project_id, total, held, consumed, cause_source, cause_id, cause_type, traceparent, reason,
                actor, layout, digest
           from entry order by account_id, sequence",
    )
    .fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        let entry = Entry::try_from(EntryRecord {
            log_number: row.log_number,
            account_id: row.account_id,
            organization_id: row.organization_id,
            sequence: row.sequence,
            at: row.at,
            kind: row.kind,
            from_side: row.from_side,
            to_side: row.to_side,
            credits: row.credits,
            project_id: row.project_id,
            total: row.total,
            held: row.held,
            consumed: row.consumed,
            cause_source: row.cause_source,
            cause_id: row.cause_id,
            cause_type: row.cause_type,
            traceparent: row.traceparent,
            reason: row.reason,
            actor: row.actor,
            digest: row.digest,
        })?;
        let id = entry.account_id.clone();
        let replay = replays.entry(id.clone()).or_insert_with(|| Replay::new(id.clone()));
        add(&id, replay.take(&entry, row.layout));
        grants.take(&entry);
        done += 1;
        progress(done, total);
    }
    for account in accounts.values() {
        let untouched = Replay::new(account.id.clone());
        add(&account.id, replays.get(&account.id).unwrap_or(&untouched).compare(account));
    }
    for replay in replays.values().filter(|replay| !accounts.contains_key(&replay.account_id)) {
        add(&replay.account_id, vec!["it has entries, but no row".to_owned()]);
    }
    findings.extend(grants.compare());
    Ok(done)
}

/// Each account's alerts and hold notices are numbered from 1 without gaps, as its row counts them; where
/// retention has removed some, from the first that is left.
async fn check_notices(
    connection: &mut PgConnection,
    findings: &mut Vec<Finding>,
) -> Result<u64, StoreError> {
    let wrong = sqlx::query!(
        r#"with told as (
               select account_id, kind, count(*) as told, min(sequence) as first, max(sequence) as last
                 from notice group by account_id, kind),
           counted as (
               select account_id, 'alert' as kind, alerts as counted from account
               union all select account_id, 'hold', holds from account
               union all select account_id, 'transfer_rejected', transfers_rejected from account)
           select coalesce(told.account_id, counted.account_id) as "account_id!",
                  coalesce(told.kind, counted.kind) as "kind!",
                  coalesce(told.told, 0) as "told!", coalesce(counted.counted, 0) as "counted!",
                  told.first, told.last
             from told full join counted using (account_id, kind) cross join retention
            where case
                  when told.told is null then counted.counted > 0 and notices_removed = 0
                  else told.last is distinct from counted.counted or told.told <> told.last - told.first + 1
                       or (told.first <> 1 and notices_removed = 0) end
            order by 1, 2 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(&mut *connection)
    .await?;
    findings.extend(wrong.into_iter().map(|row| {
        Finding::about_account(
            &row.account_id,
            format!(
                "it counts {} {} notices; there are {}, numbered {} to {}",
                row.counted,
                row.kind,
                row.told,
                row.first.unwrap_or(0),
                row.last.unwrap_or(0)
            ),
        )
    }));
    let all = sqlx::query_scalar!(r#"select count(*) as "count!" from notice"#);
    Ok(count(all.fetch_one(connection).await?))
}

/// Entries and notices together are numbered from 1 to the ledger's last number, each number once; where
/// retention has removed notices, from the first number after them.
async fn check_log(connection: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let steps = sqlx::query!(
        r#"with mark as (select notices_removed_through as through from retention)
           select previous as "previous!", log_number as "log_number!"
             from (select log_number, lag(log_number, 1, (select through from mark))
                          over (order by log_number) as previous
                     from (select log_number from entry where log_number > (select through from mark)
                           union all
                           select log_number from notice where log_number > (select through from mark)
                           union all select log_last + 1 from ledger) numbered) steps
            where log_number <> previous + 1
            order by log_number limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(connection)
    .await?;
    findings.extend(steps.into_iter().map(|row| Finding {
        place: "log".to_owned(),
        what: match row.log_number > row.previous {
            true => format!("numbers {} to {} are missing", row.previous + 1, row.log_number - 1),
            false => format!("number {} is there twice, or beyond the ledger's last", row.log_number),
        },
    }));
    Ok(())
}

/// What each project holds and used up is what its entries say, on every account of its chain and on no
/// other.
async fn check_projects(
    connection: &mut PgConnection,
    findings: &mut Vec<Finding>,
) -> Result<u64, StoreError> {
    let wrong = sqlx::query!(
        r#"with booked as (
               select project_id, account_id,
                      sum(case when to_side = 'held' then credits when from_side = 'held' then -credits
                               else 0 end)::bigint as held,
                      sum(case when to_side = 'consumed' then credits when from_side = 'consumed' then -credits
                               else 0 end)::bigint as consumed
                 from entry where project_id is not null group by project_id, account_id),
           stands as (
               select project_id, chain_account as account_id, held, consumed from project
               union all
               select project_id, chain_pool, held, consumed from project where chain_pool is not null)
           select coalesce(stands.project_id, booked.project_id) as "project_id!",
                  coalesce(stands.account_id, booked.account_id) as "account_id!",
                  coalesce(stands.held, 0) as "held!", coalesce(stands.consumed, 0) as "consumed!",
                  coalesce(booked.held, 0) as "booked_held!", coalesce(booked.consumed, 0) as "booked_consumed!"
             from stands full join booked using (project_id, account_id)
            where coalesce(stands.held, 0) <> coalesce(booked.held, 0)
               or coalesce(stands.consumed, 0) <> coalesce(booked.consumed, 0)
            order by 1, 2 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(&mut *connection)
    .await?;
    findings.extend(wrong.into_iter().map(|row| Finding {
        place: format!("project {}", row.project_id),
        what: format!(
            "on account {} it holds {} and used up {}; its entries there say {} ({:+}) and {} ({:+})",
            row.account_id,
            row.held,
            row.consumed,
            row.booked_held,
            row.held - row.booked_held,
            row.booked_consumed,
            row.consumed - row.booked_consumed
        ),
    }));
    let all = sqlx::query_scalar!(r#"select count(*) as "count!" from project"#);
    Ok(count(all.fetch_one(connection).await?))
}

/// What an account has held, and what waits for it, is the sum over its projects; what it used up is the sum
/// over its projects and its charges (DESIGN 3.2).
async fn check_sums(connection: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let wrong = sqlx::query!(
        r#"with link as (
               select chain_account as account_id, held, consumed, ticket, wanted from project
               union all
               select chain_pool, held, consumed, ticket, wanted from project where chain_pool is not null),
           summed as (
               select account_id, sum(held)::bigint as held, sum(consumed)::bigint as consumed,
                      count(ticket) as projects,
                      coalesce(sum(wanted - held) filter (where ticket is not null), 0)::bigint as credits
                 from link group by account_id),
           charged as (
               select account_id, sum(credits)::bigint as credits from entry where kind = 'charge'
                group by account_id)
           select account.account_id, account.held, account.consumed, account.queued_projects,
                  account.queued_credits, coalesce(summed.held, 0) as "projects_held!",
                  coalesce(summed.consumed, 0) + coalesce(charged.credits, 0) as "used_up!",
                  coalesce(summed.projects, 0) as "waiting!", coalesce(summed.credits, 0) as "waiting_credits!"
             from account left join summed using (account_id) left join charged using (account_id)
            where account.held <> coalesce(summed.held, 0)
               or account.consumed <> coalesce(summed.consumed, 0) + coalesce(charged.credits, 0)
               or account.queued_projects <> coalesce(summed.projects, 0)
               or account.queued_credits <> coalesce(summed.credits, 0)
            order by 1 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(connection)
    .await?;
    for row in wrong {
        let pairs = [
            ("held", row.held, row.projects_held, "its projects"),
            ("consumed", row.consumed, row.used_up, "its projects and charges"),
            ("the number of queued projects", row.queued_projects, row.waiting, "its projects"),
            ("the sum of queued credits", row.queued_credits, row.waiting_credits, "its projects"),
        ];
        for (what, found, summed, who) in pairs.into_iter().filter(|(_, found, summed, _)| found != summed) {
            let what = format!("{what} is {found}, {who} say {summed} ({:+})", found - summed);
            findings.push(Finding::about_account(&row.account_id, what));
        }
    }
    Ok(())
}

/// Every entry lies in the stretch of the log that its cause's inbox row names: no message took effect twice.
/// The row of a project message may be gone if it is older than what retention left, and such a message may
/// have come again since.
async fn check_causes(connection: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let wrong = sqlx::query!(
        r#"select entry.log_number, entry.account_id, entry.cause_source, entry.cause_id,
                  inbox.source is not null as "known!"
             from entry cross join retention left join inbox
               on inbox.source = entry.cause_source and inbox.id = entry.cause_id
            where (inbox.source is null or inbox.log_first is null
                   or entry.log_number not between inbox.log_first and inbox.log_last)
              and (entry.cause_type like 'project.%' and entry.cause_source not like 'creditd/%'
                   and entry.at < retention.inbox_removed_before
                   and (inbox.source is null or inbox.received_at > entry.at)) is not true
            order by 1 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(connection)
    .await?;
    findings.extend(wrong.into_iter().map(|row| {
        Finding::about_account(
            &row.account_id,
            format!(
                "entry {} names message {} {} as its cause, {}",
                row.log_number,
                row.cause_source,
                row.cause_id,
                if row.known {
                    "which wrote another stretch of the log"
                } else {
                    "which the inbox does not know"
                }
            ),
        )
    }));
    Ok(())
}

/// An account's plan is its capacity, or an integrated account's allocation.
async fn check_plans(connection: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let wrong = sqlx::query!(
        r#"select account_id, plan, case kind when 'integrated' then allocation else capacity end as "said!"
             from account
            where plan <> case kind when 'integrated' then allocation else capacity end
            order by 1 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(connection)
    .await?;
    findings.extend(wrong.into_iter().map(|row| {
        Finding::about_account(
            &row.account_id,
            format!(
                "{} credits of plan are booked, {} are said ({:+})",
                row.plan,
                row.said,
                row.plan - row.said
            ),
        )
    }));
    Ok(())
}

/// The ledger's own counters: tickets, settings, and what is published.
async fn check_counters(
    connection: &mut PgConnection,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let row = sqlx::query!(
        r#"select log_last, ticket_last, settings_number,
                  price_list_last, (select coalesce(max(number), 0) from price_list) as "price_list_max!",
                  (select coalesce(max(ticket), 0) from project) as "ticket_max!",
                  (select count(*) from inbox where source = 'creditd/settings') as "settings_inputs!",
                  (select published from relay) as "published!"
             from ledger"#
    )
    .fetch_one(connection)
    .await?;
    let mut add = |what: String| findings.push(Finding { place: "ledger".to_owned(), what });
    if row.ticket_max > row.ticket_last {
        add(format!("a project waits with ticket {}, the last drawn is {}", row.ticket_max, row.ticket_last));
    }
    if row.price_list_max != row.price_list_last {
        let counted = row.price_list_last;
        add(format!("{counted} price lists are counted, the last is number {}", row.price_list_max));
    }
    if row.settings_inputs != row.settings_number {
        add(format!(
            "{} settings were numbered, {} inputs set them",
            row.settings_number, row.settings_inputs
        ));
    }
    if row.published > row.log_last {
        add(format!("{} is published, the last number is {}", row.published, row.log_last));
    }
    Ok(())
}
