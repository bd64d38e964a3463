//! Which moment of the ledger an answer is of, and whether it is still so.

use std::sync::mpsc::{TryRecvError, channel};

use serde_json::{Value, json};

use super::asker::{Answer, Asker};
use super::give;
use crate::support::{Message, World, message, wait_until};

fn again(http: &Asker, path: &str, known: &Answer) -> Answer {
    http.ask("GET", path, &[("if-none-match", known.header("etag"))], None)
}

#[test]
fn an_accounts_tag_begins_with_its_sequence_and_changes_with_whatever_changes_of_it() {
    let world = World::new();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    give(&world, &["account", "open", "studio", "--capacity", "10", "--on-insufficient", "queue"]);
    give(&world, &["account", "open", "other", "--capacity", "1"]);
    let path = "/v1/accounts/studio";
    let changes: [&dyn Fn(); 4] = [
        &|| give(&world, &["credits", "grant", "studio", "5", "--reason", "an entry"]),
        &|| give(&world, &["account", "set", "studio", "--name", "no entry"]),
        &|| {
            world.publish(&[Message::project("p", "large", "studio", 1, "started", 12)]);
            world.wait_for_messages(&["p"]);
        },
        &|| {
            world.publish(&[Message::project("q", "waits", "studio", 1, "started", 9)]);
            world.wait_for_messages(&["q"]);
        },
    ];
    let mut known = http.get(path);
    for (number, change) in changes.iter().enumerate() {
        assert_eq!(again(&http, path, &known).status, 304, "nothing changed before change {number}");
        give(&world, &["account", "set", "other", "--name", &number.to_string()]);
        let unchanged = again(&http, path, &known);
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "it is another account that changed");
        assert_eq!(unchanged.header("etag"), known.header("etag"));
        assert!(unchanged.header("creditd-log-number").parse::<i64>().is_ok());
        change();
        let changed = again(&http, path, &known);
        assert_eq!(changed.status, 200, "change {number}");
        let sequence = changed.json()["sequences"]["balance_changed"].as_i64().unwrap();
        assert!(changed.header("etag").starts_with(&format!("\"{sequence}-")), "{:?}", changed.headers);
        known = changed;
    }
    let others = ["/v1/accounts/studio/alerts", "/v1/projects/large", "/v1/accounts/studio/queue"];
    let known_of_others = others.map(|path| http.get(path));
    give(&world, &["credits", "grant", "other", "1", "--reason", "somebody else's entry"]);
    for (path, known) in others.iter().zip(&known_of_others) {
        assert_eq!(again(&http, path, known).status, 304, "{path}");
    }
    let tag = known.header("etag").to_owned();
    let lists = [format!("\"x\", W/{tag}"), "*".to_owned()];
    for list in &lists {
        assert_eq!(http.ask("GET", path, &[("if-none-match", list)], None).status, 304, "{list}");
    }
    let twice = [("if-none-match", "\"x\""), ("if-none-match", tag.as_str())];
    assert_eq!(http.ask("GET", path, &twice, None).status, 304, "in a header of its own");
    let head = http.ask("HEAD", path, &[], None);
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, tag.as_str()));
    assert_eq!(head.header("content-length"), known.header("content-length"));
    assert_eq!(http.ask("HEAD", path, &[("if-none-match", &tag)], None).status, 304);
    let quote = format!("{path}/quote");
    let headers = [("content-type", "application/json"), ("if-none-match", "*")];
    let asked = http.ask("POST", &quote, &headers, Some("{\"credits\":1}"));
    assert_eq!(asked.status, 200, "only what is read can be known already");
}

#[test]
fn answers_of_the_same_moment_have_the_same_number_and_an_answer_is_of_one_moment() {
    const MEMBERS: i64 = 5;
    const ANSWERS: usize = 80;
    let world = World::new();
    let daemon = world.daemon();
    let member = |number| format!("member-{number}");
    let mut messages = vec![Message::organization("o", "acme", 1, 10_000)];
    for number in 0..MEMBERS {
        let data = json!({ "kind": "integrated", "organization_id": "acme", "allocation": 2_000 });
        messages.push(Message::account(&format!("a{number}"), &member(number), 1, data));
        messages.push(Message::project(
            &format!("p{number}"),
            &member(number),
            &member(number),
            1,
            "started",
            1,
        ));
    }
    world.publish(&messages);
    world.wait_for_messages(&["p4"]);
    let http = Asker::of(&daemon);
    let number = |path: &str| http.get(path).header("creditd-log-number").parse::<i64>().unwrap();
    let last = world.number("select log_last from creditd.ledger");
    for path in ["/v1/accounts", "/v1/accounts/member-0", "/v1/queues", "/v1/accounts/member-1/usage.csv"] {
        assert_eq!(number(path), last, "{path}");
    }
    let mut numbers: Vec<i64> = Vec::new();
    std::thread::scope(|scope| {
        let (done_in, done) = channel::<()>();
        let world = &world;
        scope.spawn(move || {
            let mut revision = 1;
            while done.try_recv() == Err(TryRecvError::Empty) {
                revision += 1;
                let batch: Vec<_> = (0..MEMBERS).map(|number| amend(&member(number), revision)).collect();
                world.publish(&batch);
            }
        });
        let goes_on = |numbers: &Vec<i64>| {
            let mut moments = numbers.clone();
            moments.dedup();
            numbers.len() < ANSWERS || moments.len() < 10
        };
        wait_until("answers of many moments", || {
            let answer = http.get("/v1/organizations/acme");
            numbers.push(answer.header("creditd-log-number").parse().unwrap());
            assert_one_moment(&answer.json());
            assert_adds_up(&http.json("/v1/accounts/pool:acme/usage/days"));
            assert_adds_up(&http.json("/v1/accounts/pool:acme/usage/projects?limit=2"));
            let report = http.get("/v1/accounts/pool:acme/usage.json").json();
            assert_adds_up(&report);
            assert_eq!(
                report["items"].as_array().unwrap().last().unwrap()["available"],
                report["closing"]["available"]
            );
            !goes_on(&numbers)
        });
        done_in.send(()).unwrap();
    });
    assert!(numbers.is_sorted(), "later answers are of later moments");
}

fn amend(member: &str, revision: i64) -> Message {
    let credits = 1 + (revision * 37) % 900;
    let data =
        json!({ "project_id": member, "account_id": member, "revision": revision, "credits": credits });
    message(&format!("{member}-{revision}"), "project.amended.v1", &data)
}

fn assert_one_moment(organization: &Value) {
    let members = organization["accounts"].as_array().unwrap();
    let held: i64 = members.iter().map(|account| account["held"].as_i64().unwrap()).sum();
    assert_eq!(organization["pool"]["held"], held, "{organization}");
}

fn assert_adds_up(usage: &Value) {
    let figure = |value: &Value| value.as_i64().unwrap();
    let moved = figure(&usage["credited"]) - figure(&usage["debited"]);
    assert_eq!(figure(&usage["opening"]["available"]) + moved, figure(&usage["closing"]["available"]));
}
