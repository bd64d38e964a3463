//! How messages fall into batches makes no difference, SQL included (DESIGN 3.5).

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{Message, World, message};

const MESSAGES: usize = 350;
/// Drawn once. Any other does as well.
const SEED: u64 = 20_260_301;

/// Accounts of every kind, mode and policy with a few credits, the last three drawing on one pool.
fn accounts() -> Vec<Message> {
    let account = |number: usize, data: Value| {
        Message::account(&format!("account-{number}"), ACCOUNTS[number], 1, data)
    };
    let integrated = |allocation: i64, policy: &str| {
        json!({ "kind": "integrated", "organization_id": "org", "allocation": allocation,
                "on_insufficient": policy })
    };
    vec![
        Message::organization("org", "org", 1, 12),
        account(0, json!({ "capacity": 8 })),
        account(1, json!({ "capacity": 6, "on_insufficient": "reject" })),
        account(2, json!({ "capacity": 5, "on_insufficient": "overdraw", "overdraft_limit": 3 })),
        account(3, json!({ "capacity": 30, "mode": "consume" })),
        account(4, integrated(9, "queue")),
        account(5, integrated(7, "queue")),
        account(6, integrated(7, "reject")),
    ]
}

const ACCOUNTS: [&str; 7] =
    ["queueing", "rejecting", "overdrawing", "consuming", "member-1", "member-2", "member-3"];
const STATUSES: [&str; 6] = ["started", "started", "submitted", "draft", "finalized", "canceled"];

/// A message about any of a few projects or accounts, mostly in order.
fn draw(rng: &mut Rng, number: usize) -> Message {
    let id = format!("m{number}");
    let revision = i64::try_from(number).unwrap() + rng.i64(0..20);
    let account = rng.choice(ACCOUNTS).unwrap();
    match rng.u32(0..100) {
        0..80 => {
            // A project stays on its account, but for one in ten messages.
            let place = rng.usize(0..14);
            let account = if rng.u32(0..10) == 0 { account } else { ACCOUNTS[place % ACCOUNTS.len()] };
            let status = rng.choice(STATUSES).unwrap();
            Message::project(&id, &format!("project-{place}"), account, revision, status, rng.i64(0..6))
        }
        80..85 => Message::grant(&id, account, rng.i64(1..3)),
        85..90 => {
            let credits = rng.choice([-3, -1, 2]).unwrap();
            let data = json!({ "account_id": account, "credits": credits, "reason": "r", "actor": "a" });
            message(&id, "credits.adjusted.v1", &data)
        }
        90..95 => {
            let plan = json!({ "capacity": rng.i64(0..10), "allocation": rng.i64(0..10) });
            let name = json!({ "name": format!("name {number}") });
            Message::account(&id, account, revision, if rng.bool() { plan } else { name })
        }
        _ => Message::organization(&id, "org", revision, rng.i64(0..15)),
    }
}

/// All that the ledger remembers but for times, and digests, which cover them. When to look whether a hold is stale
/// need not be told exactly, and depends on what is saved in between.
const BOOKS: &str = "
    select jsonb_build_object(
        'entries', (select jsonb_agg(to_jsonb(entry) - 'at' - 'digest' order by log_number) from creditd.entry),
        'notices', (select jsonb_agg(to_jsonb(notice) - 'at' order by log_number) from creditd.notice),
        'accounts', (select jsonb_agg(to_jsonb(account) - 'digest' order by account_id) from creditd.account),
        'projects', (select jsonb_agg(to_jsonb(project) - 'waiting_since' - 'stale_check_at'
                                    order by project_id)
                       from creditd.project),
        'inbox', (select jsonb_agg(to_jsonb(inbox) - 'received_at' order by source, id) from creditd.inbox),
        'last', (select jsonb_agg(jsonb_build_array(log_last, ticket_last)) from creditd.ledger))";

/// Since when a rule is raised is a time too.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("since");
            members.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// The books after the same messages, in batches of at most so many, and how many batches those were.
fn books_after(messages: &[Message], messages_max: &str) -> (Value, i64) {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", messages_max);
    world.declare();
    let version = |world: &World| world.number("select version from creditd.ledger");
    let before = version(&world);
    world.publish(messages);
    let daemon = world.daemon();
    world.wait_for_messages(&[&format!("m{}", MESSAGES - 1)]);
    world.assert_verified();
    assert!(daemon.stop().success());
    let mut books = world.report(BOOKS);
    without_times(&mut books);
    (books, version(&world) - before)
}

