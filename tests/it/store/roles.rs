//! What each of PostgreSQL's users may do to the ledger, and what shows of it afterwards.

use serde_json::{Value, json};

use super::schema::{INSERT_ENTRY, PRIVILEGE, refusal};
use crate::support::{Message, World, run_as};

/// The user of those who only read, by this world's database.
fn reader(world: &World) -> (String, String) {
    let user = format!("reader_{}", fastrand::u32(..));
    let address = world.database_url.rsplit_once('@').unwrap().1;
    let url = format!("postgres://{user}:secret@{address}");
    (user, url)
}

/// A world with some entries: 1 plan, 2 hold.
fn with_entries() -> World {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 100 })),
        Message::project("p", "brief", "studio", 1, "started", 30),
    ]);
    world.wait_for_messages(&["p"]);
    assert!(daemon.stop().success());
    world.assert_verified();
    world
}

#[test]
fn readers_may_use_every_command_that_only_reads_and_change_nothing() {
    let mut world = with_entries();
    let (user, url) = reader(&world);
    world.set("CREDITD__DATABASE__READER_URL", &url);
    let said = world.text(&["migrate"]);
    assert!(
        said.contains(&format!("user {user} was made, and may read everything, and change nothing")),
        "{said}"
    );
    let again = world.json(&["migrate"]);
    assert_eq!((&again["reader_role"], &again["reader_created"]), (&json!(user), &json!(false)));

    world.set("CREDITD__DATABASE__URL", &url);
    for command in [
        &["account", "list"][..],
        &["account", "show", "studio"],
        &["project", "list"],
        &["project", "show", "brief"],
        &["queue", "list"],
        &["alert", "list"],
        &["parked", "list"],
        &["relay", "status"],
        &["explain", "account", "studio"],
        &["explain", "message", "/test", "p"],
        &["usage", "report", "studio"],
        &["events", "show", "1"],
        &["verify"],
        &["check-config", "--strict"],
    ] {
        let output = world.run(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let (code, said) = world.failure(&["account", "set", "studio", "--capacity", "5", "--actor", "kim"]);
    assert!(code == 1 && said.contains("permission denied"), "{code}: {said}");
    let tables: Vec<(String,)> = world.rows(
        "select relname::text from pg_class where relnamespace = 'creditd'::regnamespace and relkind = 'r'",
    );
    for (table,) in tables {
        assert_eq!(refusal(&url, &format!("select from {table}")), None, "{table}");
        for change in [
            format!("delete from {table}"),
            format!("insert into {table} default values"),
            format!("truncate {table} cascade"),
        ] {
            let (refused, ..) = refusal(&url, &change).unwrap_or_else(|| panic!("a reader may {change}"));
            assert_eq!(refused, PRIVILEGE, "{change}");
        }
    }
}

#[test]
fn readers_must_have_a_user_of_their_own() {
    let mut world = World::unmigrated();
    for taken in [world.database_url.clone(), world.owner_url.clone()] {
        world.set("CREDITD__DATABASE__READER_URL", &taken);
        let (code, said) = world.failure(&["migrate"]);
        assert!(code == 1 && said.contains("give the readers a user of their own"), "{code}: {said}");
    }
}

/// What `verify` finds, as one text.
fn findings(world: &World) -> String {
    let output = world.run(&["verify", "--json"]);
    assert_eq!(output.status.code(), Some(1), "verify finds nothing");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["findings"].to_string()
}

#[test]
fn what_whoever_has_the_daemons_password_forges_shows() {
    let world = with_entries();
    // Adding entries is all that this user may do with them.
    let forged = INSERT_ENTRY.replace("values (1, 'a', 1,", "values (3, 'studio', 3,");
    assert_ne!(forged, INSERT_ENTRY);
    run_as(&world.database_url, &format!("set search_path = creditd; {forged}"));
    let found = findings(&world);
    assert!(found.contains("its digest does not follow"), "{found}");
}

#[test]
fn what_an_owner_or_a_superuser_changes_or_removes_shows() {
    let urls = |is_owner: bool, world: &World| match is_owner {
        true => world.owner_url.clone(),
        false => world.superuser_url.clone(),
    };
    for (is_owner, change) in [
        (
            true,
            "alter table creditd.entry disable trigger all; update creditd.entry set credits = 3 where log_number = 2",
        ),
        (
            true,
            "alter table creditd.entry disable trigger all; delete from creditd.entry where log_number = 2",
        ),
        (false, "set session_replication_role = replica; update creditd.entry set actor = 'somebody else'"),
        (false, "set session_replication_role = replica; delete from creditd.entry where log_number = 1"),
    ] {
        let world = with_entries();
        run_as(&urls(is_owner, &world), change);
        let found = findings(&world);
        assert!(found.contains("entry") || found.contains("log"), "{change}: {found}");
    }
}

#[test]
fn a_daemon_that_may_change_entries_says_so_at_its_start_and_a_strict_check_refuses_it() {
    let mut world = World::new();
    let said = world.text(&["check-config", "--strict"]);
    assert!(said.contains("configuration is valid"), "{said}");
    let daemon = world.daemon_named("least");
    assert_eq!(daemon.count_in_log("keeps entries from being changed"), 0, "{}", daemon.log());
    assert!(daemon.stop().success());

    for (name, url, why) in [
        ("superuser", world.superuser_url.clone(), "is a superuser"),
        ("owner", world.owner_url.clone(), "owns the entries"),
    ] {
        world.set("CREDITD__DATABASE__URL", &url);
        let (code, said) = world.failure(&["check-config", "--strict"]);
        assert!(code == 2 && said.contains(why) && said.contains("database.owner_url"), "{code}: {said}");
        let output = world.run(&["check-config", "--strict", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["mistakes"][0]["key"]), (Some(2), &json!("database.url")));
        assert!(world.run(&["check-config"]).status.success(), "no server is asked without --strict");
        let daemon = world.daemon_named(name);
        assert_eq!(daemon.count_in_log(why), 1, "{}", daemon.log());
        assert!(daemon.stop().success());
    }
    world.set("CREDITD__DATABASE__URL", &world.database_url.clone());
    world.as_owner("grant update on creditd.entry to creditd");
    let (code, said) = world.failure(&["check-config", "--strict"]);
    assert!(code == 2 && said.contains("was granted to change or remove entries"), "{code}: {said}");
}

#[test]
fn a_daemon_that_could_give_itself_the_right_to_change_entries_is_refused_by_a_strict_check_too() {
    let mut world = World::new();
    let user = format!("daemon_{}", fastrand::u32(..));
    let address = world.database_url.rsplit_once('@').unwrap().1;
    world.set("CREDITD__DATABASE__URL", &format!("postgres://{user}:secret@{address}"));
    world.text(&["migrate"]);
    world.text(&["check-config", "--strict"]);
    for (given, taken, why) in [
        (
            format!("grant pg_write_server_files to {user}"),
            format!("revoke pg_write_server_files from {user}"),
            "may give itself the owner's rights",
        ),
        (
            format!("alter role {user} createrole"),
            format!("alter role {user} nocreaterole"),
            "may give itself the owner's rights",
        ),
        (
            format!("alter schema creditd owner to {user}"),
            "alter schema creditd owner to creditd_owner".to_owned(),
            "owns the schema",
        ),
    ] {
        world.as_superuser(&given);
        let (code, said) = world.failure(&["check-config", "--strict"]);
        assert!(code == 2 && said.contains(why), "{given}: {code}: {said}");
        world.as_superuser(&taken);
    }
    world.text(&["migrate"]);
    world.text(&["check-config", "--strict"]);
}
