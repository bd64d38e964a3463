//! The process that owns a sandbox's servers. Its parent holds the other end of its standard input: when that
//! closes, for whatever reason, the keeper ends the servers and itself. When the keeper is killed, the kernel
//! ends the servers (see [`Server::command`](super::process::Server::command)) and the parent cleans up.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::endpoints::{Endpoints, Plan, vhost_names};
use super::patience::Patience;
use super::postgres::Postgres;
use super::rabbitmq::RabbitMq;
use super::{LOCK, PLAN, SandboxError, ServerKind};

/// How the library calls the hidden subcommand.
#[derive(Debug, Args)]
pub struct KeeperArgs {
    /// The sandbox's directory, which exists.
    #[arg(long)]
    pub(super) directory: PathBuf,
    /// Leave the data when the servers have been stopped.
    #[arg(long)]
    pub(super) keep_data: bool,
    /// How many vhosts to make beside `/`.
    #[arg(long, default_value_t = 0)]
    pub(super) vhosts: u32,
    /// A setting of PostgreSQL beside those that every sandbox has.
    #[arg(long = "postgres-setting")]
    pub(super) postgres_settings: Vec<String>,
    /// A setting of RabbitMQ beside those that every sandbox has.
    #[arg(long = "rabbitmq-setting")]
    pub(super) rabbitmq_settings: Vec<String>,
    /// A plugin of RabbitMQ.
    #[arg(long = "rabbitmq-plugin")]
    pub(super) rabbitmq_plugins: Vec<String>,
    /// The directory of a sandbox whose RabbitMQ this one's forms a cluster with.
    #[arg(long)]
    pub(super) join: Option<PathBuf>,
}

impl KeeperArgs {
    pub(super) fn command_line(&self) -> Vec<OsString> {
        let mut arguments = vec!["--directory".into(), self.directory.clone().into(), "--vhosts".into()];
        arguments.push(self.vhosts.to_string().into());
        let several = [
            ("--postgres-setting", &self.postgres_settings),
            ("--rabbitmq-setting", &self.rabbitmq_settings),
            ("--rabbitmq-plugin", &self.rabbitmq_plugins),
        ];
        for (name, values) in several {
            arguments.extend(values.iter().flat_map(|value| [OsString::from(name), value.into()]));
        }
        if let Some(other) = &self.join {
            arguments.extend([OsString::from("--join"), other.into()]);
        }
        if self.keep_data {
            arguments.push("--keep-data".into());
        }
        arguments
    }
}

/// One line from the parent to the keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    Kill(ServerKind),
    Start(ServerKind),
}

/// One line from the keeper to the parent: the first when the servers are up, then one for each order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Ready { endpoints: Endpoints, postgres: u32, rabbitmq: u32 },
    Killed,
    Started { process_id: u32 },
    Failed { error: String },
}

/// Runs the servers until standard input ends or a signal says to stop. To be called on the main thread, as
/// the kernel ends the servers with the thread that started them.
pub fn keep(args: &KeeperArgs) -> Result<(), SandboxError> {
    let patience = Patience::begin().map_err(SandboxError::io("can't listen to the parent".to_owned()))?;
    let lock = args.directory.join(LOCK);
    // Shared with the parent: as long as either lives, the directory is in use.
    let held = File::open(&lock).and_then(|file| file.lock_shared().map(|()| file));
    let _held = held.map_err(SandboxError::io(format!("can't lock {}", lock.display())))?;

    let outcome = Servers::prepare(args).and_then(|mut servers| {
        let served = servers.serve(&patience);
        servers.stop(args.keep_data).and(served)
    });
    if !args.keep_data {
        super::remove_directory(&args.directory)?;
    }
    match outcome {
        Ok(()) | Err(SandboxError::Stopped) => Ok(()),
        Err(error) => {
            // The parent may be gone, and standard output with it.
            let _ = answer(&Reply::Failed { error: error.to_string() });
            Err(error)
        }
    }
}

struct Servers {
    plan: Plan,
    is_new: bool,
    postgres: Postgres,
    rabbitmq: RabbitMq,
}

impl Servers {
    fn prepare(args: &KeeperArgs) -> Result<Self, SandboxError> {
        let found = read_plan(&args.directory)?;
        let is_new = found.is_none();
        let mut plan = match found {
            Some(plan) => plan,
            None => draw_plan(args)?,
        };
        plan.endpoints.directory.clone_from(&args.directory);
        plan.endpoints.vhosts = vhost_names(args.vhosts);
        let postgres = Postgres::prepare(&args.directory, &args.postgres_settings)?;
        let rabbitmq =
            RabbitMq::prepare(&args.directory, &plan, &args.rabbitmq_settings, &args.rabbitmq_plugins)?;
        Ok(Self { plan, is_new, postgres, rabbitmq })
    }

