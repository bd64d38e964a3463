//! Publishing in windows, each message confirmed by the broker.
//!
//! Confirms belong to a channel and not to a caller: whoever publishes owns its [`Publisher`] alone. Only
//! lapin's `Ack` counts as accepted, and each confirm is looked at by itself: its `wait_for_confirms`
//! reports success even when the broker rejected everything.

use std::{collections::HashSet, future::poll_fn, pin::pin, task::Poll, time::Duration};

use futures_util::{FutureExt as _, future::maybe_done};
use lapin::{
    BasicProperties, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use thiserror::Error;
use tokio::time::timeout;

use super::{
    BrokerError, BrokerSettings, Health,
    connection::{Session, short_string},
    topology,
};

/// How long a publish or a confirm may take while the broker accepts messages.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// How often a waiting step looks whether the broker has blocked publishers.
const BLOCKED_CHECK: Duration = Duration::from_secs(1);

const PERSISTENT: u8 = 2;

const CLOUD_EVENT: &str = "application/cloudevents+json";

/// The exchange that a publisher sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `broker.events_exchange`: what creditd tells the world.
    Events,
    /// `broker.inbound_exchange`: what upstream sends; the demo's stream and the tests play upstream.
    Inbound,
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMessage {
    /// At most 255 bytes.
    pub routing_key: String,
    /// At most 255 bytes. Of several with one id in a window, one at most is counted as unroutable.
    pub message_id: String,
    /// The media type, at most 255 bytes.
    pub content_type: String,
    /// Headers, all of them strings; names of at most 255 bytes.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl OutboundMessage {
    /// A CloudEvent in structured mode.
    pub fn cloud_event(routing_key: String, message_id: String, body: Vec<u8>) -> Self {
        Self { routing_key, message_id, content_type: CLOUD_EVENT.to_owned(), headers: Vec::new(), body }
    }
}

/// A window that the broker has accepted as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// How many of its messages no queue took. The broker accepts those and drops them.
    pub unroutable: usize,
}

/// A window that was not accepted as a whole. The publisher has been closed: connect anew and publish again
/// from the first message that is not among `confirmed`. Later ones may have been accepted nevertheless.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The broker rejected a message, as a queue does that is full.
    #[error(
        "the broker rejected a message after {confirmed} of its window: is a queue full that the exchange \
         feeds?"
    )]
    Refused {
        /// How many messages from the window's beginning were accepted without a gap.
        confirmed: usize,
    },
    /// The broker did not say whether it has a message.
    #[error("the broker did not confirm a message within {} s, after {confirmed} of its window", .limit.as_secs())]
    Unconfirmed {
        /// How many messages from the window's beginning were accepted without a gap.
        confirmed: usize,
        /// How long was waited, time in which the broker blocked publishers not counted.
        limit: Duration,
    },
    /// The connection ended, or a message could not be sent at all.
    #[error("{error} (after {confirmed} confirmed messages)")]
    Lost {
        /// How many messages from the window's beginning were accepted without a gap.
        confirmed: usize,
        /// Why.
        error: BrokerError,
    },
}

impl PublishError {
    /// How many messages from the window's beginning the broker has for sure.
    pub fn confirmed(&self) -> usize {
        match self {
            Self::Refused { confirmed }
            | Self::Unconfirmed { confirmed, .. }
            | Self::Lost { confirmed, .. } => *confirmed,
        }
    }
}

/// A connection that publishes to one exchange.
pub struct Publisher {
    session: Session,
    exchange: ShortString,
    step_limit: Duration,
    /// A window was begun and not confirmed as a whole: what the broker has is no longer known.
    spent: bool,
}

impl Publisher {
    /// Connects, makes or finds the exchange, and has the broker confirm what is published.
    pub async fn connect(settings: &BrokerSettings, destination: Destination) -> Result<Self, BrokerError> {
        let exchange = match destination {
            Destination::Events => &settings.events_exchange,
            Destination::Inbound => &settings.inbound_exchange,
        };
        let name = short_string("the exchange's name", exchange)?;
        let session = Session::open_to_publish(&settings.urls, &format!("publishing to {exchange}")).await?;
        let prepared = session.set_up(async {
            topology::prepare_exchange(&session, settings.topology, exchange).await?;
            session
                .channel
                .confirm_select(ConfirmSelectOptions::default())
                .await
                .map_err(|error| BrokerError::losing(&session.broker, "asking for confirms", &error))
        });
        if let Err(error) = prepared.await {
            session.close().await;
            return Err(error);
        }
        Ok(Self { session, exchange: name, step_limit: STEP_LIMIT, spent: false })
    }

    /// Waits that long for each publish and each confirm, in place of 30 seconds.
    #[must_use]
    pub fn with_step_limit(mut self, limit: Duration) -> Self {
        self.step_limit = limit;
        self
    }

