//! The HTTP port as a part of the daemon.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::error::DaemonError;
use super::figures::Instance;
use crate::access::{Sessions, Tokens};
use crate::config::Config;
use crate::http::{self, Access, Live, Places, Site};
use crate::ledger::settings::Settings;
use crate::report::Reports;
use crate::store::Store;
use crate::vitals::{Figures, Vitals};

/// For those who read by HTTP: apart from the daemon's own, so that no reader makes a message wait.
const READERS_MAX: u32 = 6;
/// How many of them may be reports on their way to somebody, who may be slow.
const DOWNLOADS_MAX: usize = 3;
/// How many of these by one token.
const DOWNLOADS_OF_TOKEN_MAX: usize = 2;

/// The HTTP port, where the settings have one.
pub(super) struct Port {
    answering: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Port {
    /// Begins to answer. That is before the servers are reached, so that it can say that they aren't.
    pub(super) async fn open(
        config: &Config,
        tokens: Option<Tokens>,
        settings: Arc<Settings>,
        vitals: Vitals,
        loops: Store,
    ) -> Result<Self, DaemonError> {
        let stop = CancellationToken::new();
        let Some(address) = config.http.listen else { return Ok(Self { answering: None, stop }) };
        let store = loops.for_readers(READERS_MAX);
        let listener = http::bind(address).await?;
        let system = |what| move |error| DaemonError::System { what, error };
        let address = listener.local_addr().map_err(system("listening"))?;
        let sessions = Sessions::begin()
            .map_err(|error| system("drawing a key for sessions")(std::io::Error::other(error)))?;
        let site = Site {
            reports: Reports::new(store.clone(), settings, config.report.timezone.clone()),
            live: Live::new(stop.clone()),
            access: Access { tokens, sessions },
            figures: Figures::new(vitals.metrics.clone(), Instance { readers: store.clone(), loops }),
            vitals,
            downloads: Places::new(DOWNLOADS_MAX, DOWNLOADS_OF_TOKEN_MAX),
            stop: stop.clone(),
        };
        info!(%address, "answering HTTP");
        let stopped = stop.clone();
        let answering = tokio::spawn(async move {
            http::serve(listener, Arc::new(site), stopped).await;
            store.close().await;
        });
        Ok(Self { answering: Some(answering), stop })
    }

    /// Finishes what was asked, and answers no more.
    pub(super) async fn close(self) -> Result<(), DaemonError> {
        self.stop.cancel();
        match self.answering {
            Some(answering) => answering.await.map_err(|_| DaemonError::Ended("http")),
            None => Ok(()),
        }
    }
}
