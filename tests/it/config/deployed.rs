//! What `check-config --strict` and the daemon say of a configuration where it is deployed: of every server that it
//! names, and of who may read its secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use creditd::config::Config;
use serde_json::{Value, json};

use super::{BROKER, DATABASE, PASSWORD};
use crate::support::{World, open_directory};

/// The URL with another password.
fn misspelt(url: &str) -> String {
    let (before, after) = url.split_once('@').unwrap();
    let (user, _) = before.rsplit_once(':').unwrap();
    format!("{user}:wr0ng@{after}")
}

/// The keys of all that a strict check finds wrong, and what it says for people.
fn refused(world: &World) -> (Vec<Value>, String) {
    let output = world.run(&["check-config", "--strict", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys = report["mistakes"].as_array().unwrap().iter().map(|mistake| mistake["key"].clone()).collect();
    let (code, said) = world.failure(&["check-config", "--strict"]);
    assert_eq!(code, 2, "{said}");
    (keys, said)
}

#[test]
fn a_server_that_is_to_stand_in_and_could_not_is_told_before_it_has_to() {
    let mut world = World::new();
    world.text(&["check-config", "--strict"]);
    let (database, broker) = (world.database_url.clone(), world.broker_url.clone());
    world.set("CREDITD__DATABASE__URL", &format!("{database} {}", misspelt(&database)));
    world.set("CREDITD__BROKER__URL", &format!("{broker} {}", misspelt(&broker)));
    let (keys, said) = refused(&world);
    assert_eq!(keys, [json!("database.url"), json!("broker.url")]);
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(said.contains("refuses these credentials") && !said.contains("wr0ng"), "{said}");

    // What stands first and can't be used is passed over, and the log says so.
    world.set("CREDITD__DATABASE__URL", &format!("{} {database}", misspelt(&database)));
    world.set("CREDITD__BROKER__URL", &format!("{} {broker}", misspelt(&broker)));
    let daemon = world.daemon();
    daemon.wait_for_log("passed over: PostgreSQL at");
    daemon.wait_for_log("refuses these credentials");
    assert!(daemon.stop().success());
}

#[test]
fn a_password_in_a_file_that_everybody_may_read_is_told() {
    let directory = open_directory();
    let path = directory.path().join("database-url");
    let path_shown = path.to_str().unwrap();
    let exposed = |url: &str, mode: u32| {
        fs::write(&path, url).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let variables = [("CREDITD__DATABASE__URL_FILE", path_shown), BROKER];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load_from(None, variables.into_iter()).unwrap();
        config.exposed_secrets().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = exposed(DATABASE.1, 0o644);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0]
            .starts_with(&format!("database.url (from {path_shown}): every user of this machine may read"))
    );
    assert!(told[0].ends_with(&format!("chmod o-r {path_shown}")) && !told[0].contains(PASSWORD), "{told:?}");
    assert!(exposed(DATABASE.1, 0o640).is_empty());
    assert!(exposed("postgres://creditd@db.example/ledger", 0o644).is_empty(), "without a password");
    // Nobody else comes to it.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(exposed(DATABASE.1, 0o644).is_empty());
}

#[test]
fn a_key_that_everybody_may_read_is_told_at_the_start_and_refused_by_a_strict_check() {
    let mut world = World::new();
    let directory = open_directory();
    let key = directory.path().join("key");
    fs::write(&key, "").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o604)).unwrap();
    // Without TLS nobody looks into it.
    let parameters = format!("?sslmode=disable&sslcert=/no-file&sslkey={}", key.display());
    world.set("CREDITD__DATABASE__URL", &format!("{}{parameters}", world.database_url));
    let (keys, said) = refused(&world);
    assert_eq!(keys, [json!("database.url")]);
    assert!(said.contains(&format!("chmod o-r {}", key.display())), "{said}");
    let daemon = world.daemon();
    assert_eq!(daemon.count_in_log("every user of this machine may read"), 1, "{}", daemon.log());
    assert!(daemon.stop().success());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    world.text(&["check-config", "--strict"]);
}

#[test]
fn readers_who_are_set_to_read_only_still_find_the_server_that_takes_writes() {
    let mut world = World::new();
    let user = format!("reader_{}", fastrand::u32(..));
    let address = world.database_url.rsplit_once('@').unwrap().1;
    let url = format!("postgres://{user}:secret@{address}");
    world.set("CREDITD__DATABASE__READER_URL", &url);
    world.text(&["migrate"]);
    world.as_superuser(&format!("alter role {user} set default_transaction_read_only = on"));
    world.set("CREDITD__DATABASE__URL", &format!("{url} {url}"));
    world.text(&["account", "list"]);
}
