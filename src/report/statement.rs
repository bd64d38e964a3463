//! The statement of a month.

use schemars::JsonSchema;
use serde::Serialize;

use super::assets::{AssetUsage, ProjectsBriefed, made};
use super::figures::{Flow, KindUsage, Totals, by_kind};
use super::period::Month;
use super::projects::{OtherProjects, ProjectUsage, totals};
use super::{About, Found, ReportError};
use crate::clock::Zone;
use crate::ledger::ids::AccountId;
use crate::ledger::moment::Timestamp;
use crate::store::{Snapshot, Stretch, UsageOrder};

/// How many projects a statement names; the others it adds up.
pub const PROJECTS_NAMED: u32 = 20;

/// What became of an account's credits in a month:
/// `opening.available + credited - debited = closing.available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Statement {
    /// Which month, of the time zone.
    pub month: Month,
    /// Whether it is over, and so the statement final.
    pub state: MonthState,
    /// Whose, and from when until when the month is.
    #[serde(flatten)]
    pub about: About,
    /// What the month comes to. What is held at its beginning and end is in both balances.
    #[serde(flatten)]
    pub totals: Totals,
    /// By kind of entry.
    pub kinds: Vec<KindUsage>,
    /// By project.
    pub projects: StatementProjects,
    /// Assets by type; of a pool, those of all accounts of its organization.
    pub assets: Vec<AssetUsage>,
    /// Projects, counted.
    pub projects_briefed: ProjectsBriefed,
}

/// The month's entries by project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatementProjects {
    /// Those that most credits left `available` for, at most 20.
    pub largest: Vec<ProjectUsage>,
    /// All others that moved credits.
    pub others: OtherProjects,
    /// What moved for no project: plans, grants, adjustments, charges, transfers, expiries.
    pub outside_projects: Flow,
}

/// Where the present is, as seen from a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MonthState {
    /// Before it: nothing can have happened in it.
    NotBegun,
    /// Within it: more may come.
    Running,
    /// After it: nothing changes any more.
    Over,
}

impl MonthState {
    fn at(now: Timestamp, month: Stretch) -> Self {
        match (month.from, month.before) {
            (Some(from), _) if now < from => MonthState::NotBegun,
            (_, Some(before)) if now < before => MonthState::Running,
            _ => MonthState::Over,
        }
    }
}

/// The statement of a month.
pub async fn statement(
    snapshot: &mut Snapshot,
    zone: &Zone,
    account_id: &AccountId,
    month: Month,
) -> Result<Statement, ReportError> {
    let time = month.period().stretch(snapshot, zone).await?;
    let state = MonthState::at(snapshot.taken_at().await?, time);
    let Found { about, stretch } = Found::find(snapshot, zone, account_id, time).await?;
    let moved = snapshot.usage_moved(&stretch).await?;
    let totals = totals(&stretch, &moved)?;
    let (largest, count) =
        snapshot.usage_projects(&stretch, &UsageOrder::Largest, i64::from(PROJECTS_NAMED)).await?;
    let largest: Vec<_> = largest.into_iter().map(ProjectUsage::from).collect();
    let outside_projects = Flow::of(&moved, |figures| !figures.in_project);
    let named = Flow::sum(largest.iter().map(|project| project.flow));
    let others = OtherProjects {
        projects: count - i64::try_from(largest.len()).unwrap_or(count),
        flow: totals.flow.without(outside_projects).without(named),
    };
    Ok(Statement {
        month,
        state,
        about,
        totals,
        kinds: by_kind(&moved),
        projects: StatementProjects { largest, others, outside_projects },
        assets: made(snapshot, account_id, time).await?,
        projects_briefed: snapshot.usage_briefed(account_id, time).await?.into(),
    })
}
