//! One run: everything that was asked for, and what that is compared with.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::Connection;

use super::aged::{self, Filled};
use super::cast::{Cast, Spread};
use super::check::{self, Extent};
use super::drain::{self, Drained};
use super::ground::{Field, Ground};
use super::process::Daemon;
use super::report::{Aged, Queued, Report, Speed, Start};
use super::workload::{Sent, Traffic};
use super::{BenchError, Mode, Plan, Progress, Step, ledger, null, paced};
use crate::broker::{Destination, Publisher};
use crate::clock;

/// What the ids of messages begin with where a ledger gets one lot of them.
const NAME: &str = "b";

/// A run under way.
pub(super) struct Run<'a> {
    ground: &'a Ground,
    executable: &'a Path,
    plan: &'a Plan,
    tell: &'a (dyn Fn(Step) + Sync),
    /// When all messages happened, in RFC 3339.
    time: String,
    report: Report,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        ground: &'a Ground,
        executable: &'a Path,
        plan: &'a Plan,
        tell: &'a (dyn Fn(Step) + Sync),
    ) -> Self {
        let report = Report::new(plan.messages, plan.seed);
        Self { ground, executable, plan, tell, time: clock::now().to_string(), report }
    }

    /// Measures one after the other.
    pub(super) async fn measure(mut self) -> Result<Report, BenchError> {
        let plan = self.plan;
        let is_asked = |modes: &[Mode]| plan.modes.iter().any(|asked| modes.contains(asked));
        if is_asked(&[Mode::Ledger, Mode::Aged]) {
            self.report.ledger = Some(self.ledger().await?);
        }
        if is_asked(&[Mode::Null]) {
            self.report.null = Some(self.null().await?);
        }
        if is_asked(&[Mode::Drain, Mode::Hot, Mode::Aged]) {
            self.report.drain = Some(self.drain("drain", Spread::Everyone).await?);
        }
        if is_asked(&[Mode::Hot]) {
            self.report.hot_account = Some(self.drain("hot_account", Spread::OneAccount).await?);
            self.report.hot_pool = Some(self.drain("hot_pool", Spread::OnePool).await?);
        }
        if is_asked(&[Mode::Paced]) {
            self.paced().await?;
        }
        if is_asked(&[Mode::Queued]) {
            self.queued().await?;
        }
        if is_asked(&[Mode::Aged, Mode::Start]) {
            self.aged(is_asked(&[Mode::Start]), is_asked(&[Mode::Aged])).await?;
        }
        self.report.compare();
        Ok(self.report)
    }

    fn progress(&self, mode: &'static str) -> Progress<'a> {
        Progress { mode, tell: self.tell }
    }

    fn traffic(&self, cast: &Cast, count: usize, name: &str) -> Sent {
        Traffic { cast, count, seed: self.plan.seed, time: &self.time, name }.messages()
    }

    /// A new ledger, its accounts open.
    async fn open(&self, mode: &str, cast: &Cast) -> Result<Field, BenchError> {
        let field = self.ground.field(&format!("bench_{mode}")).await?;
        ledger::open(&field, cast.opening(&self.time)).await?;
        Ok(field)
    }

    /// Checks the books of a ledger that had nothing but `sent`, and removes it.
    async fn close(&self, mode: &'static str, field: Field, sent: &Sent) -> Result<(), BenchError> {
        let progress = self.progress(mode);
        progress.at("checking the books", 0, 0);
        check::projects(&field.store, &field.settings, sent, Extent::Whole).await?;
        recompute(&field, progress).await?;
        field.store.close().await;
        field.database.remove().await
    }

    async fn ledger(&self) -> Result<Speed, BenchError> {
        let cast = Cast::new(Spread::Everyone);
        let field = self.open("ledger", &cast).await?;
        let sent = self.traffic(&cast, self.plan.messages, NAME);
        let per_second = ledger::run(&field, &sent, self.progress("ledger")).await?;
        self.close("ledger", field, &sent).await?;
        Ok(Speed { per_second })
    }

    async fn null(&self) -> Result<Speed, BenchError> {
        let sent = self.traffic(&Cast::new(Spread::Everyone), self.plan.messages, NAME);
        let field = self.ground.field("bench_null").await?;
        Ok(Speed { per_second: null::run(&field, &sent, self.progress("null")).await? })
    }

    async fn drain(&mut self, mode: &'static str, spread: Spread) -> Result<Speed, BenchError> {
        let drained = self.drain_so_many(mode, spread, self.plan.messages).await?;
        self.report.note_memory(drained.resident_mib_max);
        Ok(Speed { per_second: drained.per_second })
    }

    async fn drain_so_many(
        &self,
        mode: &'static str,
        spread: Spread,
        count: usize,
    ) -> Result<Drained, BenchError> {
        let cast = Cast::new(spread);
        let field = self.open(mode, &cast).await?;
        let sent = self.traffic(&cast, count, NAME);
        let drained = drain::run(self.executable, &field, &sent, self.progress(mode)).await?;
        self.close(mode, field, &sent).await?;
        Ok(drained)
    }

    async fn paced(&mut self) -> Result<(), BenchError> {
        let cast = Cast::new(Spread::Everyone);
        let field = self.open("paced", &cast).await?;
        let sent = self.traffic(&cast, self.plan.paced_messages(), NAME);
        let progress = self.progress("paced");
        let (paced, resident_mib) = paced::run(self.executable, &field, self.plan, &sent, progress).await?;
        self.close("paced", field, &sent).await?;
        self.report.note_memory(resident_mib);
        self.report.paced = Some(paced);
        Ok(())
    }

    async fn queued(&mut self) -> Result<(), BenchError> {
        let messages = self.plan.queued_messages;
        let drained = self.drain_so_many("queued", Spread::Everyone, messages).await?;
        self.report.note_memory(drained.resident_mib_max);
        self.report.queued = Some(Queued { messages, rss_mib_max: drained.resident_mib_max });
        Ok(())
    }

    /// What needs a long history, which is made once. The start comes first: it is to find what the filling left.
    async fn aged(&mut self, is_start: bool, is_aged: bool) -> Result<(), BenchError> {
        let field = self.ground.field("bench_aged").await?;
        let cast = Cast::new(Spread::Everyone);
        let progress = self.progress("aged");
        let filled = aged::fill(&field, Cast::new(Spread::Everyone), self.plan, &self.time, progress).await?;
        if is_start {
            self.start(&field, &filled).await?;
        }
        if is_aged {
            self.measure_aged(&field, &cast, &filled).await?;
        }
        recompute(&field, progress).await
    }

    async fn start(&mut self, field: &Field, filled: &Filled) -> Result<(), BenchError> {
        self.progress("start").at("starting the daemon", 0, 0);
        let began = Instant::now();
        let postgres = field.database.connect().await?;
        let rabbitmq = Publisher::connect(&field.broker, Destination::Events).await?;
        let servers = began.elapsed();
        rabbitmq.close().await;
        postgres.close().await?;
        let daemon = Daemon::start(self.executable, field).await?;
        let ms = |took: Duration| took.as_secs_f64() * 1_000.0;
        let start =
            Start { ready_ms: ms(daemon.ready_in), servers_ms: ms(servers), projects: filled.projects };
        self.report.note_memory(daemon.resident_mib_max()?);
        self.report.start = Some(start);
        daemon.stop()
    }

    async fn measure_aged(&mut self, field: &Field, cast: &Cast, filled: &Filled) -> Result<(), BenchError> {
        let progress = self.progress("aged");
        // A ledger that is in use has in memory what it works on, and has it in its log since the last checkpoint: what
        // is first touched after one is written whole.
        let warm_up = self.traffic(cast, self.plan.messages, "w");
        ledger::run(field, &warm_up, progress).await?;
        let from_memory = self.traffic(cast, self.plan.messages, "l");
        let ledger_per_second = ledger::run(field, &from_memory, progress).await?;
        check::projects(&field.store, &field.settings, &from_memory, Extent::Part).await?;
        field.database.skip_events().await?;
        let queued = self.traffic(cast, self.plan.messages, "d");
        let drained = drain::run(self.executable, field, &queued, progress).await?;
        check::projects(&field.store, &field.settings, &queued, Extent::Part).await?;
        self.report.note_memory(drained.resident_mib_max);
        self.report.aged = Some(Aged {
            entries: filled.entries,
            projects: filled.projects,
            ledger_per_second,
            drain_per_second: drained.per_second,
            ledger_over_fresh: None,
            drain_over_fresh: None,
        });
        Ok(())
    }
}

/// Has the books of a ledger recomputed from their entries.
async fn recompute(field: &Field, progress: Progress<'_>) -> Result<(), BenchError> {
    let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let mut step = |done, of| progress.at("recomputing the books", count(done), count(of));
    check::entries(&field.store, &mut step).await
}
