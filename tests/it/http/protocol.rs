//! What isn't a question that has an answer: other paths, other methods, and what is no HTTP at all.

use std::io::Write;

use serde_json::json;

use super::asker::{Asker, read_to_end};
use super::give;
use crate::support::World;

#[test]
fn ids_may_have_all_that_ids_have_and_no_path_or_query_makes_an_error_of_the_server() {
    let world = World::new();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let odd = ["a/b", "...", ".a", "a/..", "a.b:c@d", "x".repeat(64).leak()];
    for id in odd {
        give(&world, &["account", "open", id, "--capacity", "1"]);
        give(&world, &["organization", "open", id]);
    }
    for id in odd {
        // A dot may be taken for a place in the tree by whoever asks.
        let written = id.replace('/', "%2F").replace('.', "%2E").replace(':', "%3A").replace('@', "%40");
        for (path, id) in
            [(written.clone(), id.to_owned()), (format!("pool:{written}"), format!("pool:{id}"))]
        {
            let said = http.say(format!("GET /v1/accounts/{path} HTTP/1.0\r\n\r\n").as_bytes());
            assert!(said.contains(&format!("\"account_id\":\"{id}\"")), "{path}: {said}");
        }
    }
    let strange = [
        "",
        "/",
        "%00",
        "a%00b",
        "%FF",
        "%C3%28",
        "%",
        "%2",
        "%zz",
        "a%20b",
        "\u{e9}",
        "..%2F..%2Fetc",
        "a/b",
        "pool:",
        "pool:pool:acme",
        "'",
        "%27%20or%201=1",
        "*",
        "%F0%9F%92%B8",
        "%E2%80%AE",
    ];
    let (long, longer) = ("x".repeat(65), "%2F".repeat(4000));
    for id in strange.into_iter().chain([&*long, &*longer]) {
        for rest in ["", "/entries", "/queue", "/usage.csv", "/statement?month=2026-01", "/prices"] {
            for noun in ["accounts", "organizations", "projects"] {
                let said = http.say(format!("GET /v1/{noun}/{id}{rest} HTTP/1.0\r\n\r\n").as_bytes());
                let is_list = said.starts_with("HTTP/1.0 200") && id.is_empty() && rest.is_empty();
                let is_refused =
                    said.starts_with("HTTP/1.0 404") && said.contains("application/problem+json");
                // Where the path is no URI, hyper answers before anything of creditd is asked.
                let is_no_uri = said.starts_with("HTTP/1.0 400") || said.starts_with("HTTP/1.1 400");
                assert!(is_list || is_refused || is_no_uri, "/v1/{noun}/{id}{rest}: {said}");
            }
        }
    }
    for query in ["%", "%zz=1", "&&&", "=", "=1", "limit", "limit=%00", "after=%F0%9F%92%B8", "?", "a[]=1"] {
        let said = http.say(format!("GET /v1/accounts?{query} HTTP/1.0\r\n\r\n").as_bytes());
        assert!(said.starts_with("HTTP/1.0 200") || said.starts_with("HTTP/1.0 400"), "{query}: {said}");
    }
    assert_eq!(daemon.count_in_log("\"ERROR\""), 0, "{}", daemon.log());
}

#[test]
fn what_is_not_there_or_asked_otherwise_is_a_problem_with_the_headers_of_every_answer() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    let http = Asker::of(&daemon);
    for path in
        ["/v1", "/v1/nothing", "/v1/accounts/studio/", "/v2/accounts", "/.env", "/%2e%2e/x", "/v1/Accounts"]
    {
        assert!(http.get(path).problem(404).contains("/openapi.json"), "{path}");
    }
    let methods = [
        ("DELETE", "/v1/accounts/studio", "GET,HEAD"),
        ("OPTIONS", "/v1/accounts", "GET,HEAD"),
        ("PUT", "/v1/accounts/studio/usage.csv", "GET,HEAD"),
        ("GET", "/v1/accounts/studio/quote", "POST"),
        ("POST", "/livez", "GET,HEAD"),
        ("PATCH", "/openapi.json", "GET,HEAD"),
        ("BREW", "/v1/queues", "GET,HEAD"),
        ("GET", "/logout", "POST"),
    ];
    for (method, path, allowed) in methods {
        let answer = http.ask(method, path, &[], None);
        answer.problem(405);
        let mut allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    for path in [
        "/v1/accounts",
        "/v1/accounts/none",
        "/v1/accounts/studio/usage.csv",
        "/livez",
        "/openapi.json",
        "/nothing",
    ] {
        let answer = http.get(path);
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(!answer.header("content-security-policy").contains("unsafe"), "{path}");
        let said =
            ["x-content-type-options", "x-frame-options", "referrer-policy", "cross-origin-resource-policy"];
        assert_eq!(
            said.map(|name| answer.header(name)),
            ["nosniff", "DENY", "no-referrer", "same-origin"],
            "{path}"
        );
        assert!(["no-store", "private, no-cache"].contains(&answer.header("cache-control")), "{path}");
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{path}");
        let head = http.ask("HEAD", path, &[], None);
        assert_eq!((head.status, head.body.len()), (answer.status, 0), "{path}");
    }
    assert_eq!(http.json("/openapi.json")["openapi"], "3.1.0");
}

#[test]
fn what_is_no_http_is_refused_and_harms_nobody() {
    let world = World::new();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let refused: [&[u8]; 11] = [
        b"\r\n\r\n\r\n garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez\xff HTTP/1.1\r\nhost: localhost\r\n\r\n\x00",
        b"GET  /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\n folded: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n",
    ];
    for bytes in refused {
        let said = http.say(bytes);
        let shown = String::from_utf8_lossy(bytes);
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.0 4"),
            "{shown}: {said}"
        );
    }
    let huge = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    // What is left unread when a connection ends can take the answer with it.
    let said = http.say(huge.as_bytes());
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    let many = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(200));
    assert!(http.say(many.as_bytes()).starts_with("HTTP/1.1 431"));
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "y".repeat(70_000));
    let said = http.say(long.as_bytes());
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    // A length and chunks at once: whoever believes in the length sees another request in what follows.
    let smuggled = b"POST /v1/parked HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let said = http.say(smuggled);
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");

    let mut stream = http.connect();
    let one = "GET /v1/parked HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let none = "GET /v1/accounts/none HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{one}{none}{one}{last}").as_bytes()).unwrap();
    let said = read_to_end(&mut stream);
    let statuses: Vec<_> = said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200", "200"], "each is answered, in their order: {said}");
    assert_eq!(http.json("/livez")["status"], json!("ok"));
    assert_eq!(daemon.count_in_log("\"ERROR\""), 0, "{}", daemon.log());
}
