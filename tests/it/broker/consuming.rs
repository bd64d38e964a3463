//! Deliveries, acknowledgements, and how a consumer ends.

use std::collections::BTreeMap;

use creditd::broker::{BrokerError, BrokerSettings, Consumer, OutboundMessage, QueueDepth, queue_depth};
use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable},
};
use serde_json::{Value, json};

use super::{
    delete_queue, id, message, messages, next, operator, publish_inbound, settings, through_a_proxy,
};
use crate::proxy::{Network, Proxy, in_time};

#[tokio::test]
async fn each_disconnect_counts_as_a_delivery_and_no_number_of_them_drops_the_message() {
    let settings = settings();
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(1)).await;
    let first = next(&mut consumer).await;
    assert_eq!(first.redeliveries, 0);
    // RabbitMQ 4 drops at the 21st unless told otherwise.
    for disconnects in 1..=22 {
        consumer.acknowledger.close().await;
        consumer = Consumer::connect(&settings).await.unwrap();
        let again = next(&mut consumer).await;
        assert_eq!(again.redeliveries, disconnects);
        assert_eq!(again.raw.fingerprint(), first.raw.fingerprint());
    }
}

#[tokio::test]
async fn an_acknowledgement_covers_all_deliveries_before_it_and_none_after() {
    let settings = settings();
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(5)).await;
    let mut tags = Vec::new();
    for _ in 0..5 {
        tags.push(next(&mut consumer).await.tag);
    }
    consumer.acknowledger.acknowledge_through(tags[2]).await.unwrap();
    // Again, and an earlier one: the broker would end the channel over either.
    consumer.acknowledger.acknowledge_through(tags[2]).await.unwrap();
    consumer.acknowledger.acknowledge_through(tags[0]).await.unwrap();
    consumer.acknowledger.close().await;

    let mut successor = Consumer::connect(&settings).await.unwrap();
    let fourth = next(&mut successor).await;
    let fifth = next(&mut successor).await;
    assert_eq!((id(&fourth), id(&fifth)), ("m-3", "m-4"));
    successor.acknowledger.acknowledge_through(fifth.tag).await.unwrap();
    successor.acknowledger.close().await;
    assert_eq!(queue_depth(&settings).await.unwrap(), QueueDepth { ready: 0, consumers: 0 });
}

#[tokio::test]
async fn how_much_waits_is_seen_over_the_consumers_connection_and_a_refusal_leaves_it_consuming() {
    let settings = BrokerSettings { prefetch: 1, ..settings() };
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(3)).await;
    let first = next(&mut consumer).await;
    // The first is in hand.
    assert_eq!(consumer.queue.look().await.unwrap(), QueueDepth { ready: 2, consumers: 1 });
    let mut stands_by = Consumer::connect(&settings).await.unwrap();
    assert_eq!(stands_by.queue.look().await.unwrap(), QueueDepth { ready: 2, consumers: 1 });
    consumer.acknowledger.acknowledge_through(first.tag).await.unwrap();
    assert_eq!(id(&next(&mut consumer).await), "m-1");

    delete_queue(&settings.queue).await;
    let error = consumer.queue.look().await.unwrap_err();
    assert!(matches!(error, BrokerError::Missing { .. }), "{error}");
    assert!(consumer.acknowledger.health().is_connected());
    let again = consumer.queue.look().await.unwrap_err();
    assert!(matches!(again, BrokerError::Missing { .. }), "asked on a new channel: {again}");
}

#[tokio::test]
async fn what_a_closed_consumer_had_prefetched_goes_back_in_order() {
    let settings = BrokerSettings { prefetch: 10, ..settings() };
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    let mut successor = Consumer::connect(&settings).await.unwrap();
    // More than the prefetch: the successor must not see what waits behind it first.
    publish_inbound(&settings, &messages(20)).await;
    for _ in 0..10 {
        next(&mut consumer).await;
    }
    consumer.acknowledger.close().await;
    for number in 0..20 {
        let delivery = next(&mut successor).await;
        assert_eq!(id(&delivery), format!("m-{number}"));
        successor.acknowledger.acknowledge_through(delivery.tag).await.unwrap();
    }
}

