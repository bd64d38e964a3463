//! Sends events for a command, in windows, and shows how far that is.

use indicatif::{ProgressBar, ProgressStyle};

use crate::broker::{Destination, OutboundMessage, Publisher};
use crate::cli::CommandError;
use crate::config::Config;

/// How many events are published before their confirms are awaited together.
pub(super) const WINDOW: usize = 500;

pub(super) struct Sending {
    publisher: Publisher,
    bar: ProgressBar,
    total: i64,
    sent: i64,
    unroutable: i64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// How many the broker confirmed.
    pub(super) sent: i64,
    /// How many of them no queue took.
    pub(super) unroutable: i64,
}

impl Sending {
    /// Connects, to send `total` events.
    pub(super) async fn begin(config: &Config, total: i64) -> Result<Self, CommandError> {
        let publisher = Publisher::connect(&config.broker_settings()?, Destination::Events).await?;
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(total.unsigned_abs());
        let style = ProgressStyle::with_template("sending events {bar:40} {pos} of {len}, {eta} left");
        bar.set_style(style.expect("the template is a constant"));
        Ok(Self { publisher, bar, total, sent: 0, unroutable: 0 })
    }

    /// Sends some more of them.
    pub(super) async fn send(&mut self, window: &[OutboundMessage]) -> Result<(), CommandError> {
        match self.publisher.publish_window(window).await {
            Ok(published) => {
                self.sent += counted(window.len());
                self.unroutable += counted(published.unroutable);
                self.bar.set_position(self.sent.unsigned_abs());
                Ok(())
            }
            Err(error) => {
                self.sent += counted(error.confirmed());
                self.bar.finish_and_clear();
                let (sent, total) = (self.sent, self.total);
                eprintln!(
                    "creditd: {sent} of {total} events were sent; sending all of them again does no harm"
                );
                Err(error.into())
            }
        }
    }

    pub(super) async fn end(self) -> Sent {
        self.bar.finish_and_clear();
        self.publisher.close().await;
        Sent { sent: self.sent, unroutable: self.unroutable }
    }
}

impl Sent {
    /// Refuses to call it done where nobody heard any of it.
    pub(super) fn heard(self) -> Result<(), CommandError> {
        if self.sent > 0 && self.sent == self.unroutable {
            let hint = "bind the consumer's queue to the events' exchange first";
            return Err(CommandError::Refused(format!("no queue took any of them; {hint}")));
        }
        Ok(())
    }
}

pub(super) fn counted(number: usize) -> i64 {
    i64::try_from(number).expect("a window is small")
}
