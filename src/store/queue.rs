//! Queues as people ask about them: who waits, how long, for how many credits, and what would unblock it.
//! Members are named as `--json` shows them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgConnection;

use super::cache::Cache;
use super::rows::Table;
use super::{Snapshot, StoreError, load};
use crate::ledger::account::{Account, Chain, Mode};
use crate::ledger::balance::Queued;
use crate::ledger::books::Shelf;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{Aside, Holder, Shortfall};
use crate::ledger::project::Project;
use crate::ledger::unblock::{Outlook, Running, Standing, Unblocking, Waiting};

/// Of so many claims from the head of a queue it is told what would unblock them: that is found by walking all that
/// wait before, once for each running project that could be settled.
const UNBLOCKING_TOLD: i64 = 200;
/// How many of the running projects that are closest to being settled are considered.
const RUNNING_MAX: i64 = 1000;

/// A queue with claims in it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub struct QueueReport {
    /// The account whose queue it is: a pool, or an account with a plan of its own.
    pub queue: AccountId,
    /// What waits in it, all together.
    pub queued: Queued,
    /// The claims, first come first.
    pub claims: Vec<ClaimRow>,
    /// What to give as `after` to `/v1/accounts/{account_id}/queue` for the claims behind these; null where there are
    /// none.
    pub next: Option<String>,
}

/// Which claims of a queue to tell.
#[derive(Clone, Copy, Debug)]
pub struct ClaimFilter<'f> {
    /// Only those of this account.
    pub account: Option<&'f AccountId>,
    /// Only those behind the one with this ticket.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// A claim that waits.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Claim")]
pub struct ClaimRow {
    /// Its place in the queue, from 1.
    pub position: i64,
    /// Whose claim.
    pub project_id: ProjectId,
    /// The account of the project.
    pub account_id: AccountId,
    /// What people call the project.
    pub name: Option<String>,
    /// Its status, in the upstream's vocabulary.
    pub status: Option<String>,
    /// What it has, in credits.
    pub held: Credits,
    /// What it wants in all, in credits.
    pub wanted: Credits,
    /// What it waits for, in credits.
    pub credits: Credits,
    /// Since when it waits.
    pub waiting_since: Timestamp,
    /// The first account of its chain that lacks credits for it, not counting what waits ahead.
    pub shortfall: Option<Shortfall>,
    /// The account that could never carry it as things are; it waits aside and blocks nobody.
    pub aside: Option<Aside>,
    /// What would unblock it; told of the first 200 claims of a queue.
    pub unblocking: Option<UnblockingRow>,
}

/// What would unblock a claim.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "by")]
#[schemars(rename = "Unblocking")]
pub enum UnblockingRow {
    /// Projects being settled.
    Settling {
        /// The first 20, in this order: closest to being settled first, then the larger hold.
        projects: Vec<Holder>,
        /// How many in all.
        projects_in_all: usize,
        /// What all of these hold together, in credits.
        credits: Credits,
        /// Whether even these would not do, and more of what runs would have to be settled than is looked at one by
        /// one: the 1000 closest to it.
        and_more: bool,
        /// Whether projects of other accounts would have to be settled too, which is all that who sees one account
        /// alone is told of them.
        others_too: bool,
    },
    /// More credits: not even all that runs being settled would do.
    MoreCredits {
        /// Where.
        account_id: AccountId,
        /// How many more, with what waits ahead of it.
        credits: Credits,
    },
    /// A larger plan, or a smaller project: its account could never carry it as things are.
    LargerPlan,
}

/// As many projects that would unblock a claim are named.
const PROJECTS_TOLD: usize = 20;

