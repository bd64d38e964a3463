//! The command line: one file a command. Tables for people, `--json` for programs. Exit codes: 0 done,
//! 1 refused or differs, 2 usage or configuration, 3 a server is away, 70 a bug.

mod account;
mod alert;
mod bench;
mod check_config;
mod contract;
mod credits;
mod daemon;
mod document;
mod events;
mod explain;
mod giver;
mod giving;
mod hold;
mod import;
mod migrate;
mod organization;
mod output;
mod parked;
mod price;
mod project;
mod queue;
mod quote;
mod reconcile;
mod refused;
mod relay;
mod retention;
mod sandbox;
mod statement;
mod streamed;
mod stretch;
mod token;
mod usage;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::adoption::AdoptionError;
use crate::bench::BenchError;
use crate::broker::{BrokerError, PublishError};
use crate::config::{Config, ConfigError};
use crate::daemon::DaemonError;
use crate::ledger::settings::Settings;
use crate::logging::LoggingError;
use crate::report::ReportError;
use crate::sandbox::SandboxError;
use crate::sandbox::keeper::{self, KeeperArgs};
use crate::store::{Remedy, Store, StoreError};

/// Turns project lifecycle messages into holds and releases of credits on a PostgreSQL ledger.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    /// Settings over the built-in defaults; the environment (CREDITD__...) goes over both.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon until a signal stops it.
    Run,
    /// Make or upgrade the ledger's schema, and grant the daemon's user what it needs.
    Migrate {
        /// The ledger was restored from a backup: begin a new era, by which consumers know to start over.
        #[arg(long)]
        restored: bool,
    },
    /// Check the settings, and show what is in force and where it came from.
    CheckConfig {
        /// Ask every server too whether it lets the daemon in, and refuse a user of PostgreSQL that may do more than
        /// read and add entries, and secrets that everybody on this machine may read.
        #[arg(long)]
        strict: bool,
    },
    /// Accounts: balances, what waits, alerts; open, change and close them.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Organizations: their pools and accounts; open and change them.
    #[command(subcommand)]
    Organization(organization::OrganizationCommand),
    /// Projects: what they hold, and what waits.
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// What waits for credits, and what would unblock it.
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// What a brief would cost, and whether it would start.
    Quote(quote::QuoteArgs),
    /// Credits: granted, corrected, transferred.
    #[command(subcommand)]
    Credits(credits::CreditsCommand),
    /// Price lists: what a deliverable or an asset costs.
    #[command(subcommand)]
    Price(price::PriceCommand),
    /// A project's hold: released, restored, tried again.
    #[command(subcommand)]
    Hold(hold::HoldCommand),
    /// Alerts: what is raised, and by which rules.
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    /// Messages that could not be applied, and why.
    #[command(subcommand)]
    Parked(parked::ParkedCommand),
    /// How an account's credits were used: every entry, by day, by project, by type of asset.
    #[command(subcommand)]
    Usage(usage::UsageCommand),
    /// The statement of an account's month: opening + credited - debited = closing.
    Statement(statement::StatementArgs),
    /// What became of something.
    #[command(subcommand)]
    Explain(explain::ExplainCommand),
    /// The events of the ledger: as they come, one, or an account's again.
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Who publishes the events, and how far that has come.
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Remove what is old, as the settings say.
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// Recompute the books from the entries alone, and say what differs.
    Verify,
    /// Take over the accounts, plans and running projects of an existing system.
    Import(import::ImportArgs),
    /// Hold the upstream's list of projects against the books, say what differs, and repair it if asked to.
    Reconcile(reconcile::ReconcileArgs),
    /// Tokens: who may use the HTTP port, and what each sees.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// The contract for other programs: AsyncAPI, JSON Schemas, examples.
    #[command(subcommand)]
    Contract(contract::ContractCommand),
    /// Measure how fast the ledger is on this machine, on private servers.
    Bench(bench::BenchArgs),
    /// Private servers to try creditd on.
    Sandbox(sandbox::SandboxCommand),
    #[command(name = crate::sandbox::KEEPER_COMMAND, hide = true)]
    SandboxKeeper(KeeperArgs),
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Logging(#[from] LoggingError),
    #[error(transparent)]
    Adoption(#[from] AdoptionError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// What was asked for is not there, or differs. The text says all there is to say.
    #[error("{0}")]
    Refused(String),
    /// What was typed can't be meant, or a file can't be used. The text says what was found, and what to type.
    #[error("{0}")]
    Usage(String),
    /// The same as [`CommandError::Refused`], and it was said already.
    #[error("")]
    Said,
    #[error("{what}: {error}")]
    System { what: &'static str, error: std::io::Error },
}

impl From<ReportError> for CommandError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => CommandError::Store(error),
            ReportError::UnknownAccount(_) => {
                CommandError::Refused(format!("{error}; `creditd account list` shows those that are"))
            }
            ReportError::Flaw(_) => CommandError::Refused(error.to_string()),
            ReportError::UnknownZone(_) | ReportError::NoTime { .. } | ReportError::TooManyDays { .. } => {
                CommandError::Usage(error.to_string())
            }
        }
    }
}

