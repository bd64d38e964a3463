//! How commands end: their exit codes, and where nobody reads on.

use std::net::TcpListener;

use crate::support::World;

#[test]
fn what_is_not_there_ends_with_1_and_says_where_to_look() {
    let world = World::new();
    let asked: [(&[&str], &str); 10] = [
        (&["account", "show", "nobody"], "no account \"nobody\" is known; `creditd account list` shows"),
        (&["organization", "show", "none"], "no organization \"none\" is known; `creditd organization list`"),
        (&["project", "show", "p"], "no project \"p\" is known; `creditd project list` shows"),
        (&["parked", "show", "7"], "no message 7 is parked; `creditd parked list` shows"),
        (&["parked", "retry", "7"], "no message 7 is parked; `creditd parked list` shows"),
        (&["parked", "discard", "7", "--note", "n", "--actor", "ann"], "no message 7 is parked; `creditd"),
        (&["explain", "message", "/s", "1"], "nothing is known of message \"1\" from \"/s\""),
        (&["explain", "account", "nobody"], "no account \"nobody\" is known; `creditd account list` shows"),
        (&["explain", "account", "no body"], "no account \"no body\" is known; `creditd account list` shows"),
        (&["explain", "project", "p"], "no project \"p\" is known; `creditd project list` shows"),
    ];
    for (arguments, expected) in asked {
        for arguments in [arguments.to_vec(), [arguments, &["--json"]].concat()] {
            let output = world.run(&arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            assert!(said.starts_with(&format!("creditd: {expected}")), "{arguments:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(output.stdout.is_empty(), "{arguments:?}");
        }
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let world = World::unmigrated();
    let wrong: [&[&str]; 26] = [
        &[],
        &["account"],
        &["account", "show"],
        &["account", "list", "--colour"],
        &["project", "list", "--state", "lost"],
        &["parked", "list", "--reason", "bad-luck"],
        &["parked", "show", "one"],
        &["parked", "list", "--older-than", "soon"],
        &["parked", "list", "--summary", "--limit", "3"],
        &["parked", "retry"],
        &["parked", "retry", "1", "--all"],
        &["parked", "retry", "1", "--reason", "suspect"],
        &["parked", "retry", "--all", "--discarded"],
        &["parked", "retry", "1", "--wait-s", "0"],
        &["parked", "discard", "1"],
        &["parked", "discard", "--note", "n"],
        &["parked", "discard", "1", "--note", " "],
        &["parked", "discard", "1", "--note", "two\nlines"],
        &["explain", "message", "/s"],
        &["explain", "account", "a", "--from", "yesterday"],
        &["explain", "project", "p", "--to", "2026-02-30"],
        &["explain", "account", "a", "--from", "2026-13-01"],
        &["relay"],
        &["events", "tail", "--type", "balance"],
        &["events", "tail", "--from", "1", "--since", "1h"],
        &["events", "show", "one"],
    ];
    for arguments in wrong {
        let (code, said) = world.failure(arguments);
        assert_eq!(code, 2, "{arguments:?}");
        assert!(said.contains("--help"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_wrong_configuration_ends_with_2_and_the_keys_name() {
    let settings = [
        ("CREDITD__BATCH__MESSAGES_MAX", "0", "batch.messages_max"),
        ("CREDITD__ORDER", "luck", "order"),
        ("CREDITD__DATABASE__SCHEMA", "No-Schema", "database.schema"),
        ("CREDITD__DATABASE__URL", "", "database.url"),
        ("CREDITD__DATABASE__COLOUR", "red", "database.colour"),
    ];
    for (variable, value, key) in settings {
        let mut world = World::unmigrated();
        world.set(variable, value);
        for command in [&["account", "list"][..], &["migrate"], &["verify"], &["run"], &["check-config"]] {
            let (code, said) = world.failure(command);
            assert_eq!(code, 2, "{command:?}: {said}");
            assert!(said.contains(key), "{command:?}: {said}");
        }
    }
}

#[test]
fn a_server_that_is_away_ends_a_command_with_3() {
    let mut world = World::unmigrated();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("postgres://creditd:secret@127.0.0.1:{port}/creditd");
    world.set("CREDITD__DATABASE__URL", &nowhere);
    world.set("CREDITD__DATABASE__OWNER_URL", &nowhere);
    let commands: [&[&str]; 13] = [
        &["account", "list"],
        &["verify"],
        &["migrate"],
        &["parked", "list", "--json"],
        &["account", "open", "studio", "--actor", "ops"],
        &["credits", "grant", "studio", "5", "--reason", "why", "--actor", "ops"],
        &["price", "set", "video=5", "--dry-run", "--actor", "ops"],
        &["hold", "retry", "brief", "--actor", "ops", "--json"],
        &["alert", "list"],
        &["alert", "rules"],
        &["relay", "status"],
        &["events", "tail"],
        &["retention", "run"],
    ];
    for command in commands {
        let (code, said) = world.failure(command);
        assert_eq!(code, 3, "{command:?}: {said}");
        assert!(said.contains("PostgreSQL"), "{command:?}: {said}");
        assert!(!said.contains("secret"), "{command:?}: {said}");
    }
}

#[test]
fn a_command_ends_well_when_nobody_reads_what_it_prints() {
    let world = World::new();
    let commands: [&[&str]; 12] = [
        &["account", "list"],
        &["account", "list", "--json"],
        &["project", "list"],
        &["parked", "list"],
        &["relay", "status"],
        &["events", "tail"],
        &["retention", "run", "--dry-run"],
        &["verify"],
        &["migrate"],
        &["check-config"],
        &["check-config", "--json"],
        &["--help"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = world.command(arguments).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(said.is_empty(), "{arguments:?}: {said}");
    }
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_away_too() {
    let mut world = World::unmigrated();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("postgres://creditd:secret@{}/creditd", silent.local_addr().unwrap());
    world.set("CREDITD__DATABASE__URL", &nobody);
    world.set("CREDITD__DATABASE__OWNER_URL", &nobody);
    for command in [&["account", "list"][..], &["migrate"]] {
        let (code, said) = world.failure(command);
        assert_eq!(code, 3, "{command:?}: {said}");
        assert!(said.contains("it gave no answer within 5 s"), "{command:?}: {said}");
    }
}

#[test]
fn what_is_typed_wrong_is_told_without_a_terminal_obeying_it() {
    let world = World::unmigrated();
    let (code, said) = world.failure(&["account", "set", "film", "--name", "x\u{1b}[31mred"]);
    assert_eq!(code, 2);
    assert!(said.contains("\\u{1b}[31mred") && !said.contains('\u{1b}'), "{said:?}");
}
