//! A private RabbitMQ node, with an epmd of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::SandboxError;
use super::endpoints::{BROKER_USER, Plan};
use super::patience::Patience;
use super::process::{Account, Home, Server};

/// The name of the server's directory and processes.
pub(super) const NAME: &str = "rabbitmq";
/// Erlang's port mapper, which must be up before the node and outlives its crashes.
pub(super) const EPMD: &str = "epmd";

/// A node takes about 6 s on two cores, and several times that when they are busy.
const READY_WITHIN: Duration = Duration::from_mins(3);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const PROBE_WITHIN: Duration = Duration::from_secs(1);

pub(super) struct RabbitMq {
    program: PathBuf,
    home: Home,
    broker_port: u16,
    epmd_port: u16,
    distribution_port: u16,
    node: String,
    /// Whether another sandbox's node is to be joined, whose epmd serves this one too.
    joins: bool,
    /// Settings and plugins that this sandbox has beside the usual ones.
    more_settings: Vec<String>,
    plugins: Vec<String>,
    epmd: Server,
    pub(super) server: Server,
}

impl RabbitMq {
    pub(super) fn prepare(
        directory: &Path,
        plan: &Plan,
        more_settings: &[String],
        plugins: &[String],
    ) -> Result<Self, SandboxError> {
        let program = find_program().ok_or(SandboxError::Missing)?;
        let account = Account::for_server(&["rabbitmq", "nobody"])
            .map_err(SandboxError::io("can't find a user to run RabbitMQ as".to_owned()))?;
        let home = Home::new(directory, NAME, account).map_err(SandboxError::io(format!(
            "can't make RabbitMQ's directory in {}",
            directory.display()
        )))?;
        Ok(Self {
            program,
            home,
            broker_port: plan.broker_port,
            epmd_port: plan.epmd_port,
            distribution_port: plan.distribution_port,
            node: plan.node.clone(),
            joins: plan.joined.is_some(),
            more_settings: more_settings.to_vec(),
            plugins: plugins.to_vec(),
            epmd: Server::new(EPMD, directory, account),
            server: Server::new(NAME, directory, account),
        })
    }

