//! A lane for each account: within it one alert after the other, and beside it all the others. An account whose
//! webhook hangs keeps its own order and nobody else's time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use super::alert::Alert;
use super::courier::{Courier, Stopped};

/// How long a stopping program waits for what is being delivered: longer than a post or a mail may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// What is to be done in a lane.
enum Work {
    /// An alert came; acknowledge it once it is done with.
    Deliver(Box<Alert>, Box<Delivery>),
    /// Deliver what was kept.
    Resume(String),
}

impl Work {
    async fn run(self, courier: &Courier) {
        match self {
            Self::Deliver(alert, delivery) => {
                if courier.take(*alert).await.is_ok() {
                    acknowledge(&delivery).await;
                }
            }
            // Nobody waits for an answer: what is still kept then is resumed after the next start.
            Self::Resume(account) => drop(courier.resume(&account).await),
        }
    }
}

/// The lanes of one connection. Dropping them ends what they are at, to be done again when it is delivered again.
pub(crate) struct Lanes {
    courier: Arc<Courier>,
    /// An account with a lane, and what waits in it behind what is being done. As many wait in all as the broker
    /// delivers without acknowledgement.
    waiting: HashMap<String, VecDeque<Work>>,
    /// What is being done; each returns its account.
    working: JoinSet<String>,
}

impl Lanes {
    pub(crate) fn new(courier: Arc<Courier>) -> Self {
        Self { courier, waiting: HashMap::new(), working: JoinSet::new() }
    }

    /// Puts a delivery in its account's lane; one that can't be read is set aside.
    pub(crate) async fn take(&mut self, delivery: Delivery) -> Result<(), Stopped> {
        match Alert::read(&delivery.data) {
            Ok(alert) => {
                let account = alert.account().to_owned();
                self.add(account, Work::Deliver(Box::new(alert), Box::new(delivery)));
            }
            Err(reason) => {
                self.courier.set_aside_unread(&delivery.data, &reason).await?;
                acknowledge(&delivery).await;
            }
        }
        Ok(())
    }

    /// Goes on with what was kept and is due.
    pub(crate) fn resume(&mut self) {
        for account in self.courier.due_accounts() {
            self.add(account.clone(), Work::Resume(account));
        }
    }

    pub(crate) fn are_busy(&self) -> bool {
        !self.working.is_empty()
    }

    /// Waits until something is done in one of the lanes, and begins the next in it. Nothing is lost where the
    /// waiting is given up.
    pub(crate) async fn next_done(&mut self) {
        let Some(account) = self.finished().await else { return };
        let Some(behind) = self.waiting.get_mut(&account) else { return };
        match behind.pop_front() {
            Some(work) => self.start(account, work),
            None => drop(self.waiting.remove(&account)),
        }
    }

    /// Lets what is being done end, and begins nothing more.
    pub(crate) async fn drain(mut self) {
        let all_done = async { while self.finished().await.is_some() {} };
        if timeout(DRAIN_LIMIT, all_done).await.is_err() {
            debug!("stopping with deliveries under way; they are repeated");
        }
    }

    fn add(&mut self, account: String, work: Work) {
        if let Some(behind) = self.waiting.get_mut(&account) {
            behind.push_back(work);
            return;
        }
        self.waiting.insert(account.clone(), VecDeque::new());
        self.start(account, work);
    }

    fn start(&mut self, account: String, work: Work) {
        let courier = Arc::clone(&self.courier);
        self.working.spawn(async move {
            work.run(&courier).await;
            account
        });
    }

    /// The account of what is done first; `None` where nothing is being done.
    async fn finished(&mut self) -> Option<String> {
        match self.working.join_next().await? {
            Ok(account) => Some(account),
            // A lane that ended so would stand still for ever: end with it.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// On a connection that is lost there is nothing to acknowledge to: it is delivered again, and dropped as known.
async fn acknowledge(delivery: &Delivery) {
    match delivery.acker.ack(BasicAckOptions::default()).await {
        Ok(true) => {}
        Ok(false) => debug!("not acknowledged: the channel is closed"),
        Err(error) => debug!("not acknowledged: {error}"),
    }
}
