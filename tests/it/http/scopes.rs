//! What a token's scope doesn't cover is answered as what does not exist, in every byte, and no answer has a trace
//! of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::asker::{Answer, Asker};
use super::books::{ACCOUNTS, ORGANIZATIONS, PROJECTS, book, name_of};
use super::members::in_path;
use super::{ask_for_tokens, token};
use crate::support::World;

const UNKNOWN: &str = "unknown-0";

/// What a scope covers, as docs/operating.md says it.
struct Covered {
    organizations: BTreeSet<&'static str>,
    accounts: BTreeSet<&'static str>,
    projects: BTreeSet<&'static str>,
    /// Ids that are told though what they name can't be asked for: an integrated account's own pool, the projects
    /// that moved an account's credits before they went elsewhere.
    named: BTreeSet<&'static str>,
}

fn covered(scope: &str) -> Covered {
    let own = scope.strip_prefix("organization:");
    let only = scope.strip_prefix("account:");
    let of_pool = only.and_then(|only| only.strip_prefix("pool:"));
    let accounts: BTreeSet<_> = ACCOUNTS
        .iter()
        .filter(|(id, of)| (own.is_some() && *of == own) || only == Some(*id))
        .map(|(id, _)| *id)
        .collect();
    let organization = |account: &str| ACCOUNTS.iter().find(|(id, _)| *id == account).unwrap().1;
    // A pool's projects are those of all accounts of its organization.
    let is_own =
        |account: &str| accounts.contains(account) || (of_pool.is_some() && organization(account) == of_pool);
    let projects = PROJECTS.iter().filter(|(_, account)| is_own(account));
    let mut named = BTreeSet::new();
    if matches!(only, Some("member" | "member2")) {
        named.insert("pool:acme");
    }
    if matches!(scope, "organization:acm" | "account:near" | "account:pool:acm") {
        named.extend(["handed", "pool:acm"]);
    }
    if of_pool == Some("acme") {
        named.extend(["member", "member2", "agency", "mover"]);
    }
    if of_pool == Some("acm") {
        named.insert("near");
    }
    Covered {
        organizations: ORGANIZATIONS.into_iter().filter(|id| Some(*id) == own).collect(),
        projects: projects.map(|(id, _)| *id).collect(),
        accounts,
        named,
    }
}

const SCOPES: [&str; 15] = [
    "organization:acme",
    "organization:acm",
    "organization:acme.x",
    "organization:unknown-1",
    "account:acme",
    "account:acme/1",
    "account:agency",
    "account:member",
    "account:member2",
    "account:mover",
    "account:near",
    "account:pool:acme",
    "account:pool:acm",
    "account:seems-acme",
    "account:unknown-2",
];

/// All ids that a path's placeholder may stand for.
fn ids_for(placeholder: &str) -> Vec<&'static str> {
    let known: Vec<_> = match placeholder {
        "account_id" => ACCOUNTS.iter().map(|(id, _)| *id).collect(),
        "organization_id" => ORGANIZATIONS.to_vec(),
        "project_id" => PROJECTS.iter().map(|(id, _)| *id).collect(),
        other => panic!("a path with {other}"),
    };
    known.into_iter().chain([UNKNOWN]).collect()
}

fn is_covered(covered: &Covered, placeholder: &str, id: &str) -> bool {
    match placeholder {
        "account_id" => covered.accounts.contains(id),
        "organization_id" => covered.organizations.contains(id),
        _ => covered.projects.contains(id),
    }
}

/// Asks in the way of the document, with an id in the place of its placeholder.
fn ask(http: &Asker, method: &str, path: &str) -> Answer {
    let month = crate::support::today().to_string()[..7].to_owned();
    match (method, path) {
        ("post", _) => http.post(path, &json!({ "deliverables": [{ "type": "video", "quantity": 1 }] })),
        (_, path) if path.ends_with("/statement") => http.get(&format!("{path}?month={month}")),
        _ => http.get(path),
    }
}

