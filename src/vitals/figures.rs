//! Reading the figures of the ledger for those who scrape: seldom, together, and never for longer than they wait.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tracing::{info, warn};

use super::Metrics;
use super::metrics::{ConnectionFigures, LedgerFigures};

/// However often it is scraped, the database is asked no more often.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How long a scrape waits for the database. Prometheus gives up after 10 s unless told otherwise, and what the
/// process knows by itself is wanted most when the database is away.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A read that is under way; the reason why it failed is for people.
pub type Reading = Pin<Box<dyn Future<Output = Result<LedgerFigures, String>> + Send>>;

/// Where the figures come from.
pub trait FiguresSource: Send + Sync {
    /// Begins a read of all figures at one moment.
    fn read(&self) -> Reading;

    /// The connections to the database, without asking it.
    fn connections(&self) -> ConnectionFigures;
}

/// The figures of the ledger, as fresh as they need be. Clones share them.
#[derive(Clone)]
pub struct Figures {
    metrics: Arc<Metrics>,
    source: Arc<dyn FiguresSource>,
    last: Arc<Mutex<Last>>,
    wait_max: Duration,
}

/// The last read.
#[derive(Debug, Default)]
struct Last {
    /// When it ended, however it did.
    at: Option<Instant>,
    /// What it brought, unless it failed.
    figures: Option<LedgerFigures>,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Figures {
    /// Figures from `source`, to be shown by `metrics`.
    pub fn new(metrics: Arc<Metrics>, source: impl FiguresSource + 'static) -> Self {
        Self { metrics, source: Arc::new(source), last: Arc::default(), wait_max: WAIT_MAX }
    }

    /// Reads the figures anew where they are older than 5 s, and waits for that 2 s at most; those who ask
    /// meanwhile share the read. Call it before [`Metrics::render`]. Where nothing could be read, the figures of
    /// the ledger are left out and `creditd_figures_ok` is 0.
    pub async fn refresh(&self) {
        self.metrics.show_connections(self.source.connections());
        // A task of its own: whoever asks may go away, and database work is never cancelled half-way.
        let reading = tokio::spawn(self.clone().read_if_old());
        if tokio::time::timeout(self.wait_max, reading).await.is_err() {
            self.metrics.show_ledger(None);
        }
    }

    async fn read_if_old(self) {
        let mut last = self.last.lock().await;
        if last.at.is_none_or(|at| at.elapsed() >= READ_EVERY) {
            let had_failed = last.at.is_some() && last.figures.is_none();
            let read = self.source.read().await;
            match &read {
                Ok(_) if had_failed => info!("the figures of the ledger can be read again"),
                Err(reason) if !had_failed => warn!(%reason, "the figures of the ledger can't be read"),
                _ => {}
            }
            *last = Last { at: Some(Instant::now()), figures: read.ok() };
        }
        // Whoever was tired of waiting for this has left them out.
        self.metrics.show_ledger(last.figures.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::vitals::{Health, Progress};

    /// A database that answers as often as it is allowed to.
    struct Source {
        asked: Arc<AtomicUsize>,
        allowed: Arc<Semaphore>,
        answer: Result<LedgerFigures, String>,
    }

    impl FiguresSource for Source {
        fn read(&self) -> Reading {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let (allowed, answer) = (self.allowed.clone(), self.answer.clone());
            Box::pin(async move {
                allowed.acquire().await.unwrap().forget();
                answer
            })
        }

        fn connections(&self) -> ConnectionFigures {
            ConnectionFigures { in_use: 1, idle: 2, max: 4 }
        }
    }

    struct Scraped {
        figures: Figures,
        metrics: Arc<Metrics>,
        asked: Arc<AtomicUsize>,
        allowed: Arc<Semaphore>,
    }

    fn scraped(answer: Result<LedgerFigures, String>) -> Scraped {
        let metrics = Metrics::new(&Health::default(), &Progress::default());
        let (asked, allowed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let source = Source { asked: asked.clone(), allowed: allowed.clone(), answer };
        let mut figures = Figures::new(metrics.clone(), source);
        figures.wait_max = Duration::from_mins(1);
        Scraped { figures, metrics, asked, allowed }
    }

    fn three_waiting() -> LedgerFigures {
        LedgerFigures { projects_waiting: 3, ..LedgerFigures::default() }
    }

    #[tokio::test]
    async fn scrapes_at_once_and_soon_after_share_one_read() {
        let Scraped { figures, metrics, asked, allowed } = scraped(Ok(three_waiting()));
        allowed.add_permits(10);
        tokio::join!(figures.refresh(), figures.refresh(), figures.refresh());
        figures.refresh().await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let text = metrics.render();
        assert!(text.contains("\ncreditd_projects_waiting 3\n"), "{text}");
        assert!(text.contains("\ncreditd_figures_ok 1\n"), "{text}");
        assert!(text.contains("\ncreditd_database_connections{state=\"idle\"} 2\n"), "{text}");
    }

    #[tokio::test]
    async fn figures_that_are_old_are_read_again() {
        let Scraped { figures, asked, allowed, .. } = scraped(Ok(three_waiting()));
        allowed.add_permits(10);
        figures.refresh().await;
        figures.last.lock().await.at = Instant::now().checked_sub(READ_EVERY);
        figures.refresh().await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_database_that_is_away_leaves_its_figures_out_and_is_not_asked_again_at_once() {
        let Scraped { figures, metrics, asked, allowed } = scraped(Err("away".to_owned()));
        metrics.show_ledger(Some(&three_waiting()));
        allowed.add_permits(10);
        figures.refresh().await;
        figures.refresh().await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let text = metrics.render();
        assert!(text.contains("\ncreditd_figures_ok 0\n"), "{text}");
        assert!(!text.contains("\ncreditd_projects_waiting"), "{text}");
    }

    #[tokio::test]
    async fn a_scrape_does_not_wait_for_a_database_that_says_nothing_and_the_read_goes_on() {
        let Scraped { mut figures, metrics, asked, allowed } = scraped(Ok(three_waiting()));
        metrics.show_ledger(Some(&three_waiting()));
        figures.wait_max = Duration::from_millis(1);
        figures.refresh().await;
        assert!(metrics.render().contains("\ncreditd_figures_ok 0\n"));
        allowed.add_permits(1);
        figures.wait_max = Duration::from_mins(1);
        figures.refresh().await;
        assert_eq!(asked.load(Ordering::Relaxed), 1, "the read that was begun counts");
        assert!(metrics.render().contains("\ncreditd_figures_ok 1\n"));
    }
}
