//! What was made: assets by type, and projects briefed.

use schemars::JsonSchema;
use serde::Serialize;

use super::period::Period;
use super::{About, Found, ReportError};
use crate::clock::Zone;
use crate::ledger::credits::Credits;
use crate::ledger::ids::AccountId;
use crate::store::{AssetFigures, BriefedFigures, Snapshot, Stretch};

/// What was made for an account; for a pool, for all accounts of its organization, connected ones too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AssetsUsage {
    /// Whose, and when.
    #[serde(flatten)]
    pub about: About,
    /// Assets by type, in the order of the types' names.
    pub items: Vec<AssetUsage>,
    /// How many pieces of all types.
    pub quantity: i64,
    /// What this account was charged for all of them, in credits.
    pub charged: Credits,
    /// Projects, counted.
    pub projects: ProjectsBriefed,
}

/// Assets of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AssetUsage {
    /// The type.
    pub asset_type: String,
    /// How many messages told of them.
    pub messages: i64,
    /// How many pieces.
    pub quantity: i64,
    /// How many of the pieces belong to projects, whose prices cover them.
    pub in_projects: i64,
    /// What this account was charged for the others, in credits.
    pub charged: Credits,
}

/// Projects, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProjectsBriefed {
    /// How many were briefed in the stretch: left the first status (such as draft), or first held or waited for
    /// credits.
    pub briefed: i64,
    /// How many are known in all, drafts too, whatever the stretch.
    pub known: i64,
}

impl From<BriefedFigures> for ProjectsBriefed {
    fn from(figures: BriefedFigures) -> Self {
        Self { briefed: figures.briefed, known: figures.projects }
    }
}

impl From<AssetFigures> for AssetUsage {
    fn from(figures: AssetFigures) -> Self {
        let AssetFigures { asset_type, messages, quantity, in_projects, charged } = figures;
        Self { asset_type, messages, quantity, in_projects, charged }
    }
}

/// Usage by type of asset.
pub async fn assets(
    snapshot: &mut Snapshot,
    zone: &Zone,
    account_id: &AccountId,
    period: Period,
) -> Result<AssetsUsage, ReportError> {
    let stretch = period.stretch(snapshot, zone).await?;
    let Found { about, .. } = Found::find(snapshot, zone, account_id, stretch).await?;
    let items = made(snapshot, account_id, stretch).await?;
    let projects = snapshot.usage_briefed(account_id, stretch).await?.into();
    let quantity = items.iter().map(|asset| asset.quantity).sum();
    let charged = items.iter().map(|asset| asset.charged).sum();
    Ok(AssetsUsage { about, items, quantity, charged, projects })
}

/// Assets by type.
pub(super) async fn made(
    snapshot: &mut Snapshot,
    account_id: &AccountId,
    stretch: Stretch,
) -> Result<Vec<AssetUsage>, ReportError> {
    let figures = snapshot.usage_assets(account_id, stretch).await?;
    Ok(figures.into_iter().map(AssetUsage::from).collect())
}