/// All of an answer but the time and the id.
fn bytes_without(answer: &Answer, id: &str) -> String {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date" && *name != "content-length");
    let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
    format!("{} {headers:?} {}", answer.status, answer.text().replace(&format!("\\\"{id}\\\""), "\\\"ID\\\""))
}

/// All texts of an answer: values and names of members in JSON, cells in CSV.
fn texts(answer: &Answer) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if answer.header("content-type").starts_with("text/csv") {
        for row in csv::Reader::from_reader(&answer.body[..]).into_records() {
            found.extend(row.unwrap().iter().map(str::to_owned));
        }
    } else {
        collect(&answer.json(), &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                found.insert(name.clone());
                collect(member, found);
            }
        }
        _ => {}
    }
}

/// An answer has nothing of what is not covered.
fn assert_no_trace(answer: &Answer, covered: &Covered, what: &str) {
    let (told, headers) = (texts(answer), format!("{:?}", answer.headers));
    let all = format!("{} {headers}", answer.text());
    let accounts = ACCOUNTS.iter().map(|(id, _)| *id).filter(|id| !covered.accounts.contains(id));
    let projects = PROJECTS.iter().map(|(id, _)| *id).filter(|id| !covered.projects.contains(id));
    for id in accounts.chain(projects) {
        // One id is both an account's and an organization's.
        let is_another = id == "acme";
        assert!(
            is_another || covered.named.contains(id) || !told.contains(id),
            "{what} tells of {id}: {all}"
        );
        let is_named_otherwise = id == "acme" && covered.organizations.contains(id)
            || id.starts_with("pool:")
            || covered.named.contains(id) && covered.accounts.is_empty();
        assert!(is_named_otherwise || !all.contains(&name_of(id)), "{what} tells the name of {id}: {all}");
    }
}

#[test]
fn nothing_outside_a_scope_can_be_told_from_what_does_not_exist() {
    let mut world = World::new();
    let everything = token(&world, "all", "all", &[]);
    let tokens: Vec<_> =
        SCOPES.iter().enumerate().map(|(at, scope)| token(&world, &format!("t{at}"), scope, &[])).collect();
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    book(&world);
    let http = Asker::of(&daemon);
    let all = http.with(&everything);
    let document = all.json("/openapi.json");
    let mut refused = 0;
    for (scope, token) in SCOPES.iter().zip(&tokens) {
        let (http, covered) = (http.with(token), covered(scope));
        for (path, methods) in document["paths"].as_object().unwrap() {
            let method = methods.as_object().unwrap().keys().next().unwrap();
            let Some((before, rest)) = path.split_once('{') else {
                let answer = ask(&http, method, path);
                if path == "/v1/parked" {
                    answer.problem(403);
                } else {
                    assert_eq!(answer.status, 200, "{scope} {path}: {}", answer.text());
                    assert_no_trace(&answer, &covered, &format!("{scope} {path}"));
                }
                continue;
            };
            let (placeholder, after) = rest.split_once('}').unwrap();
            let ask = |id: &str| ask(&http, method, &format!("{before}{}{after}", in_path(id)));
            let unknown = bytes_without(&ask(UNKNOWN), UNKNOWN);
            assert!(unknown.starts_with("404 "), "{unknown}");
            for id in ids_for(placeholder) {
                let (answer, what) = (ask(id), format!("{scope} {method} {path} {id}"));
                if is_covered(&covered, placeholder, id) {
                    let is_a_pools_quote = method == "post" && id.starts_with("pool:");
                    assert_eq!(
                        answer.status,
                        if is_a_pools_quote { 422 } else { 200 },
                        "{what}: {}",
                        answer.text()
                    );
                    assert_no_trace(&answer, &covered, &what);
                } else {
                    refused += 1;
                    assert_eq!(bytes_without(&answer, id), unknown, "{what}");
                }
            }
        }
        for id in ORGANIZATIONS.into_iter().chain([UNKNOWN]) {
            let answer = http.get(&format!("/v1/accounts?organization={id}"));
            let unknown = http.get(&format!("/v1/accounts?organization={UNKNOWN}"));
            if covered.organizations.contains(id) {
                assert_no_trace(&answer, &covered, scope);
            } else {
                assert_eq!(bytes_without(&answer, id), bytes_without(&unknown, UNKNOWN), "{scope} {id}");
            }
        }
        assert_pages_stay_within(&http, &covered);
    }
    assert!(refused > 1000, "{refused}");
    // What is hidden above is there.
    let queue = all.json("/v1/accounts/member/queue");
    assert_eq!(queue["claims"].as_array().unwrap().len(), 2, "{queue}");
    let handed = all.json("/v1/accounts/near/entries")["items"].clone();
    assert!(handed.as_array().unwrap().iter().any(|entry| entry["project_id"] == "handed"), "{handed}");
}

