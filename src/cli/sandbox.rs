//! `creditd sandbox`: private servers to try creditd on.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::CommandError;
use super::output::{print, print_json};
use time::{Date, OffsetDateTime};

use crate::broker::{Destination, OutboundMessage, Publisher};
use crate::config::Config;
use crate::sandbox::stream::{self, DemoMessage};
use crate::sandbox::{Endpoints, Sandbox, SandboxError, SandboxOptions};

/// Private servers, or something to try on them.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SandboxCommand {
    #[command(flatten)]
    servers: SandboxArgs,
    #[command(subcommand)]
    command: Option<InSandbox>,
}

#[derive(Subcommand)]
enum InSandbox {
    /// Publish half a year of several agencies' projects to the inbound exchange, or events of one's own.
    Publish {
        /// Another half a year, for a new ledger; the same seed again is all duplicates.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many projects; each has about ten messages.
        #[arg(long, value_name = "COUNT", default_value_t = 500)]
        projects: u32,
        /// Publish the events in this file instead, each a line, in structured mode; - for standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "projects"])]
        file: Option<PathBuf>,
    },
}

/// Run a private PostgreSQL and RabbitMQ until interrupted.
#[derive(Args)]
struct SandboxArgs {
    /// Keep the servers' data here, to start again with it later [default: a temporary directory].
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Write the settings that lead to the servers to this file, for a shell to source.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Make this many vhosts beside `/`: t1, t2, ...
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    vhosts: u32,
}

pub(super) fn run(command: SandboxCommand, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    match command.command {
        None => Ok(serve(command.servers, json)?),
        Some(InSandbox::Publish { seed, projects, file }) => {
            let messages = match file {
                Some(file) => events_of(&file)?,
                None => stream::messages(seed, projects, yesterday()).collect(),
            };
            super::asynchronously(publish(config, messages, json))
        }
    }
}

/// How many messages are published before their confirms are awaited together.
const WINDOW: usize = 500;

/// The events of a file, with the routing keys that the contract gives them.
fn events_of(file: &Path) -> Result<Vec<DemoMessage>, CommandError> {
    let read = match file.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()),
        false => fs::read_to_string(file),
    };
    let text = read.map_err(|error| CommandError::Usage(format!("{}: {error}", file.display())))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(place, line)| event_of(line, file, place + 1)).collect()
}

fn event_of(line: &str, file: &Path, number: usize) -> Result<DemoMessage, CommandError> {
    let event: Option<Value> = serde_json::from_str(line).ok();
    let Some(message_type) = event.as_ref().and_then(|event| event.get("type")).and_then(Value::as_str)
    else {
        let what = "expected a CloudEvent in structured mode, with a type; nothing was published";
        return Err(CommandError::Usage(format!("{}, line {number}: {what}", file.display())));
    };
    let (name, _version) = message_type.rsplit_once(".v").unwrap_or((message_type, ""));
    let content_type = "application/cloudevents+json";
    Ok(DemoMessage { routing_key: name.to_owned(), content_type, body: line.as_bytes().to_vec() })
}

async fn publish(config: Option<&Path>, messages: Vec<DemoMessage>, json: bool) -> Result<(), CommandError> {
    let settings = Config::load(config)?.broker_settings()?;
    let mut publisher = Publisher::connect(&settings, Destination::Inbound).await?;
    let bar = ProgressBar::new(u64::try_from(messages.len()).unwrap_or(u64::MAX));
    let mut unroutable = 0;
    for (number, window) in messages.chunks(WINDOW).enumerate() {
        let as_message = |(place, message): (usize, &DemoMessage)| OutboundMessage {
            routing_key: message.routing_key.clone(),
            message_id: format!("{number}-{place}"),
            content_type: message.content_type.to_owned(),
            headers: Vec::new(),
            body: message.body.clone(),
        };
        let window: Vec<_> = window.iter().enumerate().map(as_message).collect();
        unroutable += publisher.publish_window(&window).await?.unroutable;
        bar.inc(u64::try_from(window.len()).unwrap_or(u64::MAX));
    }
    bar.finish_and_clear();
    publisher.close().await;
    match json {
        true => print_json(&json!({ "published": messages.len(), "unroutable": unroutable }))?,
        false => print(&format!("published {} messages", messages.len()))?,
    }
    if unroutable > 0 {
        let hint = "has the daemon declared its queue? start `creditd run` first";
        return Err(CommandError::Refused(format!("{unroutable} messages reached no queue; {hint}")));
    }
    Ok(())
}

/// Starts the servers, prints how to reach them, and returns when they have been stopped by INT, TERM or HUP.
fn serve(args: SandboxArgs, json: bool) -> Result<(), SandboxError> {
    let executable = std::env::current_exe().map_err(failed("can't find the running creditd".to_owned()))?;
    let interrupted = interruption().map_err(failed("can't listen to signals".to_owned()))?;
    eprintln!("starting a private PostgreSQL and RabbitMQ, which takes about 7 s");
    let options =
        SandboxOptions { directory: args.directory, vhosts: args.vhosts, ..SandboxOptions::default() };
    let sandbox = match Sandbox::start_unless(&executable, options, &interrupted) {
        Err(SandboxError::Stopped) => return Ok(()),
        started => started?,
    };
    let _env_file = args.env_file.map(|path| EnvFile::write(path, sandbox.endpoints())).transpose()?;
    announce(sandbox.endpoints(), json);

    while !interrupted.load(Ordering::Relaxed) {
        if sandbox.has_ended() {
            return Err(SandboxError::KeeperGone);
        }
        thread::sleep(Duration::from_millis(50));
    }
    eprintln!("stopping");
    sandbox.stop()
}

fn announce(endpoints: &Endpoints, json: bool) {
    eprintln!("ready in {}; Ctrl-C stops it. To use it in another shell:", endpoints.directory.display());
    let variables = endpoints.environment().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    let told = match json {
        true => format!("{}\n", Value::Object(variables.collect())),
        false => endpoints.shell_exports(),
    };
    let mut output = io::stdout().lock();
    // Who closed standard output doesn't want to read this, and may still want the servers.
    let _ = output.write_all(told.as_bytes()).and_then(|()| output.flush());
}

/// Says when INT, TERM or HUP came.
pub(super) fn interruption() -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// The environment file, removed with the sandbox unless another one has written it since.
struct EnvFile {
    path: PathBuf,
    content: String,
}

impl EnvFile {
    /// Whoever waits for the file finds it complete. It holds passwords, so only its owner can read it.
    fn write(path: PathBuf, endpoints: &Endpoints) -> Result<Self, SandboxError> {
        let content = endpoints.shell_exports();
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(content.as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(failed(format!("can't write {}", path.display())))?;
        Ok(Self { path, content })
    }
}

impl Drop for EnvFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|found| found == self.content) {
            // Its passwords open nothing any more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn failed(what: String) -> impl FnOnce(io::Error) -> SandboxError {
    move |error| SandboxError::Io { what, error }
}

/// The demo ends yesterday, so that no message is ahead of the daemon's clock.
fn yesterday() -> Date {
    OffsetDateTime::now_utc().date().previous_day().expect("today is not the first day of all")
}