/// What would let a claim be placed, as far as `seen_by` reaches. Who sees one account alone is told of its own
/// projects, and whether others' are needed too: neither how many nor what they hold, since by quotes for one credit
/// more each time, what a single one holds could be worked out.
pub(crate) fn unblocking(
    outlook: &Outlook<'_>,
    project: &ProjectId,
    seen_by: Option<&AccountId>,
) -> Option<UnblockingRow> {
    let (projects, and_more) = match outlook.unblocking(project)? {
        Unblocking::Settling(projects) => (projects, false),
        Unblocking::SettlingMore(projects) => (projects, true),
        Unblocking::Lacking { account_id, credits } => {
            return Some(UnblockingRow::MoreCredits { account_id, credits });
        }
        Unblocking::LargerPlan => return Some(UnblockingRow::LargerPlan),
    };
    let all = projects.len();
    let is_told = |holder: &Holder| seen_by.is_none_or(|own| holder.account_id == *own);
    let mut projects: Vec<_> = projects.into_iter().filter(is_told).collect();
    let projects_in_all = projects.len();
    let credits = projects.iter().map(|holder| holder.held).sum();
    projects.truncate(PROJECTS_TOLD);
    Some(UnblockingRow::Settling {
        projects,
        projects_in_all,
        credits,
        and_more: and_more && seen_by.is_none(),
        others_too: seen_by.is_some() && (and_more || projects_in_all < all),
    })
}

/// A queue, its claims' projects and the accounts of those.
pub struct LoadedQueue {
    /// As the core looks at it.
    pub standing: Standing,
    shelf: Shelf,
    owner: AccountId,
}

