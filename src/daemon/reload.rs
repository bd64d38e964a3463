//! HUP: takes over what can change in a running daemon.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::notify::Notifier;
use crate::access::Tokens;
use crate::config::{Config, ConfigError, HttpConfig};
use crate::ledger::settings::{Order, Settings};
use crate::logging::LogHandle;

/// Reads the settings again, for HUP.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What a HUP reaches.
pub(super) struct Reloader {
    /// Reads the settings again.
    pub(super) reload: Reload,
    /// Whose level may change.
    pub(super) log: LogHandle,
    /// Who is told that settings are being read.
    pub(super) notifier: Arc<Notifier>,
    /// Whom the settings that decide are handed to.
    pub(super) reloaded: mpsc::UnboundedSender<Arc<Settings>>,
    /// The order, which may not change.
    pub(super) order: Order,
    /// The tokens of the HTTP port, where it asks for some.
    pub(super) tokens: Option<Tokens>,
}

impl Reloader {
    /// Reads the settings again with each hangup.
    pub(super) async fn run(self, mut hangups: mpsc::UnboundedReceiver<()>) {
        while hangups.recv().await.is_some() {
            self.notifier.reloading();
            match (self.reload)() {
                Err(error) => error!(%error, "the settings can't be used; the ones from before stay"),
                Ok(config) if config.order != self.order => {
                    error!("order is fixed for a ledger's life; the settings from before stay");
                }
                Ok(config) => self.take_over(&config),
            }
            self.notifier.ready();
        }
    }

    fn take_over(&self, config: &Config) {
        if let Err(error) = self.log.set_level(&config.log.level) {
            error!(%error, "the log level stays as it was");
        }
        self.read_tokens(&config.http);
        let settings = Arc::new(config.ledger_settings());
        info!("the settings were read again; log.level, alerts, lifecycle and time_ahead_max_s count");
        self.reloaded.send(settings).ok();
    }

    fn read_tokens(&self, http: &HttpConfig) {
        match (&self.tokens, &http.tokens_file) {
            (None, None) => {}
            (Some(tokens), Some(path)) => match tokens.reload(path) {
                // The last one may have been revoked on purpose, and must not count on; a slip looks the same.
                Ok(set) if set.entries().is_empty() => warn!(
                    file = %path.display(),
                    "the tokens were read again, and there are none: nobody is let in until `creditd token new` \
                     adds one and the daemon reads them again; it wouldn't start beyond loopback like this"
                ),
                Ok(set) => info!(tokens = set.entries().len(), "the tokens were read again"),
                Err(error) => error!(%error, "the tokens from before stay"),
            },
            (None, Some(_)) | (Some(_), None) => {
                warn!(
                    "whether tokens are needed is decided at the start; restart the daemon for http.tokens_file"
                );
            }
        }
    }
}
