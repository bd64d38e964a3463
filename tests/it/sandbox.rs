//! The sandbox serves what it promises, and leaves nothing behind whoever is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use creditd::sandbox::{Endpoints, Sandbox, SandboxError, SandboxOptions, ServerKind};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row};

fn creditd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_creditd"))
}

fn start(options: SandboxOptions) -> Sandbox {
    Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh")
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(5);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come to pass");
        thread::sleep(Duration::from_millis(20));
    }
}

fn kill(process_id: u32) {
    let pid = Pid::from_raw(i32::try_from(process_id).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// The living processes that have to do with a directory: by command line, environment or working directory.
pub(crate) fn processes_about(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let process = entry.path();
        let is_other = entry
            .file_name()
            .to_str()
            .is_some_and(|id| id.parse().is_ok_and(|id: u32| id != std::process::id()));
        let text = |file: &str| {
            String::from_utf8_lossy(&fs::read(process.join(file)).unwrap_or_default()).into_owned()
        };
        let works_in = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory));
        if is_other && (works_in || text("cmdline").contains(name) || text("environ").contains(name)) {
            found.push(format!("{} {}", process.display(), text("cmdline").replace('\0', " ")));
        }
    }
    found
}

pub(crate) fn assert_nothing_is_left_of(directory: &Path) {
    wait_for("the end of the sandbox", || !directory.exists() && processes_about(directory).is_empty());
}

/// A `creditd sandbox` that writes an environment file.
struct CommandLine {
    process: Child,
    files: tempfile::TempDir,
}

impl CommandLine {
    fn spawn() -> Self {
        let files = tempfile::tempdir().unwrap();
        let process = Command::new(creditd())
            .args(["sandbox", "--env-file"])
            .arg(files.path().join("env"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // So that its sandbox's directory is found here.
            .env("TMPDIR", files.path())
            .spawn()
            .unwrap();
        // Root's servers run as other users.
        fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { process, files }
    }

    fn env_file(&self) -> PathBuf {
        self.files.path().join("env")
    }

    fn wait_until_ready(&self) {
        wait_for("the environment file", || self.env_file().exists());
    }

    fn directory(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.files.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.is_dir()).unwrap()
    }
}

async fn value(url: &str, query: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(query).fetch_one(&mut connection).await.unwrap().get(0)
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
}

async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await
}

#[tokio::test]
async fn endpoints_lead_to_servers_with_the_promised_users_and_settings() {
    let sandbox = start(SandboxOptions { vhosts: 2, ..SandboxOptions::default() });
    let endpoints = sandbox.endpoints();

    for (setting, expected) in [
        ("SHOW fsync", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW max_connections", "200"),
        ("SHOW listen_addresses", "127.0.0.1"),
        ("SELECT current_database()::text", "creditd"),
        ("SELECT rolcreatedb::text FROM pg_roles WHERE rolname = current_user", "true"),
        ("SELECT rolcreaterole::text FROM pg_roles WHERE rolname = current_user", "true"),
        ("SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user", "false"),
    ] {
        assert_eq!(value(&endpoints.owner_url, setting).await, expected, "{setting}");
    }
    execute(&endpoints.owner_url, "CREATE DATABASE of_a_test").await;
    let of_a_test = Endpoints::url_of_database(&endpoints.owner_url, "of_a_test");
    assert_eq!(value(&of_a_test, "SELECT current_database()::text").await, "of_a_test");
    let runtime_user = PgConnection::connect(&endpoints.database_url).await;
    assert!(runtime_user.is_err(), "the runtime user is for `creditd migrate` to create");

    assert_eq!(endpoints.vhosts, ["t1", "t2"]);
    connect(&endpoints.broker_url).await.unwrap();
    connect(&endpoints.broker_url_of("t2")).await.unwrap();
    assert!(connect(&endpoints.broker_url_of("t3")).await.is_err(), "a vhost that was not asked for");
    let (_, address) = endpoints.broker_url.split_once('@').unwrap();
    assert!(connect(&format!("amqp://guest:guest@{address}")).await.is_err(), "guest must not exist");

    let directory = endpoints.directory.clone();
    sandbox.stop().unwrap();
    assert!(!directory.exists());
    assert_eq!(processes_about(&directory), Vec::<String>::new());
}

#[tokio::test]
async fn killed_servers_come_back_with_what_was_committed_and_confirmed() {
    let sandbox = start(SandboxOptions::default());
    let endpoints = sandbox.endpoints();
    execute(&endpoints.owner_url, "CREATE TABLE kept AS SELECT 'safe'::text AS what").await;
    let channel = connect(&endpoints.broker_url).await.unwrap().create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), lapin::types::AMQPValue::LongString("quorum".into()));
    channel.queue_declare("kept".into(), durable, quorum).await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let published = channel
        .basic_publish("".into(), "kept".into(), BasicPublishOptions::default(), b"safe", persistent)
        .await;
    assert!(published.unwrap().await.unwrap().is_ack());

    // RabbitMQ notes a new quorum queue's log in this file only half a second later, and loses it until then.
    let noted =
        endpoints.directory.join("rabbitmq/mnesia/creditd@localhost/quorum/creditd@localhost/names.dets");
    wait_for("the queue's entry on disk", || {
        fs::read(&noted).unwrap().windows(8).any(|bytes| bytes == b"%2F_kept")
    });

    for server in [ServerKind::Postgres, ServerKind::RabbitMq] {
        let before = sandbox.process_id(server);
        sandbox.kill(server).unwrap();
        assert!(!Path::new(&format!("/proc/{before}")).exists(), "{server:?} is still there");
        sandbox.start_again(server).unwrap();
        assert_ne!(sandbox.process_id(server), before);
    }

    assert_eq!(value(&endpoints.owner_url, "SELECT what FROM kept").await, "safe");
    let channel = connect(&endpoints.broker_url).await.unwrap().create_channel().await.unwrap();
    let message = channel.basic_get("kept".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    assert_eq!(message.delivery.data, b"safe");
}