impl CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            CommandError::Config(_)
            | CommandError::Daemon(
                DaemonError::Config(_) | DaemonError::Order(_) | DaemonError::TimeZone(_),
            )
            | CommandError::Usage(_)
            | CommandError::Adoption(
                AdoptionError::File(_) | AdoptionError::Mistakes(_) | AdoptionError::Order(_),
            ) => 2,
            CommandError::Store(error) | CommandError::Adoption(AdoptionError::Store(error))
                if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) =>
            {
                3
            }
            CommandError::Broker(error) if !error.is_permanent() => 3,
            CommandError::Publish(_) => 3,
            CommandError::Daemon(DaemonError::Ended(_) | DaemonError::Stuck { .. }) => 70,
            CommandError::Store(_)
            | CommandError::Broker(_)
            | CommandError::Sandbox(_)
            | CommandError::Daemon(_)
            | CommandError::Adoption(_)
            | CommandError::Bench(_)
            | CommandError::Logging(_)
            | CommandError::Refused(_)
            | CommandError::Said
            | CommandError::System { .. } => 1,
        }
    }
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let Arguments { config, json, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return tell_usage(&error),
    };
    let config = config.as_deref();
    let done = match command {
        Command::CheckConfig { strict } => return check_config::run(config, strict, json),
        // The keeper's servers die with the thread that started them: it must be this one.
        Command::SandboxKeeper(args) => keeper::keep(&args).map_err(CommandError::from),
        Command::Contract(command) => contract::run(&command, json),
        Command::Token(command) => token::run(command, config, json),
        Command::Sandbox(command) => sandbox::run(command, config, json),
        Command::Bench(args) => bench::run(args, json),
        Command::Run => daemon::run(config, json),
        Command::Migrate { restored } => asynchronously(migrate::run(config, restored, json)),
        Command::Account(command) => asynchronously(account::run(command, config, json)),
        Command::Organization(command) => asynchronously(organization::run(command, config, json)),
        Command::Project(command) => asynchronously(project::run(command, config, json)),
        Command::Queue(command) => asynchronously(queue::run(command, config, json)),
        Command::Quote(arguments) => asynchronously(quote::run(arguments, config, json)),
        Command::Credits(command) => asynchronously(credits::run(command, config, json)),
        Command::Price(command) => asynchronously(price::run(command, config, json)),
        Command::Hold(command) => asynchronously(hold::run(command, config, json)),
        Command::Alert(command) => asynchronously(alert::run(command, config, json)),
        Command::Parked(command) => asynchronously(parked::run(command, config, json)),
        Command::Usage(command) => asynchronously(usage::run(command, config, json)),
        Command::Statement(args) => asynchronously(statement::run(args, config, json)),
        Command::Explain(command) => asynchronously(explain::run(command, config, json)),
        Command::Events(command) => asynchronously(events::run(command, config, json)),
        Command::Relay(command) => asynchronously(relay::run(command, config, json)),
        Command::Retention(command) => asynchronously(retention::run(command, config, json)),
        Command::Verify => asynchronously(verify::run(config, json)),
        Command::Import(args) => asynchronously(import::run(args, config, json)),
        Command::Reconcile(args) => asynchronously(reconcile::run(args, config, json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => tell(&error),
    }
}

/// Says why a command did not do what it was asked to.
fn tell(error: &CommandError) -> ExitCode {
    if !matches!(error, CommandError::Said) {
        eprintln!("creditd: {error}");
    }
    ExitCode::from(error.exit_code())
}

/// Prints what is wrong with how the program was called, or the help that was asked for. What was typed is
/// told again in it: a terminal must not obey it.
fn tell_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let shown = |line: &str| line.chars().map(printable).collect::<String>();
    let lines: Vec<_> = error.render().to_string().lines().map(shown).collect();
    eprintln!("{}", lines.join("\n"));
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// A character as a terminal shows it without obeying it.
fn printable(character: char) -> String {
    match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    }
}

/// Runs a command that asks servers.
fn asynchronously(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::System { what: "starting", error })?;
    runtime.block_on(command)
}

/// The ledger that the settings name, and the settings that decide in it as long as none are stored.
async fn open_store_and_settings(config: Option<&Path>) -> Result<(Store, Settings), CommandError> {
    let config = Config::load(config)?;
    let store = Store::new(&config.store_settings())?;
    store.check().await?;
    Ok((store, config.ledger_settings()))
}

/// The ledger that the settings name, if it can be read by this program.
async fn open_store(config: Option<&Path>) -> Result<Store, CommandError> {
    open_store_by(&Config::load(config)?).await
}

/// The same, by settings that were read already.
async fn open_store_by(config: &Config) -> Result<Store, CommandError> {
    let store = Store::new(&config.store_settings())?;
    store.check().await?;
    Ok(store)
}
