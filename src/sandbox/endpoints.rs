//! Where a sandbox's servers are reached: its ports, users and passwords, drawn once and kept with its data.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The database of a sandbox, owned by its owner user.
pub(super) const DATABASE: &str = "creditd";
/// Creates the schema and the roles. May create databases, so that each test can have its own.
pub(super) const OWNER: &str = "creditd_owner";
/// The daemon's user, which `creditd migrate` creates: the sandbox only draws its password.
pub(super) const RUNTIME_USER: &str = "creditd";
/// PostgreSQL's superuser, for tests that look at or end what others do.
pub(super) const SUPERUSER: &str = "postgres";
/// RabbitMQ's only user, with every permission on every vhost.
pub(super) const BROKER_USER: &str = "creditd";

/// Below what Linux hands out to outgoing connections (from 32768 unless told otherwise), so that nobody
/// takes a server's port while the server is down to be started again.
const PORTS: Range<u16> = 15_000..32_000;

/// What a client of the sandbox needs to know. The passwords are the sandbox's own, random, and end with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Where the servers keep their data and logs.
    pub directory: PathBuf,
    /// The database as the daemon's user, whom `creditd migrate` creates.
    pub database_url: String,
    /// The database as its owner, who may also create databases and roles.
    pub owner_url: String,
    /// The database as PostgreSQL's superuser.
    pub superuser_url: String,
    /// The broker's vhost `/`.
    pub broker_url: String,
    /// A free address on loopback for the daemon's HTTP server.
    pub http_listen: SocketAddr,
    /// The vhosts beside `/`: `t1`, `t2`, ...
    pub vhosts: Vec<String>,
}

impl Endpoints {
    /// The settings that lead creditd to this sandbox, as environment variables.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CREDITD__DATABASE__URL", self.database_url.clone()),
            ("CREDITD__DATABASE__OWNER_URL", self.owner_url.clone()),
            ("CREDITD__BROKER__URL", self.broker_url.clone()),
            ("CREDITD__HTTP__LISTEN", self.http_listen.to_string()),
        ]
    }

    /// The environment as lines that a shell can source.
    pub fn shell_exports(&self) -> String {
        self.environment().iter().fold(String::new(), |mut lines, (name, value)| {
            let quoted = value.replace('\'', r"'\''");
            writeln!(lines, "export {name}='{quoted}'").expect("a String takes every write");
            lines
        })
    }

    /// The broker's URL with another vhost: one of [`Endpoints::vhosts`].
    pub fn broker_url_of(&self, vhost: &str) -> String {
        with_last_segment(&self.broker_url, vhost)
    }

    /// One of this sandbox's database URLs, with another database's name.
    pub fn url_of_database(url: &str, database: &str) -> String {
        with_last_segment(url, database)
    }
}

fn with_last_segment(url: &str, segment: &str) -> String {
    let base = url.rsplit_once('/').map_or(url, |(base, _)| base);
    format!("{base}/{segment}")
}

/// All that is drawn for a sandbox, kept in its directory so that a given directory can be started again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) endpoints: Endpoints,
    pub(super) postgres_port: u16,
    pub(super) broker_port: u16,
    pub(super) distribution_port: u16,
    pub(super) epmd_port: u16,
    pub(super) owner_password: String,
    pub(super) superuser_password: String,
    pub(super) broker_password: String,
    pub(super) erlang_cookie: String,
    /// The name of RabbitMQ's node.
    pub(super) node: String,
    /// The node whose cluster it joins when its data is made. That one's epmd serves both.
    pub(super) joined: Option<String>,
}

impl Plan {
    pub(super) fn draw(directory: &Path) -> io::Result<Self> {
        let [postgres_port, broker_port, distribution_port, epmd_port, http_port] = free_ports()?;
        let owner_password = secret()?;
        let superuser_password = secret()?;
        let broker_password = secret()?;
        let database = |user: &str, password: &str| {
            format!("postgres://{user}:{password}@127.0.0.1:{postgres_port}/{DATABASE}")
        };
        let endpoints = Endpoints {
            directory: directory.to_owned(),
            database_url: database(RUNTIME_USER, &secret()?),
            owner_url: database(OWNER, &owner_password),
            superuser_url: database(SUPERUSER, &superuser_password),
            broker_url: format!("amqp://{BROKER_USER}:{broker_password}@127.0.0.1:{broker_port}/%2f"),
            http_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, http_port)),
            vhosts: Vec::new(),
        };
        Ok(Self {
            endpoints,
            postgres_port,
            broker_port,
            distribution_port,
            epmd_port,
            owner_password,
            superuser_password,
            broker_password,
            erlang_cookie: secret()?,
            node: "creditd@localhost".to_owned(),
            joined: None,
        })
    }

    /// Has RabbitMQ's node join the cluster of another sandbox's.
    pub(super) fn join(&mut self, other: &Self) {
        self.node = format!("creditd-{}@localhost", self.broker_port);
        self.joined = Some(other.node.clone());
        self.epmd_port = other.epmd_port;
        self.erlang_cookie.clone_from(&other.erlang_cookie);
        // Users are the cluster's.
        let own_password = std::mem::replace(&mut self.broker_password, other.broker_password.clone());
        let url = self.endpoints.broker_url.replace(&own_password, &self.broker_password);
        self.endpoints.broker_url = url;
    }
}

pub(super) fn vhost_names(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("t{number}")).collect()
}

/// Ports that nobody listens on. All are held until all are found, so that they differ; sandboxes that start
/// at the same moment are kept apart by chance, with 17,000 ports to draw from.
pub fn free_ports<const COUNT: usize>() -> io::Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    let mut held = Vec::with_capacity(COUNT);
    for port in &mut ports {
        let listener = free_port()?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn free_port() -> io::Result<TcpListener> {
    const TRIES: u32 = 1_000;
    let mut last_error = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS))) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// 128 bits from the kernel, in hex: safe in a URL, in SQL and in a shell.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_survive_a_shell_whatever_the_values_hold() {
        let plan = Plan::draw(Path::new("/nowhere")).unwrap();
        let mut endpoints = plan.endpoints;
        endpoints.broker_url = "amqp://it's $HOME `id` \"quoted\"/%2f".to_owned();

        let script = format!("{}printf %s \"$CREDITD__BROKER__URL\"", endpoints.shell_exports());
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();

        assert_eq!(String::from_utf8(output.stdout).unwrap(), endpoints.broker_url);
    }

    #[test]
    fn a_url_is_led_to_another_vhost_or_database() {
        let endpoints = Plan::draw(Path::new("/nowhere")).unwrap().endpoints;

        assert!(endpoints.broker_url_of("t1").ends_with("/t1"));
        assert!(Endpoints::url_of_database(&endpoints.owner_url, "other").ends_with("/other"));
        assert!(!endpoints.broker_url_of("t1").contains("%2f"));
    }

    #[test]
    fn ports_of_one_sandbox_differ_and_no_outgoing_connection_is_given_them() {
        let mut ports: [u16; 16] = free_ports().unwrap();
        ports.sort_unstable();

        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(secret().unwrap(), secret().unwrap());
    }
}
