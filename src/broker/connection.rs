//! One connection with one channel, opened and closed within time limits.

use std::{fmt, slice, time::Duration};

use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, runtime,
    types::ShortString,
    uri::{AMQPAuthority, AMQPScheme, AMQPUri},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tracing::{debug, info};
use url::Url;

use super::{BrokerError, tls::TlsFiles};

/// TCP, TLS and AMQP handshakes together. The URL's own `connection_timeout` is ignored by lapin.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Everything between the handshakes and the first delivery. A quorum queue without a majority answers late
/// or never.
const SETUP_LIMIT: Duration = Duration::from_secs(30);

/// A close is courtesy: a broker that blocks publishers does not read it.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// A lost peer is noticed after twice this, in seconds.
const HEARTBEAT_SECONDS: u16 = 10;

/// The most bytes of a frame to a broker that is only published to. lapin keeps room for 32 of them in each direction,
/// and goes through all of it, so that it all becomes resident.
const PUBLISHED_FRAME_MAX: u32 = 32 * 1024;

const REPLY_SUCCESS: u16 = 200;

/// An open connection and the one channel that its owner works on.
pub(super) struct Session {
    connection: Connection,
    pub(super) channel: Channel,
    /// The address without the password, for messages to people.
    pub(super) broker: String,
}

impl Session {
    /// Connects to the first of `urls` that answers, and introduces creditd to the broker as the `role` that
    /// operators see in its lists.
    pub(super) async fn open(urls: &[SecretString], role: &str) -> Result<Self, BrokerError> {
        Self::open_with(urls, role, None).await
    }

    /// The same for who receives nothing but what it sent: with small frames, and so with small buffers. A consumer has
    /// to take frames as large as any publisher's, or a message with long headers would end its connection.
    pub(super) async fn open_to_publish(urls: &[SecretString], role: &str) -> Result<Self, BrokerError> {
        Self::open_with(urls, role, Some(PUBLISHED_FRAME_MAX)).await
    }

    async fn open_with(
        urls: &[SecretString],
        role: &str,
        frame_max: Option<u32>,
    ) -> Result<Self, BrokerError> {
        let mut failures = Vec::new();
        for url in urls {
            match Self::open_to(Address::parse(url, frame_max)?, role).await {
                Ok(session) => {
                    for failure in failures {
                        info!("passed over: {failure}");
                    }
                    return Ok(session);
                }
                Err(error) => failures.push(error),
            }
        }
        Err(BrokerError::none_of(failures))
    }

    /// Why each of the brokers at `urls` that can't be connected to can't be, in their order.
    pub(super) async fn unreachable_ones(urls: &[SecretString]) -> Vec<BrokerError> {
        let mut failures = Vec::new();
        for url in urls {
            match Self::open(slice::from_ref(url), "check").await {
                Ok(session) => session.close().await,
                Err(failure) => failures.push(failure),
            }
        }
        failures
    }

    async fn open_to(address: Address, role: &str) -> Result<Self, BrokerError> {
        let broker = address.to_string();
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("creditd: {role}").into())
            .with_client_property("product".into(), "creditd".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());

        let connection = timeout(CONNECT_LIMIT, address.connect(&broker, properties))
            .await
            .map_err(|_| timed_out(&broker, "connecting", CONNECT_LIMIT))??;
        let channel = timeout(CONNECT_LIMIT, connection.create_channel())
            .await
            .map_err(|_| timed_out(&broker, "opening a channel", CONNECT_LIMIT))?
            .map_err(|error| BrokerError::losing(&broker, "opening a channel", &error))?;
        debug!(%broker, role, "connected to the broker");
        Ok(Self { connection, channel, broker })
    }

    /// Runs the steps that make a fresh connection ready, within one limit for all of them.
    pub(super) async fn set_up<T>(
        &self,
        steps: impl Future<Output = Result<T, BrokerError>>,
    ) -> Result<T, BrokerError> {
        timeout(SETUP_LIMIT, steps)
            .await
            .map_err(|_| timed_out(&self.broker, "setting up exchanges and queue", SETUP_LIMIT))?
    }

    /// A second channel, for a question whose refusal would close the one it is asked on.
    pub(super) async fn spare_channel(&self) -> Result<Channel, BrokerError> {
        self.connection
            .create_channel()
            .await
            .map_err(|error| BrokerError::losing(&self.broker, "opening a channel", &error))
    }

    pub(super) fn health(&self) -> Health {
        Health(self.connection.status().clone())
    }

    /// Says goodbye, channel first: the broker then gives unacknowledged deliveries back in their order.
    /// What is already lost, or does not answer, is left to the broker's heartbeat.
    pub(super) async fn close(&self) {
        let goodbye = async {
            if let Err(error) = self.channel.close(REPLY_SUCCESS, "done".into()).await {
                debug!(broker = %self.broker, %error, "the channel was already closed");
            }
            self.connection.close(REPLY_SUCCESS, "done".into()).await
        };
        match timeout(CLOSE_LIMIT, goodbye).await {
            Ok(Ok(())) => debug!(broker = %self.broker, "closed the connection to the broker"),
            Ok(Err(error)) => debug!(broker = %self.broker, %error, "the connection was already closed"),
            Err(_) => debug!(broker = %self.broker, "the broker did not confirm the close in time"),
        }
    }
}