/// Behind the first, batches are decided while the one before is written: those of a few messages expect these to be
/// new, and larger ones ask. All that fits into the first is decided under the ledger's lock.
#[test]
fn batches_of_any_size_write_the_same_books() {
    let mut rng = Rng::with_seed(SEED);
    let mut messages = accounts();
    for number in 0..MESSAGES {
        messages.push(draw(&mut rng, number));
        // Some come twice, at once or later.
        if rng.u32(0..10) == 0 {
            let earlier = rng.usize(messages.len() / 2..messages.len());
            messages.insert(messages.len() - 1, messages[earlier].clone());
        }
    }
    let (one_by_one, many_batches) = books_after(&messages, "1");
    assert_eq!(many_batches, i64::try_from(messages.len()).unwrap(), "one by one");
    assert_happened(&one_by_one);
    let (together, few_batches) = books_after(&messages, "500");
    assert!(few_batches < many_batches / 10, "{few_batches} batches of many");
    assert_same(&one_by_one, &together, "500");
    for messages_max in ["4", "20"] {
        assert_same(&one_by_one, &books_after(&messages, messages_max).0, messages_max);
    }
}

fn assert_same(one_by_one: &Value, batched: &Value, messages_max: &str) {
    for part in ["last", "inbox", "projects", "accounts", "notices", "entries"] {
        let rows = |books: &Value| books[part].as_array().unwrap().clone();
        let (alone, batched) = (rows(one_by_one), rows(batched));
        for (row, (alone, batched)) in alone.iter().zip(&batched).enumerate() {
            assert_eq!(alone, batched, "{part}, row {row}, batches of {messages_max}");
        }
        assert_eq!(alone.len(), batched.len(), "{part}, batches of {messages_max}");
    }
}

#[test]
fn commands_in_the_middle_of_a_flood_are_neither_lost_nor_kept_waiting() {
    let mut world = World::new();
    world.set("CREDITD__BATCH__MESSAGES_MAX", "20");
    world.declare();
    let mut messages = vec![Message::account("account", "studio", 1, json!({ "capacity": 1_000 }))];
    let brief = |number: i64| {
        Message::project(&format!("m{number}"), &format!("p{}", number % 30), "studio", number, "started", 1)
    };
    messages.extend((1..=3_000).map(brief));
    world.publish(&messages);
    let daemon = world.daemon();
    world.wait_for_messages(&["m1"]);
    for _ in 0..10 {
        world.text(&["credits", "grant", "studio", "7", "--reason", "beside", "--actor", "ops"]);
    }
    let meanwhile = world.number("select count(*) from creditd.inbox");
    world.wait_for_messages(&["m3000"]);
    assert_eq!(world.balance("studio"), Some((1_070, 30, 0, 1_040)));
    assert!(meanwhile < 3_000, "all was applied before the last command was");
    world.wait_until_published();
    assert!(daemon.stop().success());
    world.assert_verified();
}

#[test]
fn what_a_command_changed_between_two_batches_counts_in_the_second() {
    let world = World::new();
    let daemon = world.daemon();
    let member = json!({ "kind": "integrated", "organization_id": "org", "allocation": 50 });
    world.publish(&[
        Message::organization("o", "org", 1, 50),
        Message::account("a", "film", 1, member),
        Message::project("p1", "one", "film", 1, "started", 30),
    ]);
    world.wait_for_messages(&["p1"]);
    // From here on the daemon need not load the pool, the account and the project, as long as nobody else writes.
    world.text(&["organization", "set", "org", "--capacity", "35", "--actor", "ops"]);
    world.publish(&[Message::project("p2", "two", "film", 1, "started", 10)]);
    world.wait_for_messages(&["p2"]);
    assert_eq!(world.json(&["project", "show", "two"])["state"], "queued", "5 are left of 35");

    world.text(&["hold", "release", "one", "--reason", "it was given up", "--actor", "ops"]);
    assert_eq!(world.balance("pool:org"), Some((35, 10, 0, 25)), "the second took its place");
    world.publish(&[Message::project("p3", "two", "film", 2, "finalized", 10)]);
    world.wait_for_messages(&["p3"]);
    assert_eq!(world.balance("pool:org"), Some((35, 0, 0, 35)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

/// The sequence is worth its name only if everything that can happen did.
fn assert_happened(books: &Value) {
    let words = |part: &str, member: &[&str]| {
        let rows = books[part].as_array().unwrap();
        let word = |row: &Value| member.iter().fold(row, |value, name| &value[name]).clone();
        rows.iter().map(word).collect::<Vec<_>>()
    };
    for kind in ["plan", "grant", "adjustment", "hold", "release", "capture", "reversal"] {
        assert!(words("entries", &["kind"]).contains(&json!(kind)), "no {kind}");
    }
    for state in ["queued", "rejected"] {
        assert!(words("notices", &["body", "state"]).contains(&json!(state)), "nothing {state}");
    }
    for change in ["raised", "resolved", "escalated", "eased"] {
        assert!(words("notices", &["body", "change"]).contains(&json!(change)), "nothing {change}");
    }
    for outcome in ["applied", "stale", "rejected"] {
        assert!(words("inbox", &["outcome"]).contains(&json!(outcome)), "nothing {outcome}");
    }
}