impl Snapshot {
    /// The accounts in whose queues something waits, in the order of their ids: of all, or of an organization;
    /// `limit` at most, those after `after`. The claims of integrated accounts wait in their pool's.
    pub async fn queues(
        &mut self,
        organization: Option<&str>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<AccountId>, StoreError> {
        let owners = sqlx::query_scalar!(
            "select account_id from account
              where queued_projects > 0 and kind <> 'integrated'
                and ($1::text is null or (organization_id = $1 and kind <> 'standalone'))
                and ($2::text is null or account_id > $2)
              order by account_id limit $3",
            organization,
            after,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        owners.into_iter().map(|owner| Table("account").id("account_id", owner)).collect()
    }

    /// The queue of `owner` as people are told of it.
    pub async fn queue_report(
        &mut self,
        owner: &AccountId,
        filter: &ClaimFilter<'_>,
    ) -> Result<QueueReport, StoreError> {
        // One more than asked for says whether there are more.
        let mut places = claim_places(self.connection(), owner, filter, filter.limit + 1).await?;
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let more_follow = places.len() > limit;
        places.truncate(limit);
        let told = places.iter().rev().find(|claim| claim.position <= UNBLOCKING_TOLD);
        let walked = told.map_or(0, |claim| claim.position);
        let mut loaded = self.queue(owner, usize::try_from(walked).unwrap_or(0)).await?;
        loaded.add(self.connection(), &places).await?;
        let asked: Vec<_> = places.iter().map(|claim| claim.project_id.clone()).collect();
        let unblocking = told_of(std::mem::take(&mut loaded.standing), asked, filter.account.cloned()).await;
        let row = |(claim, unblocking): (&ClaimPlace, Option<UnblockingRow>)| {
            let project = loaded.shelf.projects.get(&claim.project_id).and_then(Option::as_ref);
            loaded.row(claim.position, project.expect("it was loaded, in this snapshot"), unblocking)
        };
        Ok(QueueReport {
            queue: owner.clone(),
            queued: loaded.account(owner).map(|account| account.queued).unwrap_or_default(),
            claims: places.iter().zip(unblocking).map(row).collect(),
            next: places.last().filter(|_| more_follow).map(|claim| claim.ticket.to_string()),
        })
    }

    /// The queue of `owner`, its first `limit` claims.
    pub async fn queue(&mut self, owner: &AccountId, limit: usize) -> Result<LoadedQueue, StoreError> {
        let connection = self.connection();
        let mut shelf = Shelf::default();
        load::load_accounts(connection, &[owner.clone()].into(), &mut shelf).await?;
        load::load_queues(connection, std::slice::from_ref(owner), limit, &mut shelf, &mut Cache::default())
            .await?;
        let running = load_running(connection, owner).await?;
        let beyond = load_beyond(connection, owner, &running).await?;
        let room = |account: &Account| (account.id.clone(), account.balance.available() - account.floor());
        let room = shelf.accounts.values().flatten().map(room).collect();
        let mut loaded = LoadedQueue {
            standing: Standing { waiting: Vec::new(), running, beyond, room },
            shelf,
            owner: owner.clone(),
        };
        loaded.standing.waiting = loaded.projects().map(|project| loaded.waiting(project)).collect();
        Ok(loaded)
    }
}

impl LoadedQueue {
    /// Loads claims that are not among the first.
    async fn add(&mut self, connection: &mut PgConnection, claims: &[ClaimPlace]) -> Result<(), StoreError> {
        let ids = claims.iter().map(|claim| &claim.project_id);
        let missing: BTreeSet<_> = ids.filter(|id| !self.shelf.projects.contains_key(id)).cloned().collect();
        load::load_projects(connection, &missing, &mut self.shelf).await?;
        let chains = missing.iter().filter_map(|id| self.shelf.projects.get(id)?.as_ref()?.chain.clone());
        let accounts = chains.map(|chain| chain.account);
        let accounts = accounts.filter(|id| !self.shelf.accounts.contains_key(id)).collect();
        load::load_accounts(connection, &accounts, &mut self.shelf).await
    }

    fn row(&self, position: i64, project: &Project, unblocking: Option<UnblockingRow>) -> ClaimRow {
        let chain = chain_of(project);
        let claim = project.claim.expect("what is in a queue has a claim");
        ClaimRow {
            position,
            project_id: project.id.clone(),
            account_id: chain.account.clone(),
            name: project.name.get().as_deref().map(str::to_owned),
            status: project.status.get().as_ref().map(|status| status.name.to_string()),
            held: project.held,
            wanted: project.target().held,
            credits: project.growth(),
            waiting_since: claim.since,
            shortfall: self.shortfall(chain, project.growth()),
            aside: self.aside(chain, project.target().held),
            unblocking,
        }
    }

    fn projects(&self) -> impl Iterator<Item = &Project> {
        let claims = self.shelf.queues.get(&self.owner).into_iter().flat_map(|head| &head.claims);
        claims.filter_map(|(_, id)| self.shelf.projects.get(id)?.as_ref())
    }

    fn waiting(&self, project: &Project) -> Waiting {
        let chain = chain_of(project);
        Waiting {
            project_id: project.id.clone(),
            chain: chain.clone(),
            growth: project.growth(),
            aside: self.aside(chain, project.target().held).is_some(),
        }
    }

    fn account(&self, id: &AccountId) -> Option<&Account> {
        self.shelf.accounts.get(id)?.as_ref()
    }

    fn shortfall(&self, chain: &Chain, growth: Credits) -> Option<Shortfall> {
        let short = |account: &Account| Shortfall {
            account_id: account.id.clone(),
            credits: account.shortfall(growth),
        };
        let accounts = chain.iter().filter_map(|id| self.account(id));
        accounts.map(short).find(|shortfall| shortfall.credits.is_positive())
    }

    fn aside(&self, chain: &Chain, held: Credits) -> Option<Aside> {
        let limit = |account: &Account| Aside { account_id: account.id.clone(), limit: account.holdable() };
        let accounts = chain.iter().filter_map(|id| self.account(id));
        accounts.map(limit).find(|aside| held > aside.limit)
    }
}

fn chain_of(project: &Project) -> &Chain {
    project.chain.as_ref().expect("a waiting project has a chain")
}

/// What would unblock each of these projects' claims. Found beside the tasks of the runtime, which a long queue would
/// keep from their work.
async fn told_of(
    standing: Standing,
    projects: Vec<ProjectId>,
    seen_by: Option<AccountId>,
) -> Vec<Option<UnblockingRow>> {
    let told = tokio::task::spawn_blocking(move || {
        let outlook = standing.outlook(seen_by.as_ref());
        projects.iter().map(|project| unblocking(&outlook, project, seen_by.as_ref())).collect()
    });
    told.await.expect("nothing in it panics, and nobody ends it")
}

/// A claim's place in its queue.
struct ClaimPlace {
    project_id: ProjectId,
    ticket: i64,
    /// From 1.
    position: i64,
}

/// The claims that are asked for, `limit` of them, with their places: counted from the head of the queue, through an
/// index.
async fn claim_places(
    connection: &mut PgConnection,
    owner: &AccountId,
    filter: &ClaimFilter<'_>,
    limit: i64,
) -> Result<Vec<ClaimPlace>, StoreError> {
    let rows = sqlx::query!(
        r#"select project_id, ticket as "ticket!", position as "position!"
             from (select project_id, chain_account, ticket, row_number() over (order by ticket) as position
                     from project
                    where ticket is not null and coalesce(chain_pool, chain_account) = $1) queue
            where ticket > $2 and ($3::text is null or chain_account = $3)
            order by ticket limit $4"#,
        owner.as_str(),
        filter.after.unwrap_or(0),
        filter.account.map(AccountId::as_str),
        limit,
    )
    .fetch_all(connection)
    .await?;
    let table = Table("project");
    let place = rows.into_iter().map(|row| {
        let project_id = table.id("project_id", row.project_id)?;
        Ok(ClaimPlace { project_id, ticket: row.ticket, position: row.position })
    });
    place.collect()
}

/// The projects that hold credits of `owner`, those closest to being settled.
async fn load_running(connection: &mut PgConnection, owner: &AccountId) -> Result<Vec<Running>, StoreError> {
    let rows = sqlx::query!(
        "select project_id, chain_account, chain_pool, name, status, stage, held, mode from project
          where held > 0 and (chain_account = $1 or chain_pool = $1)
          order by coalesce(stage, 0) desc, held desc, project_id limit $2",
        owner.as_str(),
        RUNNING_MAX,
    )
    .fetch_all(connection)
    .await?;
    let table = Table("project");
    rows.into_iter()
        .map(|row| {
            let account: AccountId = table.id("chain_account", row.chain_account)?;
            let pool = row.chain_pool.map(|pool| table.id("chain_pool", pool)).transpose()?;
            let stage = u16::try_from(row.stage.unwrap_or(0));
            let mode: Mode = table.name("mode", &row.mode)?;
            Ok(Running {
                holder: Holder {
                    project_id: table.id("project_id", row.project_id)?,
                    account_id: account.clone(),
                    name: row.name.map(Into::into),
                    status: row.status.map(Into::into),
                    stage: stage.map_err(|error| table.unreadable("stage", error))?,
                    held: Credits(row.held),
                },
                chain: Chain { account, pool },
                gives_back: mode == Mode::Recycle,
            })
        })
        .collect()
}

/// What others than `running` hold of `owner` and would give back, by the accounts that it is charged to. Asked only
/// where there are others.
async fn load_beyond(
    connection: &mut PgConnection,
    owner: &AccountId,
    running: &[Running],
) -> Result<Vec<(Chain, Credits)>, StoreError> {
    if i64::try_from(running.len()).unwrap_or(i64::MAX) < RUNNING_MAX {
        return Ok(Vec::new());
    }
    let looked_at: Vec<_> = running.iter().map(|one| one.holder.project_id.to_string()).collect();
    let rows = sqlx::query!(
        r#"select chain_account as "chain_account!", chain_pool, sum(held)::bigint as "held!" from project
            where held > 0 and mode = 'recycle' and (chain_account = $1 or chain_pool = $1)
              and not project_id = any($2)
            group by chain_account, chain_pool"#,
        owner.as_str(),
        &looked_at,
    )
    .fetch_all(connection)
    .await?;
    let table = Table("project");
    let sum = rows.into_iter().map(|row| {
        let pool = row.chain_pool.map(|pool| table.id("chain_pool", pool)).transpose()?;
        Ok((Chain { account: table.id("chain_account", row.chain_account)?, pool }, Credits(row.held)))
    });
    sum.collect()
}
