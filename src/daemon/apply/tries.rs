//! Messages that were in hand when processes died are tried alone, and each try is counted before it is made: a process
//! that dies of one can't say so afterwards.

use std::time::Duration;

use tracing::{debug, error};

use super::{Apply, ApplyError};
use crate::batch::{Arrival, TRIES_ALONE_MAX};
use crate::daemon::intake::Acknowledge;
use crate::daemon::ledger::Ledger;
use crate::store::StoreError;

/// For so long it is tried to note that what was in hand came to no end, but not by death.
const TAKING_BACK_MAX: Duration = Duration::from_secs(1);

impl<L: Ledger, A: Acknowledge> Apply<L, A> {
    /// Counts a suspect's try before it is decoded. After the third death alone it stays undecoded, to be
    /// parked. `None` if the connection is over.
    pub(super) async fn count_try(&mut self, suspect: Arrival) -> Result<Option<Arrival>, ApplyError> {
        let link = self.turn.link.as_ref().filter(|_| !self.turn.left_undone);
        let (Some(hash), Some(link)) = (suspect.suspect().copied(), link) else { return Ok(None) };
        let over = &link.over.clone();
        let Some(mut tries) = self.insist(over, || self.ledger.tries(&hash)).await? else { return Ok(None) };
        // The last one is this process's own: it came to no end, but not by death.
        if self.turn.last_try == Some((hash, tries)) {
            tries -= 1;
        }
        if tries >= TRIES_ALONE_MAX {
            error!("a message was in hand alone at {TRIES_ALONE_MAX} deaths and is parked");
            return Ok(Some(suspect));
        }
        self.turn.last_try = Some((hash, tries + 1));
        let counted = self.insist(over, || self.ledger.count_try(&hash, tries + 1)).await?;
        Ok(counted.map(|()| suspect.try_alone()))
    }

    /// Notes that the message that was tried alone last, if it came to no end, is none that a process died of.
    pub(super) async fn take_back_try(&mut self) {
        let Some((hash, tries)) = self.turn.last_try else { return };
        if self.take_back(self.ledger.take_back_try(&hash, tries)).await {
            self.turn.last_try = None;
        }
    }

    /// Notes that what was counted came to no end, but not by death. If that fails, it counts as one. Says whether it
    /// was noted.
    pub(super) async fn take_back(&self, noted: impl Future<Output = Result<(), StoreError>>) -> bool {
        match tokio::time::timeout(TAKING_BACK_MAX, noted).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => debug!(%error, "what came to no end counts as a death"),
            Err(_) => debug!("what came to no end counts as a death: the database doesn't answer"),
        }
        false
    }

    /// Leaves what was in hand, and all that came after it by the same connection, to come again.
    pub(super) async fn leave_undone(&mut self) {
        self.turn.left_undone = true;
        self.take_back_try().await;
    }
}
