//! Windows, confirms, and how a publisher ends.

use std::time::Duration;

use creditd::broker::{BrokerError, BrokerSettings, Consumer, Destination, PublishError, Publisher};
use futures_util::FutureExt as _;
use lapin::types::{AMQPValue, FieldTable};

use super::{bind_to_events, id, messages, next, publish_inbound, settings, through_a_proxy, until};
use crate::proxy::{Network, in_time};

#[tokio::test]
async fn a_publisher_whose_window_was_given_up_is_spent() {
    let settings = settings();
    let mut publisher = Publisher::connect(&settings, Destination::Events).await.unwrap();
    let window = messages(2);
    let given_up = publisher.publish_window(&window).now_or_never();
    assert!(given_up.is_none());
    let error = in_time(publisher.publish_window(&window)).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Lost { confirmed: 0, error: BrokerError::Closed { .. } }),
        "{error}"
    );
}

#[tokio::test]
async fn a_window_arrives_whole_in_order_and_with_its_headers() {
    let settings = BrokerSettings { prefetch: 5000, ..settings() };
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    let mut window = messages(2000);
    window[7].headers.push(("ce-type".into(), "project.amended.v1".into()));
    publish_inbound(&settings, &window).await;
    for (number, sent) in window.iter().enumerate() {
        let delivery = next(&mut consumer).await;
        assert_eq!(id(&delivery), format!("m-{number}"));
        assert_eq!(delivery.raw.body, sent.body);
        assert_eq!(delivery.raw.content_type.as_deref(), Some("application/cloudevents+json"));
        assert_eq!(delivery.raw.headers.contains_key("ce-type"), number == 7);
    }
}

#[tokio::test]
async fn events_that_no_queue_takes_are_counted_and_confirmed() {
    let settings = settings();
    let mut publisher = Publisher::connect(&settings, Destination::Events).await.unwrap();
    assert_eq!(publisher.publish_window(&messages(50)).await.unwrap().unroutable, 50);
    bind_to_events(&settings, "taken.#", FieldTable::default()).await;
    let mut window = messages(90);
    for taken in window.iter_mut().step_by(3) {
        taken.routing_key = "taken.acc-1".into();
    }
    assert_eq!(publisher.publish_window(&window).await.unwrap().unroutable, 60);
    assert_eq!(publisher.publish_window(&window[..1]).await.unwrap().unroutable, 0);
    publisher.close().await;
}

#[tokio::test]
async fn a_rejected_event_ends_the_window_after_those_that_were_accepted_before_it() {
    let settings = settings();
    let mut publisher = Publisher::connect(&settings, Destination::Events).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    bind_to_events(&settings, "project.#", arguments).await;

    // One that no queue takes, one that fills the queue, one that is rejected, and one that is accepted late.
    let mut window = messages(4);
    window[0].routing_key = "elsewhere".into();
    window[3].routing_key = "elsewhere".into();
    let error = publisher.publish_window(&window).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { confirmed: 2 }), "{error}");
    assert!(!publisher.health().is_connected());
    let error = in_time(publisher.publish_window(&window)).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Lost { confirmed: 0, error: BrokerError::Closed { .. } }),
        "{error}"
    );
}

#[tokio::test]
async fn a_confirm_that_does_not_come_ends_the_window() {
    let (settings, proxy) = through_a_proxy("?heartbeat=60").await;
    let mut publisher = Publisher::connect(&settings, Destination::Events).await.unwrap();
    publisher.publish_window(&messages(3)).await.unwrap();
    proxy.set(Network::Silent);
    let mut publisher = publisher.with_step_limit(Duration::from_millis(200));
    let error = in_time(publisher.publish_window(&messages(3))).await.unwrap_err();
    assert!(matches!(error, PublishError::Unconfirmed { confirmed: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_cut_connection_ends_the_window_with_an_error() {
    let (settings, proxy) = through_a_proxy("").await;
    let mut publisher = Publisher::connect(&settings, Destination::Events).await.unwrap();
    proxy.set(Network::Cut);
    let error = in_time(publisher.publish_window(&messages(3))).await.unwrap_err();
    assert!(matches!(error, PublishError::Lost { confirmed: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_window_waits_while_the_broker_blocks_publishers_and_then_goes_on() {
    let (settings, proxy) = through_a_proxy("").await;
    let publisher = Publisher::connect(&settings, Destination::Events).await.unwrap();
    // Long enough for a busy machine to confirm within it.
    let limit = Duration::from_secs(5);
    let mut publisher = publisher.with_step_limit(limit);
    let health = publisher.health();
    proxy.block();
    in_time(until(|| health.is_blocked())).await;

    let window = messages(3);
    let mut publishing = Box::pin(publisher.publish_window(&window));
    tokio::time::timeout(2 * limit, &mut publishing).await.expect_err("it does not give up while blocked");
    proxy.unblock();
    assert_eq!(in_time(&mut publishing).await.unwrap().unroutable, 3);
    drop(publishing);

    proxy.block();
    in_time(until(|| health.is_blocked())).await;
    // A close is not answered now, and must not hang.
    in_time(publisher.close()).await;
}
