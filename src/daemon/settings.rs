//! The settings that decide are the ledger's: the consuming daemon sets them, by a numbered input.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tracing::info;

use super::clock;
use crate::ledger::entry::Cause;
use crate::ledger::ids::MessageKey;
use crate::ledger::input::{Fact, Input};
use crate::ledger::settings::{Order, Settings};
use crate::store::{InboxRow, Received, Store, StoreError};

/// The source of the inputs that set them.
const SOURCE: &str = "creditd/settings";
const TYPE: &str = "creditd.settings_changed.v1";

/// What came of setting them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adoption {
    /// They are the ledger's now, or were.
    Adopted {
        /// Whether entries or notices were written.
        wrote_log: bool,
    },
    /// The ledger goes by another order, and that is fixed for its life.
    OrderDiffers(Order),
}

/// Makes `settings` the ledger's, if they aren't.
pub(super) async fn adopt(store: &Store, settings: &Arc<Settings>) -> Result<Adoption, StoreError> {
    let mut batch = store.begin().await?;
    match batch.settings() {
        Some(stored) if stored == settings => {
            batch.roll_back().await?;
            return Ok(Adoption::Adopted { wrote_log: false });
        }
        Some(stored) if stored.order != settings.order => {
            let order = stored.order;
            batch.roll_back().await?;
            return Ok(Adoption::OrderDiffers(order));
        }
        _ => {}
    }
    let number = batch.settings_number() + 1;
    let key = MessageKey::new(SOURCE, &number.to_string());
    let cause = Arc::new(Cause { key: key.clone(), message_type: TYPE.into(), traceparent: None });
    let now = clock().max(batch.last_at());
    let fact = Fact::Settings(settings.clone());
    let input = Input { cause, time: None, revision: None, fact, now };
    let (decisions, changes) = batch.decide(&[input], settings).await?;
    let decision = decisions.into_iter().next().expect("one decision for one input");
    let text = serde_json::to_string(&**settings).expect("settings are plain JSON");
    let first = vec![InboxRow {
        key,
        message_type: TYPE.to_owned(),
        fingerprint: Sha256::digest(text).into(),
        time: None,
        received_at: now,
        outcome: decision.outcome,
        log: decision.log,
    }];
    batch.save(&Received { first, ..Received::default() }, &changes, now).await?;
    let wrote_log = !changes.log.is_empty();
    batch.commit().await?;
    info!(number, "the ledger's settings were changed");
    Ok(Adoption::Adopted { wrote_log })
}
