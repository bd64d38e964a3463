//! What is done with an alert: drop it, keep it for later, or deliver it and write down that it was.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::alert::Alert;
use super::mail::Mail;
use super::retry::Delays;
use super::sequence::{Begin, Stream, Verdict};
use super::settings::Settings;
use super::state::{Aside, State};
use super::webhook::Webhook;

/// The program is to stop before this was done: nothing is acknowledged, and it comes again.
#[derive(Debug)]
pub(crate) struct Stopped;

/// How one try to deliver ended.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The other side has it.
    Taken,
    /// The other side will never take it; why.
    Refused(String),
    /// The other side is away or busy: why, and how long to wait at least, where it said so.
    NotNow(String, Duration),
}

/// Where alerts go.
enum Destination {
    Webhook(Webhook),
    Mail(Mail),
}

impl Destination {
    fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    async fn attempt(&self, alert: &Alert) -> Attempt {
        match self {
            Self::Webhook(webhook) => webhook.attempt(alert).await,
            Self::Mail(mail) => mail.attempt(alert).await,
        }
    }
}

/// Delivers alerts and remembers how far each account has come.
pub(crate) struct Courier {
    destinations: Vec<Destination>,
    state: State,
    begin: Begin,
    give_up_after: Duration,
    /// Since when a delivery fails, by destination and key. It is kept here since an attempt that takes longer than
    /// the broker waits for an acknowledgement ends with its connection and begins again on the next.
    failing_since: Mutex<HashMap<(&'static str, String), Instant>>,
    stop: CancellationToken,
}

impl Courier {
    /// Reads what the settings name. An error says which of them can't be used.
    pub(crate) fn new(settings: &Settings, stop: CancellationToken) -> Result<Self, String> {
        let mut destinations = Vec::new();
        if let (Some(url), Some(file)) = (&settings.webhook_url, &settings.webhook_secret_file) {
            let unusable = |what: String| format!("--webhook-secret-file {}: {what}", file.display());
            let text = fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
            let secret = text.trim_matches(['\r', '\n']);
            if secret.is_empty() {
                return Err(unusable("it is empty, and nobody could check the signature".to_owned()));
            }
            destinations.push(Destination::Webhook(Webhook::new(url.clone(), SecretString::from(secret))?));
        }
        if let (Some(server), Some(from)) = (&settings.mail_server, &settings.mail_from) {
            let mail = Mail::new(server, from.clone(), settings.mail_to.clone())?;
            destinations.push(Destination::Mail(mail));
        }
        Ok(Self {
            destinations,
            state: State::open(&settings.state)?,
            begin: settings.begin,
            give_up_after: Duration::from_secs(settings.give_up_after_s),
            failing_since: Mutex::default(),
            stop,
        })
    }

    /// Does with an alert what is to be done. After it, the alert may be acknowledged.
    pub(crate) async fn take(&self, alert: Alert) -> Result<(), Stopped> {
        let (account, era, sequence) = (alert.account().to_owned(), alert.era(), alert.sequence());
        let known = self.insist("reading the state", || self.state.load(&account)).await?;
        let mut stream = match known.map(|stream| (stream.compare_era(era), stream)) {
            None => {
                info!(account, sequence, begin = ?self.begin, "the first alert that is seen of this account");
                Stream::new(self.begin, era, sequence)
            }
            Some((Ordering::Equal, stream)) => stream,
            Some((Ordering::Less, _)) => {
                info!(account, era, sequence, "dropped: the ledger was restored since");
                return Ok(());
            }
            // Its numbers go on from the backup's, and an alert tells all that is raised.
            Some((Ordering::Greater, old)) => {
                let dropped = old.held_back();
                info!(account, era, sequence, dropped, "the ledger was restored, and its numbers begin anew");
                Stream::new(Begin::Seen, era, sequence)
            }
        };
        match stream.verdict(sequence) {
            Verdict::Duplicate => info!(account, sequence, key = alert.key(), "dropped: it came before"),
            Verdict::Due => {
                self.deliver_everywhere(&alert).await?;
                self.write_down(&account, &mut stream, sequence).await?;
            }
            Verdict::Early => {
                stream.hold(sequence, alert.body);
                // On disk, and acknowledged then: if early ones were left with the broker, enough of them would use
                // up the prefetch, and the missing one could never come.
                self.save(&account, &stream).await?;
                info!(account, sequence, "came early and is kept");
                tell_gap(&account, &stream, false);
            }
        }
        self.release(&account, &mut stream).await
    }

    /// Delivers what an account has kept and what is due: a process may have died before it came to that.
    pub(crate) async fn resume(&self, account: &str) -> Result<(), Stopped> {
        let known = self.insist("reading the state", || self.state.load(account)).await?;
        let Some(mut stream) = known else { return Ok(()) };
        self.release(account, &mut stream).await
    }

