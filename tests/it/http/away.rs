//! A server is away: what is said then, and that all is well once it is back.

use serde_json::Value;
use tokio::runtime::Runtime;

use super::asker::Asker;
use super::give;
use crate::proxy::{Network, Proxy};
use crate::support::{World, wait_until};

/// A network between the daemon and a server, and the URL that leads through it.
fn wire(url: &str) -> (Runtime, Proxy, String) {
    let (credentials, rest) = url.split_once('@').unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let proxy = runtime.block_on(Proxy::start(host, None));
    let through = format!("{credentials}@{}/{path}", proxy.address);
    (runtime, proxy, through)
}

/// The password of a URL.
fn password(url: &str) -> String {
    let (_, rest) = url.split_once("//").unwrap();
    let (credentials, _) = rest.split_once('@').unwrap();
    credentials.split_once(':').map(|(_, password)| password.to_owned()).unwrap_or_default()
}

fn ready(http: &Asker) -> (u16, Value) {
    let answer = http.get("/readyz");
    (answer.status, answer.json())
}

#[test]
fn while_the_database_is_away_it_is_said_everywhere_and_all_goes_on_afterwards() {
    let mut world = World::new();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    let url = world.database_url.clone();
    let (_runtime, proxy, through) = wire(&url);
    world.database_url = through;
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    wait_until("ready", || ready(&http).0 == 200);
    assert_eq!(http.get("/v1/accounts/studio").status, 200);
    proxy.set(Network::Cut);
    let answer = http.get("/v1/accounts/studio");
    let detail = answer.problem(503);
    assert_eq!(answer.header("retry-after"), "2");
    assert!(detail.contains("ask again"), "{detail}");
    http.get("/v1/accounts/studio/usage.csv").problem(503);
    wait_until("not ready", || ready(&http).0 == 503);
    let (_, told) = ready(&http);
    assert_eq!(told["status"], "failing", "{told}");
    assert!(
        told["parts"]["ledger"]["reason"].is_string() || told["parts"]["relay"]["reason"].is_string(),
        "{told}"
    );
    let secret = password(&url);
    assert!(secret.is_empty() || !told.to_string().contains(&secret), "{told}");
    assert_eq!(http.get("/livez").status, 200, "a restart would mend nothing");
    proxy.set(Network::Up);
    wait_until("ready again", || ready(&http).0 == 200);
    wait_until("answered again", || http.get("/v1/accounts/studio").status == 200);
    assert_eq!(http.get("/v1/accounts/studio/usage.csv").status, 200);
    assert!(secret.is_empty() || !daemon.log().contains(&secret));
    assert!(daemon.stop().success());
}

#[test]
fn while_the_broker_is_away_readiness_says_so_and_the_ledger_can_be_read() {
    let mut world = World::new();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    let url = world.broker_url.clone();
    let (_runtime, proxy, through) = wire(&url);
    world.broker_url = through;
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    wait_until("ready", || ready(&http).0 == 200);
    proxy.set(Network::Cut);
    wait_until("not ready", || ready(&http).0 == 503);
    let (_, told) = ready(&http);
    assert!(told["parts"]["intake"]["reason"].is_string(), "{told}");
    assert!(!told.to_string().contains(&password(&url)), "{told}");
    assert_eq!(http.get("/livez").status, 200);
    assert_eq!(http.get("/v1/accounts/studio").status, 200);
    proxy.set(Network::Up);
    wait_until("ready again", || ready(&http).0 == 200);
    assert!(!daemon.log().contains(&password(&url)));
    assert!(daemon.stop().success());
}
