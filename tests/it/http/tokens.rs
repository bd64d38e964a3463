//! Who is let in by a token, and where none is needed.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::asker::Asker;
use super::{ask_for_tokens, give, token};
use crate::support::{World, wait_until};

const ALL: &str = "/v1/accounts";

#[test]
fn a_token_counts_as_long_as_it_is_known_and_only_by_one_header() {
    let mut world = World::new();
    let good = token(&world, "good", "all", &[]);
    let over = token(&world, "over", "all", &["--expires", "2999-01-01"]);
    let revoked = token(&world, "revoked", "all", &[]);
    let file = world.file("tokens.toml");
    let told = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, told.replace("2999-01-02", "2020-01-02")).unwrap();
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let ask = |headers: &[(&str, &str)]| http.ask("GET", ALL, headers, None);
    let said = |scheme: &str| format!("{scheme} {good}");
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        assert_eq!(ask(&[("authorization", &said(scheme))]).status, 200, "{scheme}");
    }
    let unknown = format!("Bearer creditd_{}", "0".repeat(64));
    let wrong = ["Bearer", "Bearer ", "Basic dTpw", "", &unknown, "Bearer creditd_x", &said("Basic"), &good];
    for wrong in wrong {
        let answer = ask(&[("authorization", wrong)]);
        assert!(answer.problem(401).contains("token"), "{wrong}");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"creditd\"");
    }
    ask(&[]).problem(401);
    assert_eq!(http.with(&revoked).get(ALL).status, 200);
    assert!(http.with(&over).get(ALL).problem(401).contains("over"));
    let bearer = said("Bearer");
    for other in ["Bearer x", &bearer] {
        let twice = ask(&[("authorization", &bearer), ("authorization", other)]);
        assert!(twice.problem(401).contains("several"), "{other}");
    }
    ask(&[("cookie", &format!("creditd_session={good}"))]).problem(401);
    http.get(&format!("{ALL}?access_token={good}")).problem(401);
    for host in ["example.com", "localhost", "a proxy"] {
        let asked = [("authorization", bearer.as_str()), ("host", host)];
        assert_eq!(ask(&asked).status, 200, "with tokens the name doesn't matter: {host}");
    }

    world.text(&["token", "revoke", "revoked", "--file", file.to_str().unwrap()]);
    let late = token(&world, "late", "account:studio", &[]);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("the tokens were read again");
    http.with(&revoked).get(ALL).problem(401);
    assert_eq!(http.with(&good).get(ALL).status, 200);
    assert_eq!(http.with(&late).json(ALL)["items"].as_array().unwrap().len(), 0);
    give(&world, &["account", "open", "studio"]);
    assert_eq!(http.with(&late).json(ALL)["items"][0]["account_id"], "studio");

    let log = daemon.log();
    for secret in [good, over, revoked, late] {
        assert!(!log.contains(&secret[..20]), "the log has a token: {log}");
    }
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_tokens_from_before_and_the_daemon_at_work() {
    let mut world = World::new();
    let (good, revoked) = (token(&world, "good", "all", &[]), token(&world, "revoked", "all", &[]));
    let file = world.file("tokens.toml");
    world.text(&["token", "revoke", "revoked", "--file", file.to_str().unwrap()]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let spoilers: [fn(&Path); 5] = [
        |file| std::fs::write(file, "[[token]]\nname = \"good\"\n").unwrap(),
        |file| std::fs::remove_file(file).unwrap(),
        |file| std::fs::create_dir(file).unwrap(),
        |file| {
            std::fs::remove_dir(file).unwrap();
            assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
        },
        |file| {
            std::fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("/dev/zero", file).unwrap();
        },
    ];
    for (number, spoil) in (1..).zip(spoilers) {
        spoil(&file);
        daemon.signal(Signal::HUP);
        wait_until("the file is refused", || daemon.count_in_log("the tokens from before stay") == number);
        assert_eq!(http.with(&good).get(ALL).status, 200);
        http.with(&revoked).get(ALL).problem(401);
    }
    std::fs::remove_file(&file).unwrap();
    let late = token(&world, "late", "all", &[]);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("the tokens were read again");
    http.with(&good).get(ALL).problem(401);
    assert_eq!(http.with(&late).get(ALL).status, 200);
    assert_eq!(daemon.count_in_log("\"WARN\""), 0, "{}", daemon.log());
    world.text(&["token", "revoke", "late", "--file", file.to_str().unwrap()]);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("nobody is let in");
    assert_eq!(daemon.count_in_log("\"WARN\""), 1, "{}", daemon.log());
    http.with(&late).get(ALL).problem(401);
}

#[test]
fn health_and_the_document_need_no_token_and_all_else_does() {
    let mut world = World::new();
    token(&world, "all", "all", &[]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    wait_until("ready", || http.get("/readyz").status == 200);
    for open in ["/livez", "/readyz", "/openapi.json"] {
        assert_eq!(http.get(open).status, 200, "{open}");
    }
    let document = http.json("/openapi.json");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys() {
            let answer = http.ask(&method.to_uppercase(), &path, &[], None);
            answer.problem(401);
            assert!(answer.headers.get("creditd-log-number").is_none(), "{path}");
        }
    }
}

#[test]
fn without_tokens_only_names_of_this_machine_lead_to_a_port_on_it() {
    let world = World::new();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let port = http.base.rsplit_once(':').unwrap().1.to_owned();
    for own in ["localhost", "127.0.0.1", "[::1]", &format!("localhost:{port}"), "LOCALHOST"] {
        assert_eq!(http.ask("GET", ALL, &[("host", own)], None).status, 200, "{own}");
    }
    let rebound = format!("evil.example:{port}");
    for foreign in [
        "evil.example",
        &rebound,
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "localhost.evil.example",
        "x@localhost",
    ] {
        for (method, path) in [
            ("GET", ALL),
            ("POST", "/v1/accounts/studio/quote"),
            ("POST", "/login"),
            ("GET", "/readyz"),
            ("GET", "/livez"),
            ("GET", "/openapi.json"),
        ] {
            let answer = http.ask(method, path, &[("host", foreign)], None);
            assert!(answer.problem(421).contains("localhost"), "{foreign} {path}");
        }
    }
    let foreign = [("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
    http.ask("POST", "/v1/accounts/studio/quote", &foreign, Some("{\"credits\":1}")).problem(403);
}

#[test]
fn a_port_beyond_this_machine_needs_tokens_and_one_that_is_taken_is_told_of() {
    let mut world = World::new();
    let refusal = |world: &World, name: &str| {
        let mut daemon = world.start_daemon(name);
        (daemon.wait().code(), daemon.log())
    };
    world.set("CREDITD__HTTP__LISTEN", "0.0.0.0:0");
    let (code, said) = refusal(&world, "open");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("http.listen") && said.contains("http.tokens_file names no tokens"), "{said}");
    assert!(said.contains("creditd token new --scope all"), "{said}");
    let (code, told) = world.failure(&["check-config"]);
    assert!(code == 2 && told.contains("http.tokens_file names no tokens"), "{told}");

    let file = world.file("tokens.toml");
    std::fs::write(&file, "").unwrap();
    ask_for_tokens(&mut world);
    let (code, said) = refusal(&world, "empty");
    assert!(code == Some(2) && said.contains("http.tokens_file"), "{said}");
    let good = token(&world, "good", "all", &[]);
    let daemon = world.daemon_named("tokens");
    let port = daemon.http_address().rsplit_once(':').unwrap().1.to_owned();
    let http = Asker::at(&format!("http://127.0.0.1:{port}"));
    http.get(ALL).problem(401);
    assert_eq!(http.with(&good).get(ALL).status, 200);

    world.set("CREDITD__HTTP__LISTEN", &format!("127.0.0.1:{port}"));
    let (code, said) = refusal(&world, "taken");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&port) && said.contains("is another daemon there already?"), "{said}");
    drop(daemon);
    // An address that documents are written with, and no machine has (RFC 5737).
    world.set("CREDITD__HTTP__LISTEN", "192.0.2.1:0");
    let (code, said) = refusal(&world, "foreign");
    assert!(code == Some(1) && said.contains("it must be an address of this machine"), "{said}");

    world.set("CREDITD__HTTP__LISTEN", "off");
    let daemon = world.daemon_named("off");
    assert_eq!(daemon.count_in_log("answering HTTP"), 0);
    assert!(daemon.stop().success());
}
