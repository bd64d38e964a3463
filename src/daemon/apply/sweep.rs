//! Parked messages that are due: offered again when nothing is at hand that has just come.

use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{Apply, ApplyError, Role, Turn, doing};
use crate::batch::{Choice, Offers};
use crate::clock;
use crate::daemon::intake::Acknowledge;
use crate::daemon::ledger::Ledger;
use crate::store::Remedy;
use crate::vitals::Part;

impl<L: Ledger, A: Acknowledge> Apply<L, A> {
    /// Offers parked messages whose reason may have gone, a batch at a time so that deliveries come between.
    pub(super) async fn sweep(&mut self) -> Result<(), ApplyError> {
        self.land().await?;
        self.turn.sweep = false;
        match self.look_for_due().await {
            Ok(()) => {
                self.health.well(Part::Ledger, doing(self.turn.role));
                Ok(())
            }
            // The next batch, or the next look, waits for a server that is away.
            Err(ApplyError::Store(error)) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                self.without_database(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn look_for_due(&mut self) -> Result<(), ApplyError> {
        let done = self.ledger.apply_due().await?;
        if done.wrote_log {
            self.log.may_have_grown();
        }
        self.turn.sweep |= done.appeared || done.more;

        let Turn { role, looked_through, .. } = &mut self.turn;
        let consuming = role.is_consuming();
        let due = self.ledger.due_messages(consuming, looked_through, self.messages_max).await?;
        let offers = match Offers::choose(due, consuming, self.turn.last_offer, self.messages_max) {
            Choice::Offer(offers) => offers,
            Choice::Nothing => {
                self.turn.left = None;
                return Ok(());
            }
            Choice::Leave(parked_id, unended) => return self.leave((parked_id, unended)).await,
        };
        let is_all = offers.is_all;
        let never = CancellationToken::new();
        // If this fails it is looked for anew, and known to be this process's own.
        self.turn.last_offer = offers.alone().or(self.turn.last_offer);
        let (first, to_count) = (offers.first(), offers.to_count());
        let counted = self.ledger.count_offers(&to_count).await?;
        if offers.is_taken(counted) {
            debug!("another instance offers what was left in the midst of an offer");
            self.turn.role = Role::StandsBy;
            return Ok(());
        }
        let applied = self.apply(offers.into_arrivals(clock::now()), &never, false).await;
        let may_be_theirs = applied.as_ref().is_err_and(ApplyError::may_be_of_a_message);
        if !matches!(applied, Ok(Some(_))) && !may_be_theirs {
            let taken_back = to_count.taken_back();
            self.take_back(async { self.ledger.count_offers(&taken_back).await.map(drop) }).await;
        }
        let Some(committed) = applied? else {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            // Another daemon set its settings: messages come there, and it is that one's to offer.
            self.turn.role = Role::StandsBy;
            return self.leave(first).await;
        };
        info!(applied = committed.decided(), parked = committed.parked, "offered parked messages again");
        self.turn.sweep = committed.appeared || !is_all;
        self.turn.left = None;
        Ok(())
    }

    /// Leaves a parked message, of which so many offers came to no end, to the daemon that messages come to, unless that
    /// one does nothing about it for long.
    async fn leave(&mut self, left: (i64, i32)) -> Result<(), ApplyError> {
        // Whoever takes over a queue in which nothing comes isn't told by anything else.
        if self.turn.is_left_for_long(left) {
            info!("nobody else offers what is parked and due; this instance does");
            self.become_consuming().await?;
        }
        Ok(())
    }
}