#[tokio::test]
async fn a_consumer_stays_the_active_one_until_its_acknowledging_half_is_closed() {
    let settings = BrokerSettings { prefetch: 10, ..settings() };
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    let mut successor = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(20)).await;
    let mut last = next(&mut consumer).await;
    for _ in 1..10 {
        last = next(&mut consumer).await;
    }
    drop(consumer.deliveries);
    // By the time of this answer a cancel would have been sent, and the successor would have ten.
    assert_eq!(queue_depth(&settings).await.unwrap().ready, 10);
    consumer.acknowledger.acknowledge_through(last.tag).await.unwrap();
    // The room is filled by ten more, that nobody reads.
    while queue_depth(&settings).await.unwrap().ready > 0 {}
    consumer.acknowledger.close().await;
    for number in 10..20 {
        let delivery = next(&mut successor).await;
        assert_eq!((id(&delivery), delivery.redeliveries), (format!("m-{number}").as_str(), 1));
    }
}

#[tokio::test]
async fn no_more_than_the_prefetch_is_delivered_unacknowledged() {
    let settings = BrokerSettings { prefetch: 3, ..settings() };
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(5)).await;
    for _ in 0..2 {
        next(&mut consumer).await;
    }
    let third = next(&mut consumer).await;
    assert_eq!(queue_depth(&settings).await.unwrap(), QueueDepth { ready: 2, consumers: 1 });
    assert!(consumer.deliveries.next_if_ready().is_none());
    consumer.acknowledger.acknowledge_through(third.tag).await.unwrap();
    assert_eq!(id(&next(&mut consumer).await), "m-3");
}

#[tokio::test]
async fn a_second_consumer_stands_by_and_takes_over() {
    let settings = settings();
    let mut active = Consumer::connect(&settings).await.unwrap();
    let mut standing_by = Consumer::connect(&settings).await.unwrap();
    assert_eq!((active.consumers_before, standing_by.consumers_before), (0, 1));
    publish_inbound(&settings, &messages(2)).await;
    let first = next(&mut active).await;
    next(&mut active).await;
    assert!(standing_by.deliveries.next_if_ready().is_none());
    active.acknowledger.acknowledge_through(first.tag).await.unwrap();
    active.acknowledger.close().await;
    let second = next(&mut standing_by).await;
    assert_eq!((id(&second), second.redeliveries), ("m-1", 1));
}

#[tokio::test]
async fn a_deleted_queue_ends_the_consumer_with_an_error_and_the_next_one_declares_it_anew() {
    let settings = settings();
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    delete_queue(&settings.queue).await;
    let error = in_time(consumer.deliveries.next()).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::ConsumerCancelled { queue, .. } if *queue == settings.queue),
        "{error}"
    );
    assert!(!error.is_permanent());
    let again = in_time(consumer.deliveries.next()).await.unwrap_err();
    assert!(matches!(again, BrokerError::Closed { .. }), "{again}");

    let mut successor = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(1)).await;
    assert_eq!(id(&next(&mut successor).await), "m-0");
}

#[tokio::test]
async fn a_cut_connection_ends_the_consumer_with_an_error_and_nothing_can_be_acknowledged() {
    let (settings, proxy) = through_a_proxy("").await;
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(1)).await;
    let delivery = next(&mut consumer).await;
    proxy.set(Network::Cut);
    let error = in_time(consumer.deliveries.next()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Lost { .. }), "{error}");
    assert!(matches!(in_time(consumer.deliveries.next()).await, Err(BrokerError::Closed { .. })));
    in_time(consumer.acknowledger.acknowledge_through(delivery.tag)).await.unwrap_err();
    assert!(!consumer.acknowledger.health().is_connected());
    in_time(consumer.acknowledger.close()).await;
}

