//! Usage by project.

use schemars::JsonSchema;
use serde::Serialize;

use super::figures::{Flow, Totals};
use super::period::Period;
use super::{About, Found, ReportError};
use crate::clock::Zone;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::store::{MovedFigures, ProjectFigures, Snapshot, UsageOrder, UsageStretch};

/// An account's projects that moved credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProjectsUsage {
    /// Whose, and when.
    #[serde(flatten)]
    pub about: About,
    /// What all entries of the stretch come to.
    #[serde(flatten)]
    pub totals: Totals,
    /// How many projects moved credits in the stretch.
    pub projects: i64,
    /// What moved for no project: plans, grants, adjustments, charges, transfers, expiries.
    pub outside_projects: Flow,
    /// Projects that moved credits, a page of them.
    pub items: Vec<ProjectUsage>,
    /// The last of them, to go on after, where there are more; never where they are told by size.
    pub next: Option<ProjectId>,
}

/// A project that moved credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProjectUsage {
    /// Which.
    pub project_id: ProjectId,
    /// What people call it now. Not told where it has gone to another account since; of a pool, to one outside its
    /// organization.
    pub name: Option<String>,
    /// Its status now, in the upstream's vocabulary; told where the name is.
    pub status: Option<String>,
    /// What it moved in the stretch.
    #[serde(flatten)]
    pub flow: Flow,
    /// What it holds of the account now, in credits, whatever the stretch.
    pub held_now: Credits,
}

/// Projects that are not named one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OtherProjects {
    /// How many.
    pub projects: i64,
    /// What they moved.
    #[serde(flatten)]
    pub flow: Flow,
}

impl From<ProjectFigures> for ProjectUsage {
    fn from(figures: ProjectFigures) -> Self {
        let ProjectFigures { entries, credited, debited, used, .. } = figures;
        Self {
            project_id: figures.project_id,
            name: figures.name,
            status: figures.status,
            flow: Flow { entries, credited, debited, used },
            held_now: figures.held,
        }
    }
}

/// Usage by project, at most `limit` of them.
pub async fn projects(
    snapshot: &mut Snapshot,
    zone: &Zone,
    account_id: &AccountId,
    period: Period,
    order: &UsageOrder,
    limit: u32,
) -> Result<ProjectsUsage, ReportError> {
    let stretch = period.stretch(snapshot, zone).await?;
    let Found { about, stretch } = Found::find(snapshot, zone, account_id, stretch).await?;
    let moved = snapshot.usage_moved(&stretch).await?;
    let totals = totals(&stretch, &moved)?;
    // One more than asked for says whether there are more.
    let (figures, projects) = snapshot.usage_projects(&stretch, order, i64::from(limit) + 1).await?;
    let mut items: Vec<_> = figures.into_iter().map(ProjectUsage::from).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let goes_on = has_more && matches!(order, UsageOrder::ById(_));
    let next = items.last().filter(|_| goes_on).map(|project| project.project_id.clone());
    let outside_projects = Flow::of(&moved, |figures| !figures.in_project);
    Ok(ProjectsUsage { about, totals, projects, outside_projects, items, next })
}

/// What a stretch comes to, if its entries add up.
pub(super) fn totals(stretch: &UsageStretch, moved: &[MovedFigures]) -> Result<Totals, ReportError> {
    let totals = Totals::of(stretch.opening, Flow::of(moved, |_| true), stretch.closing);
    totals.ok_or_else(|| ReportError::Flaw(format!("the entries of {} don't add up", stretch.account.id)))
}