    fn serve(&mut self, patience: &Patience) -> Result<(), SandboxError> {
        self.start(patience)?;
        if self.is_new {
            write_plan(&self.plan)?;
        }
        answer(&Reply::Ready {
            endpoints: self.plan.endpoints.clone(),
            postgres: self.postgres.server.process_id().unwrap_or_default(),
            rabbitmq: self.rabbitmq.server.process_id().unwrap_or_default(),
        })?;
        loop {
            let order = next_order(patience)?;
            let reply = match self.obey(order, patience) {
                Err(SandboxError::Stopped) => return Err(SandboxError::Stopped),
                Err(error) => Reply::Failed { error: error.to_string() },
                Ok(reply) => reply,
            };
            answer(&reply)?;
        }
    }

    /// RabbitMQ takes the longest, so PostgreSQL is made while it starts.
    fn start(&mut self, patience: &Patience) -> Result<(), SandboxError> {
        self.rabbitmq.create(&self.plan)?;
        self.rabbitmq.launch(patience)?;
        if self.is_new {
            self.postgres.create(&self.plan, patience)?;
        }
        self.postgres.launch()?;
        self.postgres.wait_until_ready(patience)?;
        self.rabbitmq.wait_until_ready(patience)
    }

    fn obey(&mut self, order: Order, patience: &Patience) -> Result<Reply, SandboxError> {
        let process_id = match order {
            Order::Kill(kind) => {
                match kind {
                    ServerKind::Postgres => self.postgres.server.kill()?,
                    ServerKind::RabbitMq => self.rabbitmq.server.kill()?,
                }
                return Ok(Reply::Killed);
            }
            Order::Start(ServerKind::Postgres) => {
                // What a killed one has left would keep the new one out.
                self.postgres.server.kill()?;
                self.postgres.launch()?;
                self.postgres.wait_until_ready(patience)?;
                self.postgres.server.process_id()
            }
            Order::Start(ServerKind::RabbitMq) => {
                self.rabbitmq.server.kill()?;
                self.rabbitmq.launch(patience)?;
                self.rabbitmq.wait_until_ready(patience)?;
                self.rabbitmq.server.process_id()
            }
        };
        Ok(Reply::Started { process_id: process_id.unwrap_or_default() })
    }

    fn stop(&mut self, keep_data: bool) -> Result<(), SandboxError> {
        let rabbitmq_stopped = self.rabbitmq.stop(keep_data);
        self.postgres.stop(keep_data).and(rabbitmq_stopped)
    }
}

fn answer(reply: &Reply) -> Result<(), SandboxError> {
    let line = serde_json::to_string(reply).map_err(|error| SandboxError::Protocol(error.to_string()))?;
    let mut output = io::stdout().lock();
    // A parent that no longer reads has gone.
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(|_| SandboxError::Stopped)
}

fn draw_plan(args: &KeeperArgs) -> Result<Plan, SandboxError> {
    let mut plan =
        Plan::draw(&args.directory).map_err(SandboxError::io("can't draw ports and passwords".to_owned()))?;
    if let Some(other) = &args.join {
        let unknown = || SandboxError::Keeper(format!("there is no sandbox in {}", other.display()));
        plan.join(&read_plan(other)?.ok_or_else(unknown)?);
    }
    Ok(plan)
}

fn read_plan(directory: &Path) -> Result<Option<Plan>, SandboxError> {
    let path = directory.join(PLAN);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SandboxError::io(format!("can't read {}", path.display()))(error)),
    };
    let read = serde_json::from_slice(&content).map_err(io::Error::from);
    read.map(Some).map_err(SandboxError::io(format!("{} is damaged; remove the directory", path.display())))
}

/// Written when all is set up, so that a directory with a plan can be started again.
fn write_plan(plan: &Plan) -> Result<(), SandboxError> {
    let directory = &plan.endpoints.directory;
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer_pretty(&mut file, plan)?;
        file.persist(directory.join(PLAN)).map(|_| ()).map_err(io::Error::from)
    };
    write().map_err(SandboxError::io(format!("can't write {PLAN} in {}", directory.display())))
}

fn next_order(patience: &Patience) -> Result<Order, SandboxError> {
    let line = patience.next_line()?;
    serde_json::from_str(&line).map_err(|error| SandboxError::Protocol(error.to_string()))
}
