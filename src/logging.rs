//! Logging: lines for people on a terminal, JSON for programs, and a level that can change while running.
//!
//! Everything goes to standard error, so that standard output stays free for what a command was asked for.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use serde::{Deserialize, Serialize};

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A level, or a list of levels and `TARGET=LEVEL`, separated by commas.
    pub level: String,
    /// For whom the lines are.
    pub format: LogFormat,
}

/// For whom log lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// People on a terminal, programs otherwise.
    Auto,
    /// People.
    Human,
    /// Programs: one JSON object a line.
    Json,
}

/// Why a level can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found {found:?}, expected off, error, warn, info, debug or trace, or TARGET=LEVEL, separated by commas"
)]
pub struct LevelError {
    found: String,
}

/// Why logging can't be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level can't be used.
    #[error("log.level: {0}")]
    Level(#[from] LevelError),
    /// This process logs already.
    #[error("logging is set up already; it can be set up once in a process")]
    Twice,
    /// What the handle belongs to is gone.
    #[error("the logging that this handle changes has ended")]
    Ended,
}

/// Changes the level of the running program.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogHandle {
    /// Logs by `level` from now on; where it can't be used, everything stays as it was.
    pub fn set_level(&self, level: &str) -> Result<(), LoggingError> {
        let filter = parse_level(level)?;
        self.filter.reload(filter).map_err(|_| LoggingError::Ended)
    }
}

/// Sets up the logging of this process, to standard error.
pub fn init(settings: &LogConfig) -> Result<LogHandle, LoggingError> {
    let is_terminal = io::stderr().is_terminal();
    let is_human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => is_terminal,
    };
    // https://no-color.org: set and not empty, to whatever, means no colours.
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = if is_human { Style::Human { is_coloured: is_terminal && !no_colour } } else { Style::Json };
    let (subscriber, handle) = subscriber(&settings.level, style, io::stderr)?;
    subscriber.try_init().map_err(|_| LoggingError::Twice)?;
    Ok(handle)
}

/// Whether `level` can be used.
pub fn check_level(level: &str) -> Result<(), LevelError> {
    parse_level(level).map(drop)
}

#[derive(Clone, Copy)]
enum Style {
    Human { is_coloured: bool },
    Json,
}

fn subscriber<W>(
    level: &str,
    style: Style,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LogHandle), LevelError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let lines = match style {
        Style::Human { is_coloured } => fmt::layer().with_ansi(is_coloured).with_writer(writer).boxed(),
        // The fields of the innermost span only: it names the message at hand, and a list would repeat it.
        Style::Json => {
            fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(writer).boxed()
        }
    };
    Ok((tracing_subscriber::registry().with(filter).with(lines), LogHandle { filter: handle }))
}

/// The servers' libraries say several lines at each try to reach a server that is away, with whole messages or
/// statements in them. creditd tells of the same once, when the state changes.
const QUIET: &str = "lapin=off,sqlx=error";

fn parse_level(level: &str) -> Result<EnvFilter, LevelError> {
    let refuse = || LevelError { found: level.to_owned() };
    // A word that is no level would be taken for a target with everything of it, so "inof" would log nothing.
    let is_clear = |directive: &&str| {
        let is_level = directive.parse::<tracing::level_filters::LevelFilter>().is_ok();
        !directive.is_empty() && (is_level || directive.contains('='))
    };
    let directives: Vec<_> = level.split(',').map(str::trim).collect();
    if !directives.iter().all(is_clear) {
        return Err(refuse());
    }
    // Joined anew, because the filter takes no spaces. Where a level names a target again, the later counts.
    EnvFilter::try_new(format!("{QUIET},{}", directives.join(","))).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;

    use super::*;

    /// What was written, shared between the subscriber and the test.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn capturing(level: &str, style: Style) -> (impl Subscriber + Send + Sync, LogHandle, Captured) {
        let captured = Captured::default();
        let writer = captured.clone();
        let (subscriber, handle) = subscriber(level, style, move || writer.clone()).unwrap();
        (subscriber, handle, captured)
    }

    #[test]
    fn the_level_changes_while_running_and_stays_where_the_new_one_is_wrong() {
        let (subscriber, handle, captured) = capturing("info", Style::Human { is_coloured: false });
        with_default(subscriber, || {
            tracing::debug!("before");
            handle.set_level("debug").unwrap();
            tracing::debug!("after");
            handle.set_level("loud").unwrap_err();
            tracing::debug!("still");
        });
        let text = captured.text();
        assert!(!text.contains("before"), "{text}");
        assert!(text.contains("after") && text.contains("still"), "{text}");
    }

    #[test]
    fn json_lines_are_one_object_each_and_carry_the_fields_of_their_span() {
        let (subscriber, _handle, captured) = capturing("info", Style::Json);
        with_default(subscriber, || {
            let _span = tracing::info_span!("message", id = "m-1", account = "acme").entered();
            tracing::info!(credits = 5, "held");
        });
        let line: serde_json::Value = serde_json::from_str(captured.text().trim_end()).unwrap();
        assert_eq!(line["message"], "held");
        assert_eq!(line["credits"], 5);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["account"], "acme");
    }

    #[test]
    fn a_level_of_one_part_applies_to_that_part_alone() {
        let (subscriber, _handle, captured) =
            capturing("warn,creditd::broker=debug", Style::Human { is_coloured: false });
        with_default(subscriber, || {
            tracing::debug!(target: "creditd::broker", "seen");
            tracing::info!(target: "creditd::store", "unseen");
        });
        let text = captured.text();
        assert!(text.contains("seen") && !text.contains("unseen"), "{text}");
    }

    #[test]
    fn the_amqp_library_is_heard_only_where_it_is_asked_for() {
        for (level, heard) in [("debug", false), ("debug,lapin=error", true)] {
            let (subscriber, _handle, captured) = capturing(level, Style::Human { is_coloured: false });
            with_default(subscriber, || tracing::error!(target: "lapin::io_loop", "away"));
            assert_eq!(captured.text().contains("away"), heard, "{level}");
        }
    }

    #[test]
    fn a_misspelt_level_is_refused_and_not_taken_for_a_target() {
        for level in ["inof", "", "info,", "creditd::broker", "creditd=loud"] {
            assert!(check_level(level).is_err(), "{level:?}");
        }
        for level in ["off", "INFO", "info,creditd::broker=debug", "warn, sqlx=error"] {
            assert!(check_level(level).is_ok(), "{level:?}");
        }
    }
}