#[test]
fn a_killed_keeper_is_noticed_and_cleaned_up_after() {
    let sandbox = start(SandboxOptions::default());
    let directory = sandbox.endpoints().directory.clone();

    kill(sandbox.keeper_process_id());

    wait_for("the notice", || sandbox.has_ended());
    assert_nothing_is_left_of(&directory);
    assert!(matches!(sandbox.kill(ServerKind::Postgres), Err(SandboxError::KeeperGone)));
}

#[test]
fn a_killed_command_leaves_nothing() {
    let mut command_line = CommandLine::spawn();
    command_line.wait_until_ready();
    let directory = command_line.directory();

    command_line.process.kill().unwrap();

    command_line.process.wait().unwrap();
    assert_nothing_is_left_of(&directory);
}

#[test]
fn servers_end_though_command_and_keeper_are_killed_at_once() {
    let mut command_line = CommandLine::spawn();
    command_line.wait_until_ready();
    let directory = command_line.directory();
    let keeper =
        processes_about(&directory).into_iter().find(|line| line.contains("sandbox-keeper")).unwrap();
    let keeper_process_id = keeper.trim_start_matches("/proc/").split(' ').next().unwrap().parse().unwrap();

    // Stopped first, so that it can't clean up between the two kills.
    let command = Pid::from_child(&command_line.process);
    kill_process(command, Signal::STOP).unwrap();
    kill(keeper_process_id);
    command_line.process.kill().unwrap();

    command_line.process.wait().unwrap();
    wait_for("the end of the servers", || processes_about(&directory).is_empty());
}

#[test]
fn an_interrupted_command_removes_its_environment_file_and_succeeds() {
    let mut command_line = CommandLine::spawn();
    command_line.wait_until_ready();
    let directory = command_line.directory();
    let mode = fs::metadata(command_line.env_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds passwords");

    kill_process(Pid::from_child(&command_line.process), Signal::INT).unwrap();

    assert!(command_line.process.wait().unwrap().success());
    assert!(!command_line.env_file().exists());
    assert!(!directory.exists());
    assert_eq!(processes_about(&directory), Vec::<String>::new());
}

#[test]
fn a_command_interrupted_while_starting_leaves_nothing() {
    let mut command_line = CommandLine::spawn();
    let files = command_line.files.path().to_owned();
    wait_for("the keeper's servers", || {
        processes_about(&files).iter().any(|line| line.contains("beam") || line.contains("rabbitmq-server"))
    });

    kill_process(Pid::from_child(&command_line.process), Signal::TERM).unwrap();

    assert!(command_line.process.wait().unwrap().success());
    assert_eq!(fs::read_dir(&files).unwrap().count(), 0);
    assert_eq!(processes_about(&files), Vec::<String>::new());
}

#[tokio::test]
async fn a_given_directory_keeps_its_data_for_the_next_start() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let options =
        || SandboxOptions { directory: Some(parent.path().join("kept")), ..SandboxOptions::default() };
    let first = start(options());
    let endpoints = first.endpoints().clone();
    execute(&endpoints.owner_url, "CREATE TABLE kept AS SELECT 'safe'::text AS what").await;
    let refused = Sandbox::start(creditd(), options());
    assert!(matches!(refused, Err(SandboxError::InUse(_))), "{refused:?}");
    first.stop().unwrap();

    let second = start(options());

    assert_eq!(second.endpoints(), &endpoints);
    assert_eq!(value(&endpoints.owner_url, "SELECT what FROM kept").await, "safe");
}
