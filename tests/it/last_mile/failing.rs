//! Servers that are away, and servers that refuse.

use std::sync::Mutex;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use super::http::{Answer, Endpoint, OK};
use super::smtp::MailServer;
use super::{account, alert, aside, command, of, start, webhook};
use crate::support::{World, blocking, wait_until};

#[test]
fn an_account_whose_webhook_fails_keeps_its_order_and_nobody_else_waits() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    let failures =
        Mutex::new([503, 429, 408].map(Answer::Status).into_iter().chain([Answer::HangUp]).cycle());
    endpoint.answer(move |post| match post.account().as_str() {
        "studio" => failures.lock().unwrap().next().unwrap(),
        _ => OK,
    });
    let arguments = webhook(&world, &endpoint);
    let consumer = start(&world, &arguments);
    account(&world, "studio");
    account(&world, "film");
    alert(&world, "studio", 1);
    alert(&world, "studio", 2);
    alert(&world, "film", 1);
    alert(&world, "film", 2);
    assert_eq!(endpoint.wait_for_taken(2), of("film", 1..=2));
    wait_until("every failure was tried again", || consumer.count_in_log("not delivered yet") >= 4);
    assert!(consumer.stop().success(), "a webhook that is away keeps nothing from stopping");

    let consumer = start(&world, &arguments);
    endpoint.answer(|_| OK);
    assert_eq!(endpoint.wait_for_taken(4)[2..], of("studio", 1..=2));
    assert!(aside(&world).is_empty());
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn what_a_webhook_refuses_is_set_aside_once_and_the_next_goes_on() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    endpoint.answer(|post| if post.sequence() == 1 { Answer::Status(422) } else { OK });
    let arguments = webhook(&world, &endpoint);
    let consumer = start(&world, &arguments);
    account(&world, "studio");
    alert(&world, "studio", 1);
    alert(&world, "studio", 2);
    assert_eq!(endpoint.wait_for_taken(1), of("studio", [2]));
    assert!(consumer.stop().success());
    let consumer = start(&world, &arguments);
    alert(&world, "studio", 3);
    endpoint.wait_for_taken(2);
    assert_eq!(endpoint.posts().len(), 3, "what was refused is not posted again");
    let [line] = &aside(&world)[..] else { panic!("one is set aside: {:?}", aside(&world)) };
    assert_eq!((&line["destination"], &line["sequence"]), (&"webhook".into(), &1.into()));
    assert_eq!(line["reason"], "it answered 422 Unprocessable Entity: said the test");
    assert_eq!(line["event"], endpoint.posts()[0].body);
    consumer.wait_for_log("set aside, and the next one goes on");
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn what_fails_for_too_long_is_set_aside_and_the_next_goes_on() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    endpoint.answer(|post| if post.sequence() == 1 { Answer::Status(500) } else { OK });
    let mut arguments = webhook(&world, &endpoint);
    arguments.extend(["--give-up-after-s", "1"].map(str::to_owned));
    let consumer = start(&world, &arguments);
    account(&world, "studio");
    alert(&world, "studio", 1);
    alert(&world, "studio", 2);
    assert_eq!(endpoint.wait_for_taken(1), of("studio", [2]));
    let reason = aside(&world)[0]["reason"].as_str().unwrap().to_owned();
    assert_eq!(reason, "given up after 1 s: it answered 500 Internal Server Error");
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn a_mail_that_is_refused_for_good_is_set_aside_and_one_that_is_not_is_tried_again() {
    let world = World::new();
    let daemon = world.daemon();
    let (endpoint, mails) = (Endpoint::start(), MailServer::start());
    mails.refuse(vec!["450 try later", "535 who are you?", "550 no such person"]);
    let mut arguments = webhook(&world, &endpoint);
    let mail =
        ["--mail-from", "creditd@example.com", "--mail-to", "ann@example.com", "--mail-server", &mails.url()];
    arguments.extend(mail.map(str::to_owned));
    let consumer = start(&world, &arguments);
    account(&world, "studio");
    alert(&world, "studio", 1);
    alert(&world, "studio", 2);
    let came = mails.wait_for(1);
    assert!(came[0].text.contains("Subject: [resolved] studio"), "{}", came[0].text);
    let [line] = &aside(&world)[..] else { panic!("one is set aside: {:?}", aside(&world)) };
    assert_eq!((&line["destination"], &line["sequence"]), (&"mail".into(), &1.into()));
    assert!(line["reason"].as_str().unwrap().contains("no such person"), "{line}");
    assert_eq!(consumer.count_in_log("not delivered yet"), 2);
    assert_eq!(endpoint.wait_for_taken(2), of("studio", 1..=2), "the webhook had it once");
    assert_eq!(endpoint.posts().len(), 2);
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn what_is_no_alert_is_set_aside_and_stops_nobody() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    let consumer = start(&world, &webhook(&world, &endpoint));
    account(&world, "studio");
    blocking(async {
        let connection = Connection::connect(&world.broker_url, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish("creditd.events".into(), "credits.alert.x".into(), options, b"hello", properties)
            .await
            .unwrap();
        connection.close(200, "done".into()).await.unwrap();
    });
    alert(&world, "studio", 1);
    assert_eq!(endpoint.wait_for_taken(1), of("studio", [1]));
    let [line] = &aside(&world)[..] else { panic!("one is set aside: {:?}", aside(&world)) };
    assert_eq!((&line["event"], &line["account_id"]), (&"hello".into(), &serde_json::Value::Null));
    assert!(line["reason"].as_str().unwrap().starts_with("it is no alert: "), "{line}");
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn settings_that_lead_nowhere_are_refused_before_anything_is_taken() {
    let world = World::new();
    let endpoint = Endpoint::start();
    let told = |arguments: &[String]| {
        let output = command(&world, &world.broker_url, arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = told(&[]);
    assert_eq!(code, 2);
    assert!(said.contains("--webhook-url") && said.contains("--mail-server"), "{said}");
    let (code, said) = told(&["--webhook-url".to_owned(), endpoint.url()]);
    assert_eq!(code, 2);
    assert!(said.contains("--webhook-secret-file"), "{said}");
    let (code, said) = told(&["--mail-server".to_owned(), "smtp://localhost".to_owned()]);
    assert_eq!(code, 2);
    assert!(said.contains("--mail-from") && said.contains("--mail-to"), "{said}");
    let arguments = webhook(&world, &endpoint);
    std::fs::write(world.file("secret"), "\n").unwrap();
    let (code, said) = told(&arguments);
    assert_eq!(code, 1);
    assert!(said.contains("it is empty, and nobody could check the signature"), "{said}");
    let mut arguments = webhook(&world, &endpoint);
    arguments[1] = "ftp://localhost/alerts".to_owned();
    let (code, said) = told(&arguments);
    assert_eq!(code, 1);
    assert!(said.contains("only https: or http: will do"), "{said}");
    let arguments = webhook(&world, &endpoint);
    let output = command(&world, "http://creditd:s3cret@localhost", &arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("is not amqp://user:password@host") && !said.contains("s3cret"), "{said}");
}
