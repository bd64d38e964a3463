//! The last mile of an alert: takes `credits.alert` events from RabbitMQ and turns each into a webhook, a mail,
//! or both, by the rules of `docs/contract.md`. It stands alone, uses nothing of creditd, and is meant to be read
//! beside `docs/consuming.md`, copied and changed.
//!
//! The way of an event: `queue` receives it, `alert` reads it, `lanes` keeps it in the order of its account,
//! `courier` asks `sequence` whether it is due, has `webhook` and `mail` deliver it, and writes with `state` how
//! far the account has come. Only then it is acknowledged: whatever dies on the way, an alert may come twice, under
//! the same key, and is never lost.

mod alert;
mod courier;
mod lanes;
mod mail;
mod queue;
mod retry;
mod sequence;
mod settings;
mod state;
mod text;
mod webhook;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures_util::StreamExt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use courier::{Courier, Stopped};
use lanes::Lanes;
use queue::Subscription;
use retry::Delays;
use settings::Settings;

/// What a shell reports for a process that an interrupt ended.
const EXIT_INTERRUPTED: i32 = 130;
/// How often a gap that stays is told again.
const GAPS_TOLD_EVERY: Duration = Duration::from_mins(10);

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,lapin=off"));
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    // reqwest comes without cryptography of its own choosing. This fails only where some is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    match run(&settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            error!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until it is told to stop. An error is a setting that can't be used; nothing was taken from the queue then.
async fn run(settings: &Settings) -> Result<(), String> {
    let stop = CancellationToken::new();
    listen_for_signals(stop.clone()).map_err(|error| format!("can't listen for signals: {error}"))?;
    let broker = queue::broker(settings)?;
    let courier = Arc::new(Courier::new(settings, stop.clone())?);
    let mut delays = Delays::new();
    while !stop.is_cancelled() {
        let opened = tokio::select! {
            opened = Subscription::open(broker.clone(), settings) => opened,
            () = stop.cancelled() => break,
        };
        let why = match opened {
            Ok(subscription) => {
                info!(queue = settings.queue, exchange = settings.exchange, "waiting for alerts");
                let Err(why) = serve(subscription, &courier, &mut delays, &stop).await else { break };
                why
            }
            Err(why) => why,
        };
        let pause = delays.next();
        warn!(retry_in_ms = pause.as_millis(), "no alerts for now: {why}");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    info!("stopped; what was not acknowledged comes again");
    Ok(())
}

/// Works over one connection until told to stop, or until the connection fails: then everything that belongs to it
/// is forgotten, since its deliveries come again over the next one.
async fn serve(
    mut subscription: Subscription,
    courier: &Arc<Courier>,
    delays: &mut Delays,
    stop: &CancellationToken,
) -> Result<(), String> {
    let mut lanes = Lanes::new(Arc::clone(courier));
    let mut gaps_told = interval(GAPS_TOLD_EVERY);
    gaps_told.set_missed_tick_behavior(MissedTickBehavior::Delay);
    lanes.resume();
    loop {
        tokio::select! {
            received = subscription.next() => {
                let taken = lanes.take(received?).await;
                if let Err(Stopped) = taken {
                    break;
                }
                // Only now: a broker that lets everybody in and then drops them is not to be asked at full speed.
                delays.reset();
            }
            () = lanes.next_done(), if lanes.are_busy() => {}
            _ = gaps_told.tick() => courier.tell_gaps(),
            () = stop.cancelled() => break,
        }
    }
    lanes.drain().await;
    subscription.close().await;
    Ok(())
}

/// TERM or INT stops after what is being delivered; a second one stops at once, which loses nothing either.
fn listen_for_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    tokio::spawn(async move {
        while signals.next().await.is_some() {
            if stop.is_cancelled() {
                std::process::exit(EXIT_INTERRUPTED);
            }
            info!("stopping after what is being delivered; a second signal stops at once");
            stop.cancel();
        }
    });
    Ok(())
}