    pub(super) fn create(&self, plan: &Plan) -> Result<(), SandboxError> {
        let definitions = self.write("definitions.json", &definitions(plan))?;
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             load_definitions = {}\n\
             log.console = false\n\
             log.dir = {}\n\
             log.file = rabbitmq.log\n\
             log.file.level = info\n\
             {}{}\n",
            plan.broker_port,
            definitions.display(),
            self.home.path.display(),
            plan.joined.as_deref().map(|other| cluster_settings(&[other, &plan.node])).unwrap_or_default(),
            self.more_settings.join("\n"),
        );
        self.write("rabbitmq.conf", &settings)?;
        self.write("enabled_plugins", &format!("[{}].\n", self.plugins.join(",")))?;
        self.write(".erlang.cookie", &plan.erlang_cookie)?;
        Ok(())
    }

    /// Starts epmd if it isn't running, then the node.
    pub(super) fn launch(&mut self, patience: &Patience) -> Result<(), SandboxError> {
        if !self.joins {
            self.launch_epmd(patience)?;
        }
        let home = &self.home.path;
        let mut node = self
            .server
            .command(&self.program, home, "KILL")
            .map_err(SandboxError::io("can't prepare RabbitMQ".to_owned()))?;
        node.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("ERL_EPMD_PORT", self.epmd_port.to_string());
        // What /etc/rabbitmq says is for the system's node.
        node.env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        node.env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"));
        node.env("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("advanced.config"));
        node.env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("enabled_plugins"));
        node.env("RABBITMQ_MNESIA_BASE", home.join("mnesia")).env("RABBITMQ_LOG_BASE", home);
        node.env("RABBITMQ_PID_FILE", home.join("pid"));
        node.env("RABBITMQ_NODENAME", &self.node);
        node.env("RABBITMQ_DIST_PORT", self.distribution_port.to_string());
        node.env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        );
        // The start script then becomes the node instead of staying as its parent: one process to end.
        node.env("RUNNING_UNDER_SYSTEMD", "true");
        self.server.launch(node).map_err(SandboxError::io("can't start RabbitMQ".to_owned()))
    }

    fn launch_epmd(&mut self, patience: &Patience) -> Result<(), SandboxError> {
        if self.epmd.process_id().is_some() && self.epmd.must_run().is_ok() {
            return Ok(());
        }
        let program = find_epmd().ok_or(SandboxError::Missing)?;
        let mut epmd = self
            .epmd
            .command(&program, &self.home.path, "KILL")
            .map_err(SandboxError::io("can't prepare epmd".to_owned()))?;
        epmd.args(["-address", "127.0.0.1", "-port", &self.epmd_port.to_string()]);
        self.epmd.launch(epmd).map_err(SandboxError::io("can't start epmd".to_owned()))?;

        let address = loopback(self.epmd_port);
        let epmd = &mut self.epmd;
        let ready = patience.wait(READY_WITHIN, || {
            epmd.must_run()?;
            Ok(TcpStream::connect_timeout(&address, PROBE_WITHIN).is_ok())
        })?;
        if ready { Ok(()) } else { Err(self.epmd.failure(format!("didn't listen within {READY_WITHIN:?}"))) }
    }

    /// RabbitMQ opens its listener last, after users and vhosts are there.
    pub(super) fn wait_until_ready(&mut self, patience: &Patience) -> Result<(), SandboxError> {
        let address = loopback(self.broker_port);
        let server = &mut self.server;
        let ready = patience.wait(READY_WITHIN, || {
            server.must_run()?;
            Ok(speaks_amqp(address))
        })?;
        if ready { Ok(()) } else { Err(self.server.failure(format!("wasn't ready within {READY_WITHIN:?}"))) }
    }

    pub(super) fn stop(&mut self, keep_data: bool) -> Result<(), SandboxError> {
        let stopped =
            if keep_data { self.server.stop(Signal::TERM, STOPPED_WITHIN) } else { self.server.kill() };
        self.epmd.kill().and(stopped)
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf, SandboxError> {
        self.home.write(name, content).map_err(SandboxError::io(format!("can't write {name} for RabbitMQ")))
    }
}

/// Has a node that is new look for a cluster with these.
fn cluster_settings(nodes: &[&str]) -> String {
    let numbered = (1..).zip(nodes);
    let nodes = numbered.map(|(n, node)| format!("cluster_formation.classic_config.nodes.{n} = {node}\n"));
    nodes
        .fold("cluster_formation.peer_discovery_backend = classic_config\n".to_owned(), |all, one| all + &one)
}

/// Users, vhosts and permissions. Where definitions are loaded, RabbitMQ creates no `guest`.
fn definitions(plan: &Plan) -> String {
    let vhosts: Vec<&str> =
        std::iter::once("/").chain(plan.endpoints.vhosts.iter().map(String::as_str)).collect();
    let permissions: Vec<_> = vhosts
        .iter()
        .map(|vhost| json!({"user": BROKER_USER, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}))
        .collect();
    json!({
        "users": [{"name": BROKER_USER, "password": plan.broker_password, "tags": []}],
        "vhosts": vhosts.iter().map(|vhost| json!({"name": vhost})).collect::<Vec<_>>(),
        "permissions": permissions,
    })
    .to_string()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether a broker answers the protocol header, by `connection.start` in a method frame.
fn speaks_amqp(address: SocketAddr) -> bool {
    const METHOD_FRAME: u8 = 1;
    let first_byte = || -> std::io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&address, PROBE_WITHIN)?;
        stream.set_read_timeout(Some(PROBE_WITHIN))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    first_byte().is_ok_and(|byte| byte == METHOD_FRAME)
}

/// Debian's programs in /usr/sbin want root or the rabbitmq user; the one behind them runs as its caller.
pub(super) fn find_program() -> Option<PathBuf> {
    let behind_debians = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    if behind_debians.is_file() { Some(behind_debians) } else { in_path("rabbitmq-server") }
}

fn find_epmd() -> Option<PathBuf> {
    let with_erlang = PathBuf::from("/usr/lib/erlang/bin/epmd");
    in_path("epmd").or_else(|| with_erlang.is_file().then_some(with_erlang))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}
