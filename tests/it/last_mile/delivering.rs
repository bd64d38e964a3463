//! Alerts arrive once and in order, whatever is killed or sent again.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::http::{Answer, Endpoint, OK, Post};
use super::smtp::MailServer;
use super::{SECRET, account, alert, command, of, start, webhook};
use crate::proxy::{Network, Proxy};
use crate::support::{Daemon, World, wait_until};

/// Checks the signature as docs/consuming.md says.
fn is_signed(post: &Post) -> bool {
    let mut hmac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    hmac.update(format!("{}.{}", post.headers["creditd-timestamp"], post.body).as_bytes());
    post.headers["creditd-signature"] == format!("v1={:x}", hmac.finalize().into_bytes())
}

#[test]
fn an_alert_is_posted_as_it_was_published_and_mailed_to_people_once_and_in_order() {
    let world = World::new();
    let daemon = world.daemon();
    let (endpoint, mails) = (Endpoint::start(), MailServer::start());
    let mut arguments = webhook(&world, &endpoint);
    let mail = [
        "--mail-from",
        "creditd@example.com",
        "--mail-to",
        "Ann <ann@example.com>",
        "--mail-to",
        "bo@example.com",
    ];
    arguments.extend(mail.map(str::to_owned));
    arguments.extend(["--mail-server".to_owned(), mails.url()]);
    let consumer = start(&world, &arguments);
    account(&world, "studio/one");
    for number in 1..=4 {
        alert(&world, "studio/one", number);
    }
    assert_eq!(endpoint.wait_for_taken(4), of("studio/one", 1..=4));
    for post in endpoint.posts() {
        let id = post.event()["id"].as_str().unwrap().to_owned();
        assert_eq!(post.body, world.text(&["events", "show", &id, "--body"]), "byte for byte");
        assert_eq!(post.key(), format!("creditd/creditd/{id}"));
        assert_eq!(post.headers["content-type"], "application/cloudevents+json");
        assert!(is_signed(&post), "{post:?}");
    }

    let mails = mails.wait_for(4);
    assert_eq!(mails[0].recipients, ["ann@example.com", "bo@example.com"]);
    let text = &mails[0].text;
    assert!(text.contains("Subject: [warning] studio/one: 15 of 100 credits available\n"), "{text}");
    assert!(text.contains("\n  85 credits: of-studio/one, started\n"), "{text}");
    assert!(mails[3].text.contains("Subject: [resolved] studio/one: 100 of 100"), "{}", mails[3].text);
    wait_until("the last is written down", || {
        let file = world.file("state").join("studio%2Fone.json");
        std::fs::read_to_string(file).is_ok_and(|text| text.contains("\"last\": 4"))
    });

    let replayed =
        world.text(&["events", "replay", "--account", "studio/one", "--from", "1", "--type", "alert"]);
    assert!(replayed.ends_with("no queue took 0 of them\n"), "{replayed}");
    wait_until("all four come again", || consumer.count_in_log("dropped: it came before") == 4);
    alert(&world, "studio/one", 5);
    assert_eq!(endpoint.wait_for_taken(5), of("studio/one", 1..=5), "nothing is sent twice");
    let log = consumer.log();
    assert!(consumer.stop().success());
    assert!(!log.contains(SECRET) && !log.contains("s3cret"), "{log}");
    assert!(daemon.stop().success());
}

#[test]
fn an_alert_whose_delivery_was_cut_short_is_repeated_under_the_same_key() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    endpoint.answer(|_| Answer::Silence);
    let mut consumer = start(&world, &webhook(&world, &endpoint));
    account(&world, "studio");
    alert(&world, "studio", 1);
    let delivered = endpoint.wait_for_posts(1).remove(0);
    consumer.kill();

    endpoint.answer(|_| OK);
    let consumer = start(&world, &webhook(&world, &endpoint));
    let posts = endpoint.wait_for_posts(2);
    assert_eq!((posts[1].key(), &posts[1].body), (delivered.key(), &delivered.body));
    alert(&world, "studio", 2);
    assert_eq!(endpoint.wait_for_taken(2), of("studio", 1..=2));
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn a_lost_connection_to_the_broker_is_made_anew_and_loses_and_repeats_nothing() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url: url::Url = world.broker_url.parse().unwrap();
    let broker = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let proxy = runtime.block_on(Proxy::start(&broker, None));
    let through_proxy = world.broker_url.replace(&broker, &proxy.address.to_string());
    let log = world.file("alert-webhook.log");
    let consumer = Daemon::spawn(command(&world, &through_proxy, &webhook(&world, &endpoint)), &log);
    consumer.wait_for_log("waiting for alerts");
    account(&world, "studio");
    alert(&world, "studio", 1);
    endpoint.wait_for_taken(1);

    proxy.set(Network::Cut);
    alert(&world, "studio", 2);
    consumer.wait_for_log("no alerts for now");
    proxy.set(Network::Up);
    alert(&world, "studio", 3);
    assert_eq!(endpoint.wait_for_taken(3), of("studio", 1..=3));
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}
