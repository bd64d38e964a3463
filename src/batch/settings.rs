//! The settings that decide are the ledger's: the consuming daemon sets them, by a numbered input. A new ledger
//! gets its first ones the same way from whatever comes first, a daemon or an import.

use std::sync::Arc;

use tracing::info;

use crate::clock;
use crate::ledger::own::Own;
use crate::ledger::settings::{Order, Settings};
use crate::store::{Batch, Decided, InboxRow, Received, Store, StoreError};

/// The ledger goes by another order than the settings, and that is fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "order is {:?} in the settings, and the ledger goes by {:?}; it is fixed for a ledger's life: set it back, or \
     use another database.schema",
    .ours.as_str(), .stored.as_str()
)]
pub struct OrderDiffers {
    /// The settings'.
    pub ours: Order,
    /// The ledger's.
    pub stored: Order,
}

/// What came of setting them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adoption {
    /// They are the ledger's now, or were.
    Adopted {
        /// Whether entries or notices were written.
        wrote_log: bool,
    },
    /// It can't be done.
    OrderDiffers(OrderDiffers),
}

/// Makes `settings` the ledger's, if they aren't.
pub(crate) async fn adopt(store: &Store, settings: &Arc<Settings>) -> Result<Adoption, StoreError> {
    let mut batch = store.begin().await?;
    match batch.settings() {
        Some(stored) if stored == settings => {
            batch.roll_back().await?;
            return Ok(Adoption::Adopted { wrote_log: false });
        }
        Some(stored) if stored.order != settings.order => {
            let differ = OrderDiffers { ours: settings.order, stored: stored.order };
            batch.roll_back().await?;
            return Ok(Adoption::OrderDiffers(differ));
        }
        _ => {}
    }
    let number = batch.settings_number() + 1;
    let wrote_log = set(&mut batch, settings).await?;
    batch.commit().await?;
    info!(number, "the ledger's settings were changed");
    Ok(Adoption::Adopted { wrote_log })
}

/// Sets the ledger's settings in a transaction that somebody else ends. Says whether entries or notices were
/// written.
pub(crate) async fn set(batch: &mut Batch, settings: &Arc<Settings>) -> Result<bool, StoreError> {
    let now = clock::now().max(batch.last_at());
    let input = Own::Settings(settings.clone(), batch.settings_number()).into_input(now);
    let inputs = [input];
    let Decided::Done(decisions, changes) = batch.decide(&inputs, settings).await? else {
        unreachable!("only commands are refused");
    };
    let first = inputs.iter().zip(&decisions).map(|(input, decision)| InboxRow::of_own(input, decision));
    let first = first.collect();
    batch.save(&Received { first, ..Received::default() }, &changes, now).await?;
    Ok(!changes.log.is_empty())
}
