//! Signals: TERM or INT drains and stops, a second one stops at once, HUP reloads.

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What a shell reports for a process that an interrupt ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Listens until the process ends. Each HUP is handed on.
pub(super) fn listen(stop: CancellationToken, hangups: mpsc::UnboundedSender<()>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    tokio::spawn(async move {
        while let Some(signal) = signals.next().await {
            match signal {
                SIGHUP => {
                    // Nobody listens any more while the daemon stops.
                    hangups.send(()).ok();
                }
                _ if stop.is_cancelled() => {
                    warn!("stopping at once; what is unfinished will be delivered again");
                    std::process::exit(EXIT_INTERRUPTED);
                }
                _ => {
                    info!("draining; a second signal stops at once");
                    stop.cancel();
                }
            }
        }
    });
    Ok(())
}
