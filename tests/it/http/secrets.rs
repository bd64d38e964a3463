//! No password and no token is ever in a log, a command's output, its arguments or environment, or an answer.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use super::asker::Asker;
use super::browsers::{cookie, log_in};
use crate::support::{Daemon, Message, World, creditd, wait_until};

const WRONG: &str = "wr0ng-horse-battery";

/// Settings by which all secrets are in files, and what these are.
struct Kept {
    config: PathBuf,
    log: PathBuf,
    database: PathBuf,
    broker: PathBuf,
    token: String,
    secrets: BTreeSet<String>,
}

impl Kept {
    fn of(world: &World) -> Self {
        let urls = [&world.database_url, &world.owner_url, &world.broker_url];
        let [database, owner, broker] =
            ["database", "owner", "broker"].map(|name| world.file(&format!("{name}-url")));
        for (file, url) in [&database, &owner, &broker].into_iter().zip(urls) {
            fs::write(file, url).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let config = world.file("secrets.toml");
        let [database_url, owner_url, broker_url, tokens] =
            [&database, &owner, &broker, &world.file("tokens")].map(|file| file.display().to_string());
        let settings = format!(
            "[database]\nurl_file = \"{database_url}\"\nowner_url_file = \"{owner_url}\"\n\
             [broker]\nurl_file = \"{broker_url}\"\n\
             [log]\nlevel = \"trace,lapin=trace,sqlx=trace\"\nformat = \"json\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\ntokens_file = \"{tokens}\"\n"
        );
        fs::write(&config, settings).unwrap();
        let mut secrets: BTreeSet<_> = urls.into_iter().map(|url| password(url)).collect();
        secrets.insert(WRONG.to_owned());
        let log = world.file("secrets.log");
        let mut kept = Self { config, log, database, broker, token: String::new(), secrets };
        let made = kept.run(&["token", "new", "--scope", "all"]);
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stdout).unwrap().trim().clone_into(&mut kept.token);
        kept.secrets.insert(kept.token.clone());
        kept
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(creditd())
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env_clear()
            .output()
            .unwrap()
    }

    fn start(&self) -> Daemon {
        Daemon::start(&[], Some(&self.config), &self.log)
    }

    #[track_caller]
    fn assert_none_in(&self, what: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for secret in &self.secrets {
            let found = text.find(secret.as_str());
            let around = found.map(|at| &text[text[..at].rfind('\n').map_or(0, |line| line + 1)..at]);
            assert!(found.is_none(), "{what} has a secret, after {around:?}");
        }
    }

    /// Runs a command, and looks at all that it says.
    fn ask(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        let what = format!("creditd {}", arguments.join(" "));
        self.assert_none_in(&what, &output.stdout);
        self.assert_none_in(&what, &output.stderr);
        output
    }
}

fn password(url: &str) -> String {
    url::Url::parse(url).unwrap().password().unwrap().to_owned()
}

fn put_in(file: &Path, secret: &str, other: &str) -> String {
    let before = fs::read_to_string(file).unwrap();
    fs::write(file, before.replace(secret, other)).unwrap();
    before
}

/// The help of a command and of all below it, in an environment that has the URLs.
fn all_help(world: &World, path: &[&str], seen: &mut Vec<(String, Vec<u8>)>) {
    let output = world.run(&[path, &["--help"]].concat());
    assert!(output.status.success(), "{path:?}: {output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let commands = text.split_once("\nCommands:\n").map_or("", |(_, commands)| commands);
    let listed = commands.lines().take_while(|line| line.starts_with("  "));
    let named =
        listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    for name in named.filter(|name| *name != "help") {
        all_help(world, &[path, &[name]].concat(), seen);
    }
    seen.push((path.join(" "), output.stdout));
}

#[test]
fn no_secret_is_in_a_log_an_output_an_argument_an_environment_or_an_answer() {
    let world = World::new();
    let mut kept = Kept::of(&world);
    kept.ask(&["migrate"]);

    let mut daemon = kept.start();
    wait_until("it applies", || {
        assert!(daemon.is_running(), "{}", daemon.log());
        daemon.log().contains("\"message\":\"consuming\"")
    });
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 10 }))]);
    world.wait_for_messages(&["a"]);
    let process = PathBuf::from(format!("/proc/{}", daemon.process_id()));
    for file in ["cmdline", "environ"] {
        kept.assert_none_in(file, &fs::read(process.join(file)).unwrap());
    }
    let asker = Asker::of(&daemon);
    // As good as the token, as long as it lasts.
    let (session, _) = cookie(&log_in(&asker, &format!("token={}", kept.token), &[]));
    kept.secrets.insert(session.split_once('=').unwrap().1.to_owned());
    let page = asker.ask("GET", "/", &[("cookie", &session)], None);
    assert_eq!(page.status, 200);
    kept.assert_none_in("the page", &page.body);
    for asker in [asker.with(&kept.token), asker] {
        for path in ["/livez", "/readyz", "/metrics", "/v1/openapi.json", "/v1/accounts/studio", "/"] {
            let answer = asker.get(path);
            kept.assert_none_in(path, format!("{:?}", answer.headers).as_bytes());
            kept.assert_none_in(path, &answer.body);
        }
    }
    for arguments in [
        &["check-config"][..],
        &["check-config", "--json"],
        &["check-config", "--strict"],
        &["relay", "status"],
        &["verify"],
        &["token", "list"],
        &["account", "list"],
        &["events", "snapshot", "--dry-run"],
    ] {
        let output = kept.ask(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(daemon.stop().success());
    let log = fs::read_to_string(&kept.log).unwrap();
    assert!(log.contains("TRACE") && log.contains("\"target\":\"lapin"), "everything is logged: {log}");
    kept.assert_none_in("the log", &fs::read(&kept.log).unwrap());

    // What is wrong is told without it, whichever it is.
    let mut refused = 0;
    for (file, url) in
        [(&kept.database, world.database_url.clone()), (&kept.broker, world.broker_url.clone())]
    {
        let address = format!("@{}", url.split_once('@').unwrap().1.split_once('/').unwrap().0);
        for (from, to) in [
            (password(&url), WRONG.to_owned()),
            (address.clone(), "@127.0.0.1:1".to_owned()),
            (address.clone(), "@no.such.host.invalid:1".to_owned()),
            (address, "@127.0.0.1:port".to_owned()),
            ("://".to_owned(), ":/".to_owned()),
        ] {
            let before = put_in(file, &from, &to);
            kept.ask(&["check-config"]);
            kept.ask(&["check-config", "--json"]);
            refused += usize::from(
                !kept.ask(&["events", "replay", "--account", "studio", "--from", "1"]).status.success(),
            );
            let mut daemon = kept.start();
            wait_until("it ends, or says why it waits", || {
                !daemon.is_running() || daemon.log().contains("\"reason\"")
            });
            drop(daemon);
            kept.assert_none_in("the log", &fs::read(&kept.log).unwrap());
            fs::remove_file(&kept.log).unwrap();
            fs::write(file, before).unwrap();
        }
    }
    assert_eq!(refused, 10, "each of them is a mistake");

    let mut helped = Vec::new();
    all_help(&world, &[], &mut helped);
    assert!(helped.len() > 30, "all commands: {}", helped.len());
    for (command, help) in &helped {
        kept.assert_none_in(command, help);
    }
}
