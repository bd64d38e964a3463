//! The broker module against a real RabbitMQ. Each test has exchanges and a queue of its own.

mod connecting;
mod consuming;
mod permissions;
mod publishing;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use creditd::broker::{
    BrokerSettings, Consumer, Delivery, Destination, OutboundMessage, Publisher, Topology,
};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{FieldTable, ShortString},
};

use crate::proxy::{Proxy, in_time};
use crate::support::servers;

/// The broker of the test run: `amqp://user:password@host:port/vhost`.
fn test_broker_url() -> String {
    servers().endpoints().broker_url.clone()
}

fn settings() -> BrokerSettings {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let own = format!("{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
    BrokerSettings {
        urls: vec![test_broker_url().into()],
        inbound_exchange: format!("projects-{own}"),
        queue: format!("creditd.projects-{own}"),
        events_exchange: format!("creditd.events-{own}"),
        topology: Topology::Declare,
        prefetch: 100,
    }
}

/// The broker's URL in other words: `amqp://{credentials}@{host}/{vhost}`.
fn url_with(credentials: Option<&str>, host: Option<&str>, vhost: Option<&str>) -> String {
    let url = test_broker_url();
    let (user, rest) = url.strip_prefix("amqp://").unwrap().split_once('@').unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    format!("amqp://{}@{}/{}", credentials.unwrap_or(user), host.unwrap_or(address), vhost.unwrap_or(path))
}

/// Settings that reach the broker through a proxy.
async fn through_a_proxy(options: &str) -> (BrokerSettings, Proxy) {
    let url = test_broker_url();
    let host = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let proxy = Proxy::start(host, Some((b"caf\xc3\xa9".to_vec(), b"caf\xe9\xe9".to_vec()))).await;
    let mut proxied = settings();
    let url = url_with(None, Some(&proxy.address.to_string()), None);
    proxied.urls = vec![format!("{url}{options}").into()];
    (proxied, proxy)
}

/// What an operator does by other means.
async fn operator() -> (Connection, Channel) {
    let connection = Connection::connect(&test_broker_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn delete_queue(queue: &str) {
    let (_connection, channel) = operator().await;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
}

/// Binds a queue to the events exchange, so that events have somewhere to go.
async fn bind_to_events(settings: &BrokerSettings, key: &str, arguments: FieldTable) {
    let (_connection, channel) = operator().await;
    let queue = ShortString::from(format!("listener-{}", settings.events_exchange));
    let exchange = ShortString::from(settings.events_exchange.as_str());
    channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    channel
        .queue_bind(queue, exchange, key.into(), QueueBindOptions::default(), FieldTable::default())
        .await
        .unwrap();
}

fn message(number: usize) -> OutboundMessage {
    OutboundMessage::cloud_event(
        "project.status_changed".into(),
        format!("m-{number}"),
        format!("{{\"n\":{number}}}").into_bytes(),
    )
}

fn messages(count: usize) -> Vec<OutboundMessage> {
    (0..count).map(message).collect()
}

/// Publishes to the inbound exchange as upstream does.
async fn publish_inbound(settings: &BrokerSettings, messages: &[OutboundMessage]) {
    let mut upstream = Publisher::connect(settings, Destination::Inbound).await.unwrap();
    let published = upstream.publish_window(messages).await.unwrap();
    assert_eq!(published.unroutable, 0);
    upstream.close().await;
}

async fn next(consumer: &mut Consumer) -> Delivery {
    in_time(consumer.deliveries.next()).await.unwrap()
}

fn id(delivery: &Delivery) -> &str {
    delivery.raw.properties["message_id"].as_str().unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
