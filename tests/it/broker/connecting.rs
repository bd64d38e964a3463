//! What is refused when connecting, and how it is said.

use creditd::broker::{BrokerError, BrokerSettings, Consumer, Destination, Publisher, Topology, queue_depth};
use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};

use super::{id, messages, next, operator, publish_inbound, settings, through_a_proxy, url_with};
use crate::proxy::Network;

#[tokio::test]
async fn a_wrong_password_is_a_permanent_error_that_does_not_show_it() {
    let urls = vec![url_with(Some("guest:s3cret"), None, None).into()];
    let error = Consumer::connect(&BrokerSettings { urls, ..settings() }).await.err().unwrap();
    assert!(matches!(error, BrokerError::CredentialsRefused { .. }), "{error}");
    assert!(error.is_permanent());
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    assert!(error.to_string().contains("guest@"), "{error}");
}

#[tokio::test]
async fn a_missing_vhost_is_a_permanent_error_and_an_unreachable_broker_is_not() {
    let urls = vec![url_with(None, None, Some("nowhere")).into()];
    let error = Consumer::connect(&BrokerSettings { urls, ..settings() }).await.err().unwrap();
    assert!(matches!(error, BrokerError::VhostRefused { .. }), "{error}");
    assert!(error.is_permanent());

    let (unreachable, proxy) = through_a_proxy("").await;
    proxy.set(Network::Cut);
    let error = Publisher::connect(&unreachable, Destination::Events).await.err().unwrap();
    assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn of_several_brokers_the_first_that_answers_is_used() {
    let (unreachable, proxy) = through_a_proxy("").await;
    proxy.set(Network::Cut);
    let [away] = &unreachable.urls[..] else { unreachable!() };
    let refusing = url_with(Some("guest:s3cret"), None, None).into();
    let urls = [away, &refusing, &settings().urls[0]].map(Clone::clone).to_vec();
    let consumer = Consumer::connect(&BrokerSettings { urls, ..settings() }).await.unwrap();
    consumer.acknowledger.close().await;

    let urls = vec![away.clone(), refusing];
    let error = Consumer::connect(&BrokerSettings { urls, ..settings() }).await.err().unwrap();
    let said = error.to_string();
    assert!(said.contains("cannot connect") && said.contains("; ") && said.contains("guest@"), "{said}");
    assert!(!error.is_permanent(), "one of them may come back");
}

#[tokio::test]
async fn a_check_names_all_that_is_missing_and_is_content_with_what_is_there() {
    let declaring = settings();
    let checking = BrokerSettings { topology: Topology::Check, ..declaring.clone() };
    let error = Consumer::connect(&checking).await.err().unwrap();
    assert!(error.is_permanent());
    let text = error.to_string();
    assert!(text.contains(&declaring.inbound_exchange) && text.contains(&declaring.queue), "{text}");
    let error = Publisher::connect(&checking, Destination::Events).await.err().unwrap();
    assert!(error.to_string().contains(&declaring.events_exchange), "{error}");
    let error = queue_depth(&checking).await.unwrap_err();
    assert!(error.to_string().contains(&declaring.queue), "{error}");

    Consumer::connect(&declaring).await.unwrap().acknowledger.close().await;
    Publisher::connect(&declaring, Destination::Events).await.unwrap().close().await;
    let mut consumer = Consumer::connect(&checking).await.unwrap();
    Publisher::connect(&checking, Destination::Events).await.unwrap();
    publish_inbound(&checking, &messages(1)).await;
    assert_eq!(id(&next(&mut consumer).await), "m-0");
}

#[tokio::test]
async fn an_exchange_or_queue_of_another_form_is_a_permanent_error_that_names_it() {
    let settings = settings();
    let (_connection, channel) = operator().await;
    let queue = ShortString::from(settings.queue.as_str());
    channel.queue_declare(queue, QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let error = Consumer::connect(&settings).await.err().unwrap();
    assert!(matches!(error, BrokerError::Mismatch { .. }), "{error}");
    assert!(error.is_permanent() && error.to_string().contains(&settings.queue), "{error}");

    let exchange = ShortString::from(settings.events_exchange.as_str());
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange, ExchangeKind::Fanout, durable, FieldTable::default()).await.unwrap();
    let error = Publisher::connect(&settings, Destination::Events).await.err().unwrap();
    assert!(matches!(error, BrokerError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains(&settings.events_exchange), "{error}");
}
