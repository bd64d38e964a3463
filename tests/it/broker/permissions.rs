//! What `docs/operating.md` lets RabbitMQ's users do is enough for each, and no part of it is left over.

use std::fs;

use creditd::broker::{BrokerSettings, Destination, OutboundMessage, Publisher, Topology};
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde_json::json;

use crate::support::{Message, World, blocking, control_broker, servers, wait_until};

/// What a user may configure, write and read.
type Patterns = [String; 3];

/// The patterns that the document gives to `user`, where it first does so after these words.
fn documented(after: &str, user: &str) -> Patterns {
    let document = include_str!("../../../docs/operating.md");
    let (_, document) = document.split_once(after).unwrap_or_else(|| panic!("the document has {after}"));
    let command = format!("rabbitmqctl set_permissions -p / {user} ");
    let (_, after) = document.split_once(&command).unwrap_or_else(|| panic!("the document has {command}"));
    let line = after.lines().next().unwrap();
    let patterns: Vec<_> = line.split(' ').map(|one| one.trim_matches('\'').to_owned()).collect();
    patterns.try_into().unwrap_or_else(|_| panic!("three patterns: {line}"))
}

/// Each way of leaving one name out of one of the patterns.
fn with_one_name_less(patterns: &Patterns) -> Vec<Patterns> {
    let mut all = Vec::new();
    for (place, pattern) in patterns.iter().enumerate() {
        let names: Vec<_> = pattern.trim_matches(['^', '(', ')', '$']).split('|').collect();
        for left_out in names.iter().filter(|name| !name.is_empty()) {
            let kept: Vec<_> = names.iter().filter(|name| name != &left_out).copied().collect();
            let mut less = patterns.clone();
            less[place] = format!("^({})$", kept.join("|"));
            all.push(less);
        }
    }
    all
}

/// A user of RabbitMQ's in a world's vhost.
struct User {
    name: String,
    vhost: String,
    url: String,
}

impl User {
    fn new(world: &World, name: &str, patterns: &Patterns) -> Self {
        let (_, address) = world.broker_url.split_once('@').unwrap();
        let vhost = address.split_once('/').unwrap().1.to_owned();
        let name = format!("{name}-{vhost}");
        let url = format!("amqp://{name}:pw@{address}");
        control_broker(servers(), &["add_user", &name, "pw"]);
        let user = Self { name, vhost, url };
        user.may(patterns);
        user
    }

    fn may(&self, [configure, write, read]: &Patterns) {
        let names = ["-p", &self.vhost, &self.name];
        control_broker(servers(), &[&["set_permissions"][..], &names, &[configure, write, read]].concat());
    }

    /// Publishes something. Gives what was refused.
    fn publish(&self, world: &World, destination: Destination) -> Result<(), String> {
        let urls = vec![self.url.clone().into()];
        let settings = BrokerSettings { urls, topology: Topology::Check, ..world.broker_settings() };
        let message = OutboundMessage {
            routing_key: "account.changed".to_owned(),
            message_id: "1".to_owned(),
            content_type: "text/plain".to_owned(),
            headers: Vec::new(),
            body: b"from a user".to_vec(),
        };
        blocking(async {
            let publisher = Publisher::connect(&settings, destination).await;
            let mut publisher = publisher.map_err(|error| error.to_string())?;
            let done = publisher.publish_window(&[message]).await;
            done.map_err(|error| error.to_string())?;
            publisher.close().await;
            Ok(())
        })
    }

    /// Has a queue of its own take what is published to an exchange, and looks into it and into another queue.
    fn subscribe(&self, queue: &str, exchange: &str) -> Result<(), lapin::Error> {
        let none = FieldTable::default;
        blocking(async {
            let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            let durable = QueueDeclareOptions::durable();
            channel.queue_declare(queue.into(), durable, none()).await?;
            let bind = QueueBindOptions::default();
            channel.queue_bind(queue.into(), exchange.into(), "#".into(), bind, none()).await?;
            channel.basic_get(queue.into(), BasicGetOptions::default()).await.map(drop)
        })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        control_broker(servers(), &["delete_user", &self.name]);
    }
}