#[tokio::test]
async fn a_connection_or_channel_that_the_broker_ends_ends_the_consumer_with_its_reason() {
    for (end, reason) in [(Proxy::end_connection as fn(&Proxy), "bye"), (Proxy::end_channel, "late")] {
        let (settings, proxy) = through_a_proxy("").await;
        let mut consumer = Consumer::connect(&settings).await.unwrap();
        end(&proxy);
        let error = in_time(consumer.deliveries.next()).await.unwrap_err();
        assert!(matches!(error, BrokerError::Lost { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        let error = in_time(consumer.deliveries.next()).await.unwrap_err();
        assert!(matches!(error, BrokerError::Closed { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_noticed_by_its_missing_heartbeats() {
    let (settings, proxy) = through_a_proxy("?heartbeat=4").await;
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    proxy.set(Network::Silent);
    let error = in_time(consumer.deliveries.next()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_delivery_of_an_earlier_connection_is_not_acknowledged_on_a_new_one() {
    let settings = settings();
    let mut earlier = Consumer::connect(&settings).await.unwrap();
    publish_inbound(&settings, &messages(1)).await;
    let stale = next(&mut earlier).await;
    earlier.acknowledger.close().await;

    let mut consumer = Consumer::connect(&settings).await.unwrap();
    let error = consumer.acknowledger.acknowledge_through(stale.tag).await.unwrap_err();
    assert!(matches!(error, BrokerError::ForeignDelivery { .. }), "{error}");
    let fresh = next(&mut consumer).await;
    consumer.acknowledger.acknowledge_through(fresh.tag).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_not_utf8_where_amqp_wants_it_is_reported_as_such() {
    let (proxied, _proxy) = through_a_proxy("").await;
    let mut consumer = Consumer::connect(&proxied).await.unwrap();
    publish_inbound(&proxied, &[OutboundMessage { routing_key: "café".into(), ..message(0) }]).await;
    let error = in_time(consumer.deliveries.next()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Unreadable { .. }), "{error}");
    assert!(error.is_permanent());
}

fn every_amqp_type() -> BTreeMap<&'static str, (AMQPValue, Value)> {
    let mut inner = FieldTable::default();
    inner.insert("deep".into(), AMQPValue::Void);
    let items = FieldArray::from(vec![AMQPValue::LongInt(1), AMQPValue::Boolean(false)]);
    BTreeMap::from([
        ("boolean", (AMQPValue::Boolean(true), json!(true))),
        ("i8", (AMQPValue::ShortShortInt(i8::MIN), json!(i8::MIN))),
        ("u8", (AMQPValue::ShortShortUInt(u8::MAX), json!(u8::MAX))),
        ("i16", (AMQPValue::ShortInt(i16::MIN), json!(i16::MIN))),
        ("u16", (AMQPValue::ShortUInt(u16::MAX), json!(u16::MAX))),
        ("i32", (AMQPValue::LongInt(i32::MIN), json!(i32::MIN))),
        ("u32", (AMQPValue::LongUInt(u32::MAX), json!(u32::MAX))),
        ("i64", (AMQPValue::LongLongInt(i64::MIN), json!(i64::MIN))),
        ("f32", (AMQPValue::Float(0.5), json!(0.5))),
        ("f64", (AMQPValue::Double(0.1), json!(0.1))),
        (
            "decimal",
            (AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 123 }), json!({"decimal": "123e-2"})),
        ),
        ("text", (AMQPValue::LongString("grün".into()), json!("grün"))),
        ("not text", (AMQPValue::LongString(vec![0xff, 0].into()), json!({"hex": "ff00"}))),
        ("bytes", (AMQPValue::ByteArray(ByteArray::from(vec![0xca, 0xfe])), json!({"hex": "cafe"}))),
        ("array", (AMQPValue::FieldArray(items), json!([1, false]))),
        ("timestamp", (AMQPValue::Timestamp(1_700_000_000), json!(1_700_000_000))),
        ("table", (AMQPValue::FieldTable(inner), json!({"deep": null}))),
        ("void", (AMQPValue::Void, json!(null))),
    ])
}

#[tokio::test]
async fn headers_of_every_type_and_all_properties_survive() {
    let settings = settings();
    let mut consumer = Consumer::connect(&settings).await.unwrap();
    let mut headers = FieldTable::default();
    for (name, (sent, _)) in every_amqp_type() {
        headers.insert(name.into(), sent);
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("identity".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("c-1".into())
        .with_reply_to("answers".into())
        .with_expiration("600000".into())
        .with_message_id("m-1".into())
        .with_timestamp(1_700_000_001)
        .with_type("project.amended.v1".into())
        .with_app_id("upstream".into())
        .with_cluster_id("c\0".into());
    let (_connection, channel) = operator().await;
    let exchange = settings.inbound_exchange.as_str().into();
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(exchange, "project.amended".into(), options, b"\0\xff{}", properties)
        .await
        .unwrap();

    let raw = next(&mut consumer).await.raw;
    assert_eq!(raw.routing_key, "project.amended");
    assert_eq!(raw.content_type.as_deref(), Some("application/json"));
    assert_eq!(raw.body, b"\0\xff{}");
    for (name, (_, expected)) in every_amqp_type() {
        assert_eq!(raw.headers.get(name), Some(&expected), "{name}");
    }
    assert_eq!(raw.headers.len(), every_amqp_type().len());
    let expected = json!({
        "content_encoding": "identity", "delivery_mode": 2, "priority": 3, "correlation_id": "c-1",
        "reply_to": "answers", "expiration": "600000", "message_id": "m-1", "timestamp": 1_700_000_001,
        "type": "project.amended.v1", "app_id": "upstream", "cluster_id": {"hex": "6300"},
    });
    assert_eq!(Value::Object(raw.properties), expected);
}