/// Whatever a page is said to come after, it has what is covered and nothing else.
fn assert_pages_stay_within(http: &Asker, covered: &Covered) {
    for after in ["", "a", "acme", "member", "pool:", "zz"] {
        let page = http.json(&format!("/v1/accounts?after={after}"));
        let ids = page["items"].as_array().unwrap().iter().map(|row| row["account_id"].as_str().unwrap());
        let expected = covered.accounts.iter().copied().filter(|id| *id > after);
        assert!(ids.eq(expected), "{page}");
        let page = http.json(&format!("/v1/organizations?after={after}"));
        let ids =
            page["items"].as_array().unwrap().iter().map(|row| row["organization_id"].as_str().unwrap());
        assert!(ids.eq(covered.organizations.iter().copied().filter(|id| *id > after)), "{page}");
    }
}

#[test]
fn who_sees_one_account_is_told_that_others_are_needed_and_nothing_of_them() {
    let mut world = World::new();
    let member = token(&world, "member", "account:member", &[]);
    let pool = token(&world, "pool", "account:pool:acme", &[]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    book(&world);
    let http = Asker::of(&daemon);
    let queue = http.with(&member).json("/v1/accounts/member/queue?limit=1");
    let claims = queue["claims"].as_array().unwrap();
    assert_eq!(claims.len(), 1, "its own, though another is before it: {queue}");
    assert_eq!((&claims[0]["project_id"], &claims[0]["position"]), (&json!("waits"), &json!(2)));
    assert_eq!(queue["queued"], json!({ "projects": 1, "credits": 6 }));
    let unblocking = &claims[0]["unblocking"];
    assert_eq!(
        (&unblocking["by"], &unblocking["others_too"], &unblocking["projects"][0]["account_id"]),
        (&json!("settling"), &json!(false), &json!("member")),
        "its own would do: {queue}"
    );
    assert_eq!(http.with(&member).json("/v1/queues")["items"].as_array().unwrap().len(), 1);
    let quote = http.with(&member).post("/v1/accounts/member/quote", &json!({ "credits": 28 })).json();
    assert_eq!(quote["verdict"]["would"], "wait", "{quote}");
    let unblocking = &quote["verdict"]["unblocking"];
    assert_eq!(unblocking["others_too"], json!(true), "{quote}");
    let own = unblocking["projects"].as_array().unwrap();
    assert!(own.iter().all(|holder| holder["account_id"] == "member"), "{quote}");
    let held: i64 = own.iter().map(|holder| holder["held"].as_i64().unwrap()).sum();
    assert_eq!(unblocking["credits"], json!(held), "of others not even the sum: {quote}");
    let queue = http.with(&pool).json("/v1/accounts/pool:acme/queue");
    assert_eq!(queue["claims"].as_array().unwrap().len(), 2, "a pool's queue is its own: {queue}");
    assert_eq!(http.with(&pool).json("/v1/projects/waits")["account_id"], "member");
    http.with(&pool).get("/v1/accounts/member").problem(404);
}