/// A daemon works as this user: it applies a message, and publishes its event.
fn assert_enough(world: &World, id: &str) {
    let daemon = world.daemon_named(id);
    world.publish(&[Message::account(id, id, 1, json!({ "capacity": 10 }))]);
    world.wait_for_messages(&[id]);
    world.wait_until_published();
    assert!(daemon.stop().success());
}

/// A daemon that may do less says so, whichever part it is.
fn assert_refused(world: &World, id: &str, patterns: &Patterns) {
    // Something to apply and to publish, as far as it comes.
    world.publish(&[Message::account(id, id, 1, json!({ "capacity": 10 }))]);
    let mut daemon = world.start_daemon("refused");
    wait_until(&format!("with {patterns:?}, it is refused"), || {
        assert!(daemon.is_running(), "{}", daemon.log());
        daemon.log().contains("ACCESS_REFUSED")
    });
    daemon.kill();
    fs::remove_file(world.file("refused.log")).unwrap();
}

/// The daemon's user, whose patterns fit a topology.
fn assert_least(topology: &str, documented: &Patterns) {
    let mut world = World::new();
    world.declare();
    world.set("CREDITD__BROKER__TOPOLOGY", topology);
    let user = User::new(&world, "creditd", documented);
    world.set("CREDITD__BROKER__URL", &user.url);
    assert_enough(&world, "first");
    let less = with_one_name_less(documented);
    assert!(less.len() >= 2, "{documented:?}");
    for (number, patterns) in less.iter().enumerate() {
        user.may(patterns);
        assert_refused(&world, &format!("less-{number}"), patterns);
    }
    user.may(documented);
    assert_enough(&world, "last");
    let refused = user.publish(&world, Destination::Inbound).unwrap_err();
    assert!(refused.contains("ACCESS_REFUSED"), "it can't make up messages: {refused}");
}

#[test]
fn a_daemon_that_makes_what_is_missing_needs_each_permission_and_no_more() {
    assert_least("declare", &documented("", "creditd"));
}

#[test]
fn a_daemon_that_only_looks_for_what_is_there_needs_each_permission_and_no_more() {
    assert_least("check", &documented("# or, with broker.topology = \"check\"", "creditd"));
}

#[test]
fn upstream_may_publish_projects_and_a_consumer_hear_events_and_neither_anything_else() {
    let world = World::new();
    world.declare();
    let upstream = User::new(&world, "upstream", &documented("", "upstream"));
    upstream.publish(&world, Destination::Inbound).unwrap();
    let refused = upstream.publish(&world, Destination::Events).unwrap_err();
    assert!(refused.contains("ACCESS_REFUSED"), "it can't make up events: {refused}");
    let is_refused = |tried: Result<(), lapin::Error>| {
        tried.is_err_and(|error| error.to_string().contains("ACCESS_REFUSED"))
    };
    assert!(is_refused(upstream.subscribe("analytics", "creditd.events")), "nor hear any");

    let consumer = User::new(&world, "analytics", &documented("", "analytics"));
    consumer.subscribe("analytics", "creditd.events").unwrap();
    for (queue, exchange) in [("creditd.projects", "creditd.events"), ("analytics", "projects")] {
        assert!(is_refused(consumer.subscribe(queue, exchange)), "{queue} of {exchange}");
    }
    for destination in [Destination::Inbound, Destination::Events] {
        let refused = consumer.publish(&world, destination).unwrap_err();
        assert!(refused.contains("ACCESS_REFUSED"), "it can't make up anything: {refused}");
    }
    for user in [&upstream, &consumer] {
        for patterns in with_one_name_less(&documented("", user.name.split('-').next().unwrap())) {
            user.may(&patterns);
            let tried = match user.name.starts_with("upstream") {
                true => user.publish(&world, Destination::Inbound).is_err(),
                false => is_refused(user.subscribe("analytics", "creditd.events")),
            };
            assert!(tried, "{patterns:?} would be enough");
        }
    }
}