    async fn release(&self, account: &str, stream: &mut Stream) -> Result<(), Stopped> {
        while let Some((sequence, event)) = stream.due() {
            match Alert::read(event.as_bytes()) {
                Ok(alert) => self.deliver_everywhere(&alert).await?,
                // It could be read before it was kept: a hand has changed it since.
                Err(reason) => self.set_aside_unread(event.as_bytes(), &reason).await?,
            }
            self.write_down(account, stream, sequence).await?;
        }
        Ok(())
    }

    /// Side by side, so that a webhook that is away keeps no mail from the people who could mend it.
    async fn deliver_everywhere(&self, alert: &Alert) -> Result<(), Stopped> {
        let deliveries = self.destinations.iter().map(|destination| self.deliver(destination, alert));
        join_all(deliveries).await.into_iter().collect()
    }

    /// After the delivery and before the acknowledgement: a death before this repeats it under the same key, and a death
    /// after it has the repetition dropped.
    async fn write_down(&self, account: &str, stream: &mut Stream, sequence: i64) -> Result<(), Stopped> {
        stream.applied(sequence);
        self.save(account, stream).await
    }

    /// Tries until it is taken, refused, or has failed for so long that others must not wait any longer.
    async fn deliver(&self, destination: &Destination, alert: &Alert) -> Result<(), Stopped> {
        let (to, account, sequence) = (destination.name(), alert.account(), alert.sequence());
        let failing = (to, alert.key());
        let mut delays = Delays::new();
        let reason = loop {
            match destination.attempt(alert).await {
                Attempt::Taken => {
                    info!(to, account, sequence, key = failing.1, "delivered");
                    self.failing_since().remove(&failing);
                    return Ok(());
                }
                Attempt::Refused(why) => break why,
                Attempt::NotNow(why, at_least) => {
                    let since = *self.failing_since().entry(failing.clone()).or_insert_with(Instant::now);
                    if since.elapsed() >= self.give_up_after {
                        break format!("given up after {} s: {why}", self.give_up_after.as_secs());
                    }
                    let pause = delays.next().max(at_least);
                    let retry_in_ms = pause.as_millis();
                    warn!(to, account, sequence, retry_in_ms, "not delivered yet: {why}");
                    self.sleep(pause).await?;
                }
            }
        };
        error!(to, account, sequence, key = failing.1, "set aside, and the next one goes on: {reason}");
        self.failing_since().remove(&failing);
        let aside = Aside {
            destination: Some(to),
            key: Some(failing.1),
            account_id: Some(account),
            sequence: Some(sequence),
            reason: &reason,
            event: &alert.body,
        };
        self.insist("setting an alert aside", || self.state.set_aside(&aside)).await
    }

    /// Keeps what can't be read as an alert. After it, it may be acknowledged.
    pub(crate) async fn set_aside_unread(&self, body: &[u8], reason: &str) -> Result<(), Stopped> {
        error!("an event can't be used and is set aside: {reason}");
        let event = String::from_utf8_lossy(body);
        let aside =
            Aside { destination: None, key: None, account_id: None, sequence: None, reason, event: &event };
        self.insist("setting an event aside", || self.state.set_aside(&aside)).await
    }

    /// The accounts with alerts that were kept and are due.
    pub(crate) fn due_accounts(&self) -> Vec<String> {
        let due = self.state.streams().into_iter().filter(|(_, stream)| stream.due().is_some());
        due.map(|(account, _)| account).collect()
    }

    /// Says loudly which alerts are missing, and what brings them.
    pub(crate) fn tell_gaps(&self) {
        for (account, stream) in self.state.streams() {
            tell_gap(&account, &stream, true);
        }
    }

    async fn save(&self, account: &str, stream: &Stream) -> Result<(), Stopped> {
        self.insist("writing the state", || self.state.save(account, stream)).await
    }

    /// Tries until the disk does what it is asked for: going on without it would lose or repeat alerts.
    async fn insist<T>(&self, doing: &str, mut work: impl FnMut() -> io::Result<T>) -> Result<T, Stopped> {
        let mut delays = Delays::new();
        loop {
            match work() {
                Ok(done) => return Ok(done),
                Err(error) => error!("{doing} fails, and this account waits for it: {error}"),
            }
            self.sleep(delays.next()).await?;
        }
    }

    async fn sleep(&self, pause: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(Stopped),
        }
    }

    fn failing_since(&self) -> std::sync::MutexGuard<'_, HashMap<(&'static str, String), Instant>> {
        // Whoever panicked with it in hand left a whole map.
        self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `stays`: it was there before, so somebody must act. A gap that has just opened may fill by itself.
fn tell_gap(account: &str, stream: &Stream, stays: bool) {
    let Some(gap) = stream.gap() else { return };
    let (from, to) = (gap.start(), gap.end());
    let fill = format!("creditd events replay --account {account} --type alert --from {from} --to {to}");
    if stays {
        error!(
            account,
            from, to, "alerts are missing, and later ones wait for them; to have them sent: {fill}"
        );
    } else {
        warn!(account, from, to, "waiting for the gap to fill; if it stays: {fill}");
    }
}
