//! A browser's login: a token in exchange for a cookie.

use rustix::process::Signal;

use super::asker::{Answer, Asker};
use super::{ask_for_tokens, token};
use crate::support::World;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(super) fn log_in(http: &Asker, form: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = http.ask("POST", "/login", &[&[FORM], headers].concat(), Some(form));
    assert_eq!(answer.status, 303, "{form}: {}", answer.text());
    answer
}

/// The cookie that an answer sets, and what it says of it.
pub(super) fn cookie(answer: &Answer) -> (String, Vec<String>) {
    let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set.len(), 1, "{:?}", answer.headers);
    let mut parts = set[0].to_str().unwrap().split("; ").map(str::to_owned);
    let cookie = parts.next().unwrap();
    let mut attributes: Vec<_> = parts.collect();
    attributes.sort();
    (cookie, attributes)
}

fn status(http: &Asker, cookie: &str) -> u16 {
    http.ask("GET", "/v1/accounts", &[("cookie", cookie)], None).status
}

#[test]
fn a_cookie_stands_for_the_token_until_either_is_over() {
    let mut world = World::new();
    let all = token(&world, "all", "all", &[]);
    let own = token(&world, "own", "account:none", &[]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let answer = log_in(&http, &format!("token={all}"), &[]);
    assert_eq!(answer.header("location"), "/");
    let (session, attributes) = cookie(&answer);
    assert_eq!(attributes, ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Strict"]);
    let by_proxy = log_in(&http, &format!("token=%20{all}%0D%0A"), &[("x-forwarded-proto", "https")]);
    assert!(cookie(&by_proxy).1.contains(&"Secure".to_owned()), "behind TLS it never goes without");
    let document = include_str!("../../../docs/operating.md");
    assert!(document.contains("proxy_set_header X-Forwarded-Proto $scheme;"), "the proxy there says so");
    assert!(!session.contains(&all), "the token itself stays here");
    assert_eq!(status(&http, &session), 200);
    assert_eq!(status(&http, &format!("theme=dark; {session}; x=y")), 200);

    let (name, value) = session.split_once('=').unwrap();
    let flipped: String = value.char_indices().map(|(at, c)| if at == 70 { '0' } else { c }).collect();
    let other = if flipped == value { format!("{value}0") } else { flipped };
    for tampered in [other.as_str(), &value[1..], "", "x", &value.replace('.', ""), &all] {
        assert_eq!(status(&http, &format!("{name}={tampered}")), 401, "{tampered}");
    }
    assert_eq!(status(&http, &format!("{name}x={value}")), 401);
    // A header counts before a cookie, whichever of both is right.
    let both = |header: &str, cookie: &str| {
        let headers = [("authorization", header), ("cookie", cookie)];
        http.ask("GET", "/v1/parked", &headers, None).status
    };
    assert_eq!(both("Bearer x", &session), 401);
    assert_eq!(both(&format!("Bearer {own}"), &session), 403);
    assert_eq!(both(&format!("Bearer {all}"), "creditd_session=x"), 200);

    for wrong in ["token=x", "token=", "", "tok=x", &format!("token={}", "x".repeat(1000)), "token=%00", "%"]
    {
        let answer = log_in(&http, wrong, &[]);
        assert!(answer.header("location").starts_with("/login?wrong"), "{wrong}");
        assert!(answer.headers.get("set-cookie").is_none(), "{wrong}");
    }
    let as_json = http.ask("POST", "/login", &[("content-type", "application/json")], Some("{}"));
    assert_eq!((as_json.status, as_json.header("location")), (303, "/login?wrong"));

    let out = http.ask("POST", "/logout", &[("cookie", &session)], None);
    let (gone, attributes) = cookie(&out);
    assert_eq!((out.status, out.header("location"), gone.as_str()), (303, "/login", "creditd_session="));
    assert!(attributes.contains(&"Max-Age=0".to_owned()), "{attributes:?}");

    let file = world.file("tokens.toml");
    world.text(&["token", "revoke", "all", "--file", file.to_str().unwrap()]);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("the tokens were read again");
    assert_eq!(status(&http, &session), 401, "its token is gone");
    let log = daemon.log();
    let signature = value.rsplit_once('.').unwrap().1;
    for secret in [all.as_str(), own.as_str(), signature] {
        assert!(!log.contains(&secret[..20]), "the log has a secret: {log}");
    }
}

#[test]
fn a_session_that_was_logged_out_of_is_over_wherever_its_cookie_is() {
    let mut world = World::new();
    let all = token(&world, "all", "all", &[]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon_named("first");
    let http = Asker::of(&daemon);
    let open = |headers: &[(&str, &str)]| cookie(&log_in(&http, &format!("token={all}"), headers)).0;
    let log_out = |cookie: &str| {
        let headers = [("cookie", cookie), ("sec-fetch-site", "same-origin")];
        assert_eq!(http.ask("POST", "/logout", &headers, None).status, 303, "{cookie}");
    };
    let (mine, colleagues) = (open(&[]), open(&[]));
    let (name, value) = mine.split_once('=').unwrap();
    let unsigned = value.rsplit_once('.').unwrap().0;
    for not_mine in ["x=y", &format!("{name}={unsigned}"), &format!("{name}={unsigned}.{}", "0".repeat(64))] {
        log_out(not_mine);
    }
    let foreign = [("cookie", mine.as_str()), ("sec-fetch-site", "cross-site")];
    http.ask("POST", "/logout", &foreign, None).problem(403);
    assert_eq!(status(&http, &mine), 200, "nobody else ended it");

    log_out(&format!("theme=dark; {mine}"));
    log_out(&mine);
    assert_eq!(status(&http, &mine), 401, "a copy of the cookie is worth nothing");
    let page = http.ask("GET", "/", &[("accept", "text/html"), ("cookie", &mine)], None);
    assert_eq!((page.status, page.header("location")), (303, "/login?next=/"));
    assert_eq!(status(&http, &colleagues), 200, "another browser with the same token goes on");
    assert_eq!(http.with(&all).get("/v1/accounts").status, 200);

    let again = open(&[("cookie", &colleagues)]);
    assert_eq!(status(&http, &colleagues), 401, "a login ends the session that it replaces");
    assert_eq!(status(&http, &again), 200);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("the tokens were read again");
    assert_eq!((status(&http, &mine), status(&http, &again)), (401, 200), "neither changes by a reload");

    assert!(daemon.stop().success());
    let daemon = world.daemon_named("second");
    let http = Asker::of(&daemon);
    for ended in [&mine, &colleagues, &again] {
        assert_eq!(status(&http, ended), 401, "a restart ends all, and brings none back");
    }
}

#[test]
fn a_login_leads_to_a_page_of_this_port_and_foreign_pages_can_neither_log_in_nor_out() {
    let mut world = World::new();
    let all = token(&world, "all", "all", &[]);
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let places = [
        ("/accounts/a%252Fb%3Fx%3D1", "/accounts/a%2Fb?x=1"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("%2F%09%2Fevil.example", "/"),
        ("%2Fa%0D%0Aset-cookie%3Ax%3Dy", "/"),
        ("javascript%3Aalert(1)", "/"),
        ("", "/"),
        ("evil.example", "/"),
    ];
    for (next, expected) in places {
        let answer = log_in(&http, &format!("token={all}&next={next}"), &[]);
        assert_eq!(answer.header("location"), expected, "{next}");
    }
    let wrong = log_in(&http, "token=x&next=%2Faccounts%2Fa", &[]);
    assert_eq!(wrong.header("location"), "/login?wrong&next=/accounts/a");
    let wrong = log_in(&http, "token=x&next=%2F%2Fevil.example", &[]);
    assert!(!wrong.header("location").contains("evil"), "{:?}", wrong.headers);

    let page = http.ask("GET", "/v1/accounts?limit=1", &[("accept", "text/html,*/*;q=0.1")], None);
    assert_eq!((page.status, page.header("location")), (303, "/login?next=/v1/accounts%3Flimit%3D1"));
    let (session, _) = cookie(&log_in(&http, &format!("token={all}"), &[("sec-fetch-site", "same-origin")]));
    for site in ["cross-site", "same-site"] {
        for path in ["/login", "/logout"] {
            let headers = [FORM, ("sec-fetch-site", site), ("cookie", session.as_str())];
            let answer = http.ask("POST", path, &headers, Some(&format!("token={all}")));
            answer.problem(403);
            assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        }
    }
}