    /// Publishes the messages in their order and waits until the broker has confirmed each.
    ///
    /// While the broker blocks publishers this waits, as long as the connection lives: a new connection would
    /// be blocked as well, and the old one could not even be closed. [`Health::is_blocked`] tells.
    ///
    /// Where the waiting is given up, the publisher is spent, as after an error.
    pub async fn publish_window(&mut self, window: &[OutboundMessage]) -> Result<Published, PublishError> {
        if self.spent {
            let error = BrokerError::Closed { broker: self.session.broker.clone() };
            return Err(PublishError::Lost { confirmed: 0, error });
        }
        self.spent = true;
        let outcome = self.publish_and_confirm(window).await;
        match outcome {
            Ok(_) => self.spent = false,
            // Order is lost from the first rejected message on, and lapin keeps confirms that nobody takes.
            Err(_) => self.session.close().await,
        }
        outcome
    }

    async fn publish_and_confirm(&self, window: &[OutboundMessage]) -> Result<Published, PublishError> {
        let mut sendings = Vec::with_capacity(window.len());
        let mut unsent = None;
        for message in window {
            match self.sending(message) {
                Ok(sending) => sendings.push(Box::pin(maybe_done(sending))),
                Err(error) => {
                    unsent = Some(Failure::Lost(error));
                    break;
                }
            }
        }
        // lapin hands a message to its thread when it is first asked for, and has it written by the second time. All are
        // handed over in their order first: else that thread would be woken for each, and wake this one again.
        poll_fn(|context| {
            for sending in &mut sendings {
                // It keeps what came of it.
                let _ = sending.as_mut().poll(context);
            }
            Poll::Ready(())
        })
        .await;
        let mut confirms = Vec::with_capacity(window.len());
        for mut sending in sendings {
            let sent = self.step("publishing", sending.as_mut().map(Ok)).await.and_then(|()| {
                let outcome = sending.as_mut().take_output().expect("it was waited for");
                outcome.map_err(|error| self.lost("publishing", &error))
            });
            match sent {
                Ok(confirm) => confirms.push(confirm),
                Err(failure) => {
                    unsent = Some(failure);
                    break;
                }
            }
        }

        let sent = confirms.len();
        let mut returned = HashSet::new();
        for (confirmed, confirm) in confirms.into_iter().enumerate() {
            let confirmation = self.step("waiting for a confirm", confirm).await;
            match confirmation.map_err(|failure| failure.after(confirmed))? {
                // The broker returns what no queue takes, and accepts it. lapin hands a returned message out
                // with whichever confirm comes next, so it is known by its id alone.
                Confirmation::Ack(unroutable) => returned.extend(unroutable.map(|found| message_id(&found))),
                Confirmation::Nack(_) | Confirmation::NotRequested => {
                    return Err(PublishError::Refused { confirmed });
                }
            }
        }
        match unsent {
            Some(failure) => Err(failure.after(sent)),
            None => Ok(Published { unroutable: returned.len() }),
        }
    }

    /// Publishes a message, as soon as it is polled.
    fn sending<'m>(
        &'m self,
        message: &'m OutboundMessage,
    ) -> Result<impl Future<Output = lapin::Result<PublisherConfirm>> + 'm, BrokerError> {
        let routing_key = short_string("the routing key", &message.routing_key)?;
        let properties = properties(message)?;
        // Mandatory: the broker says so when no queue takes the message.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let channel = &self.session.channel;
        Ok(channel.basic_publish(self.exchange.clone(), routing_key, options, &message.body, properties))
    }

    fn lost(&self, doing: &'static str, error: &lapin::Error) -> Failure {
        Failure::Lost(BrokerError::losing(&self.session.broker, doing, error))
    }

    /// Waits for one step of a window. Time in which the broker blocks publishers does not count: publishing
    /// hangs then, and goes on by itself.
    async fn step<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Failure> {
        let mut work = pin!(work);
        let mut left = self.step_limit;
        while !left.is_zero() {
            let pause = BLOCKED_CHECK.min(left);
            if let Ok(outcome) = timeout(pause, &mut work).await {
                return outcome.map_err(|error| self.lost(doing, &error));
            }
            if !self.health().is_blocked() {
                left = left.saturating_sub(pause);
            }
        }
        Err(Failure::TimedOut { limit: self.step_limit })
    }

    /// The state of the connection, to be looked at while a window is under way.
    pub fn health(&self) -> Health {
        self.session.health()
    }

    /// Ends the connection within a few seconds.
    pub async fn close(self) {
        self.session.close().await;
    }
}

/// Why one step of a window failed.
enum Failure {
    TimedOut { limit: Duration },
    Lost(BrokerError),
}

impl Failure {
    fn after(self, confirmed: usize) -> PublishError {
        match self {
            Self::TimedOut { limit } => PublishError::Unconfirmed { confirmed, limit },
            Self::Lost(error) => PublishError::Lost { confirmed, error },
        }
    }
}

fn properties(message: &OutboundMessage) -> Result<BasicProperties, BrokerError> {
    let properties = BasicProperties::default()
        .with_content_type(short_string("the content type", &message.content_type)?)
        .with_message_id(short_string("the message id", &message.message_id)?)
        .with_delivery_mode(PERSISTENT);
    if message.headers.is_empty() {
        return Ok(properties);
    }
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        headers.insert(short_string("a header's name", name)?, AMQPValue::LongString(value.as_str().into()));
    }
    Ok(properties.with_headers(headers))
}

fn message_id(returned: &BasicReturnMessage) -> String {
    returned.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}