/// The state of a connection that someone else is using.
#[derive(Clone)]
pub struct Health(ConnectionStatus);

impl Health {
    /// Whether the connection is up, as far as is known: a silent loss shows within two heartbeats.
    pub fn is_connected(&self) -> bool {
        self.0.connected()
    }

    /// Whether the broker has stopped accepting messages because it is short of memory or disk.
    pub fn is_blocked(&self) -> bool {
        self.0.blocked()
    }
}

/// AMQP's names are at most 255 bytes, and lapin panics on longer ones.
pub(super) fn short_string(what: &str, text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text)
        .map_err(|_| BrokerError::InvalidName { what: what.to_owned(), length: text.len() })
}

fn timed_out(broker: &str, doing: &'static str, limit: Duration) -> BrokerError {
    BrokerError::TimedOut { broker: broker.to_owned(), doing, limit }
}

/// A broker, and how it is connected to.
#[derive(Debug)]
struct Address {
    uri: AMQPUri,
    tls: TlsFiles,
}

impl Address {
    fn parse(url: &SecretString, frame_max: Option<u32>) -> Result<Self, BrokerError> {
        let url = url.expose_secret();
        let invalid = |reason: &str| BrokerError::InvalidUrl { reason: reason.to_owned() };
        if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
            return Err(invalid("it does not begin with amqp:// or amqps://"));
        }
        // The parser takes a literal IPv6 address for no host at all, and would go to localhost.
        if url.contains("@[") || url.contains("//[") {
            return Err(invalid("a literal IPv6 address is not supported, use a host name"));
        }
        let mut uri: AMQPUri = url.parse().map_err(|reason: String| invalid(&reason))?;
        if uri.vhost.len() > usize::from(u8::MAX) {
            return Err(invalid("the virtual host is longer than 255 bytes"));
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.frame_max = uri.query.frame_max.or(frame_max);
        let tls = Url::parse(url).map(|url| TlsFiles::of(&url)).unwrap_or_default();
        Ok(Self { uri, tls })
    }

    /// The handshakes of TCP, of TLS where the scheme says so, and of AMQP.
    async fn connect(
        self,
        broker: &str,
        properties: ConnectionProperties,
    ) -> Result<Connection, BrokerError> {
        let Self { uri, tls } = self;
        let connector = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => {
                let unusable = |detail| BrokerError::TlsFiles { broker: broker.to_owned(), detail };
                Some(tls.connector().map_err(unusable)?)
            }
        };
        let by_tls = connector.is_some();
        let refused = |error: lapin::Error| BrokerError::connecting(broker, &error, by_tls);
        let runtime = runtime::default_runtime().map_err(refused)?;
        // Not by lapin's own way to use TLS: what that is given to trust comes on top of all that the system trusts.
        let connecting = Connection::connector(
            uri,
            runtime,
            async move |uri, runtime| {
                let AMQPAuthority { host, port, .. } = uri.authority;
                let plain =
                    AsyncTcpStream::connect(&runtime, runtime.to_socket_addrs((host.clone(), port))).await?;
                Ok(match &connector {
                    None => plain,
                    Some(connector) => plain.into_rustls(connector, &host).await?,
                })
            },
            properties,
        );
        connecting.await.map_err(refused)
    }
}

/// The address without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        let vhost = if vhost == "/" { "%2f" } else { vhost };
        let user = &authority.userinfo.username;
        write!(f, "{scheme}://{user}@{}:{}/{vhost}", authority.host, authority.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, BrokerError> {
        Address::parse(&SecretString::from(url), None)
    }

    #[test]
    fn an_address_shows_all_but_the_password() {
        let address = parse("amqps://creditd:s3cret@mq.example:5671/prod").unwrap();
        assert_eq!(address.to_string(), "amqps://creditd@mq.example:5671/prod");
        let default_vhost = parse("amqp://u:s3cret@h").unwrap();
        assert_eq!(default_vhost.to_string(), "amqp://u@h:5672/%2f");
    }

    #[test]
    fn no_reason_for_refusing_a_url_repeats_its_password() {
        for url in [
            "creditd:s3cret@host",
            "http://u:s3cret@host",
            "amqp://u:s3cret@host:99999/x",
            "amqp://u:s3cret@[::1]:5672/x",
            "amqp://u:s3cret@/x",
            "amqp://u:s3cret@host/x?heartbeat=soon",
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.is_permanent());
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_heartbeat_is_set_unless_the_url_has_one() {
        assert_eq!(parse("amqp://h").unwrap().uri.query.heartbeat, Some(HEARTBEAT_SECONDS));
        assert_eq!(parse("amqp://h/%2f?heartbeat=30").unwrap().uri.query.heartbeat, Some(30));
    }
}
