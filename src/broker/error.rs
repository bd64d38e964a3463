//! What can go wrong with the broker, said so that a person can act on it.

use std::{io, time::Duration};

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};
use thiserror::Error;

use super::tls::TlsFailure;

/// Why the broker could not be used. `broker` is its address without the password. The connection concerned,
/// if there was one, is of no more use.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// `broker.url` cannot be understood. The text of the URL is not repeated: it holds a password.
    #[error(
        "broker.url is not an AMQP address: {reason}; write it as amqp://user:password@host:port/vhost, \
         with special characters percent-encoded (the vhost / is %2f)"
    )]
    InvalidUrl {
        /// What about it.
        reason: String,
    },
    /// A name or routing key that AMQP has no room for.
    #[error("{what} is {length} bytes long, and AMQP allows 255: use a shorter one")]
    InvalidName {
        /// The setting or field.
        what: String,
        /// Its length in bytes.
        length: usize,
    },
    /// No connection came about, for reasons that may pass.
    #[error("cannot connect to {broker}: {detail}")]
    Unreachable {
        /// The broker's address.
        broker: String,
        /// What the network or the broker said.
        detail: String,
    },
    /// The broker did not answer in time.
    #[error("{broker} gave no answer within {} s while {doing}", .limit.as_secs())]
    TimedOut {
        /// The broker's address.
        broker: String,
        /// What was waited for.
        doing: &'static str,
        /// How long.
        limit: Duration,
    },
    /// Of several brokers none could be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoneOf(
        /// Why, broker by broker.
        Vec<BrokerError>,
    ),
    /// What TLS needs on this side can't be used.
    #[error("cannot connect to {broker} by TLS: {detail}")]
    TlsFiles {
        /// The broker's address.
        broker: String,
        /// Which file, and what about it.
        detail: String,
    },
    /// The broker isn't who it should be, as far as its certificate tells.
    #[error("{broker} shows a certificate that cannot be trusted: {detail}")]
    CertificateRefused {
        /// The broker's address.
        broker: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The broker wants to know who creditd is, and doesn't take what it shows.
    #[error(
        "{broker} refuses creditd's certificate ({detail}): check certfile and keyfile in broker.url, and which \
         authorities the broker trusts"
    )]
    OwnCertificateRefused {
        /// The broker's address.
        broker: String,
        /// What the broker said.
        detail: String,
    },
    /// User or password are wrong, or the user may not connect from here.
    #[error("{broker} refuses these credentials: check user and password in broker.url ({detail})")]
    CredentialsRefused {
        /// The broker's address.
        broker: String,
        /// What the broker said.
        detail: String,
    },
    /// The virtual host does not exist, or the user has no permissions in it.
    #[error(
        "{broker} refuses the virtual host: create it and give the user permissions in it, or correct it \
         in broker.url ({detail})"
    )]
    VhostRefused {
        /// The broker's address.
        broker: String,
        /// What the broker said.
        detail: String,
    },
    /// The user may connect, but not do this.
    #[error(
        "{broker} refuses access to {what}: grant the user what is refused, by rabbitmqctl set_permissions ({detail})"
    )]
    AccessRefused {
        /// The broker's address.
        broker: String,
        /// The exchange or queue.
        what: String,
        /// What the broker said.
        detail: String,
    },
    /// `broker.topology = "check"` found something missing.
    #[error(
        "{broker} has no {}: declare it there, or set broker.topology = \"declare\" to have creditd do it",
        .missing.join(", no ")
    )]
    Missing {
        /// The broker's address.
        broker: String,
        /// Each exchange and queue that is not there.
        missing: Vec<String>,
    },
    /// An exchange or queue exists in another form than creditd declares.
    #[error(
        "{what} exists on {broker} in another form: delete it there once it is empty, give creditd another \
         name for it, or set broker.topology = \"check\" to use it as it is ({detail})"
    )]
    Mismatch {
        /// The broker's address.
        broker: String,
        /// The exchange or queue.
        what: String,
        /// What the broker said differs.
        detail: String,
    },
    /// The broker ended our consumer: its queue was deleted or lost its leader.
    #[error("{broker} ended the consumer of queue {queue}: was the queue deleted?")]
    ConsumerCancelled {
        /// The broker's address.
        broker: String,
        /// The queue.
        queue: String,
    },
    /// The broker sent what the client library cannot read, and the connection with it.
    #[error(
        "{broker} sent a frame that cannot be read: most likely the message at the head of the queue has a \
         routing key, a property or a header name that is not UTF-8; stop creditd and take that message off \
         with another client ({detail})"
    )]
    Unreadable {
        /// The broker's address.
        broker: String,
        /// Where reading stopped.
        detail: String,
    },
    /// The connection or channel ended.
    #[error("lost {broker} while {doing}: {detail}")]
    Lost {
        /// The broker's address.
        broker: String,
        /// What was being done.
        doing: &'static str,
        /// Why it ended.
        detail: String,
    },
    /// The connection had already ended, as an earlier error or a close said.
    #[error("the connection to {broker} has ended: connect anew")]
    Closed {
        /// The broker's address.
        broker: String,
    },
    /// A delivery of an earlier connection was to be acknowledged on this one.
    #[error("a delivery of an earlier connection to {broker} cannot be acknowledged: it will come again")]
    ForeignDelivery {
        /// The broker's address.
        broker: String,
    },
}

impl BrokerError {
    /// Whether a person has to change something first. creditd retries all the same, since that may happen
    /// while it runs, but says so louder.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::InvalidUrl { .. }
            | Self::InvalidName { .. }
            | Self::TlsFiles { .. }
            | Self::CertificateRefused { .. }
            | Self::OwnCertificateRefused { .. }
            | Self::CredentialsRefused { .. }
            | Self::VhostRefused { .. }
            | Self::AccessRefused { .. }
            | Self::Missing { .. }
            | Self::Mismatch { .. }
            | Self::Unreadable { .. } => true,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::ConsumerCancelled { .. }
            | Self::Lost { .. }
            | Self::Closed { .. }
            | Self::ForeignDelivery { .. } => false,
            Self::NoneOf(errors) => errors.iter().all(Self::is_permanent),
        }
    }

    /// What it means that each broker failed in its way.
    pub(super) fn none_of(mut failures: Vec<Self>) -> Self {
        match failures.len() {
            1 => failures.remove(0),
            0 => Self::InvalidUrl { reason: "there is none".to_owned() },
            _ => Self::NoneOf(failures),
        }
    }

    /// What a failure to connect means, by TLS or without.
    pub(super) fn connecting(broker: &str, error: &lapin::Error, by_tls: bool) -> Self {
        let broker = broker.to_owned();
        let mut detail = detail(error);
        if let ErrorKind::IOError(error) = error.kind() {
            match TlsFailure::of(error) {
                Some(TlsFailure::Certificate(detail)) => return Self::CertificateRefused { broker, detail },
                Some(TlsFailure::Refused(detail)) => return Self::OwnCertificateRefused { broker, detail },
                None => {}
            }
            let ended = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof];
            // It is a race whether its alert arrives, or only the end of the connection.
            if by_tls && ended.contains(&error.kind()) {
                detail +=
                    "; the broker may want a certificate (certfile in broker.url), or not take this one";
            }
        }
        match Refusal::of(error) {
            Some(Refusal::Access) => Self::CredentialsRefused { broker, detail },
            // A full virtual host is refused with the same code, but empties again.
            Some(Refusal::Vhost) if !detail.contains("limit") => Self::VhostRefused { broker, detail },
            _ => Self::Unreachable { broker, detail },
        }
    }

    /// What a failure to declare or look up `what` means.
    pub(super) fn declaring(broker: &str, what: &str, error: &lapin::Error) -> Self {
        let (broker, what) = (broker.to_owned(), what.to_owned());
        let detail = detail(error);
        match Refusal::of(error) {
            Some(Refusal::Access) => Self::AccessRefused { broker, what, detail },
            Some(Refusal::NotFound) => Self::Missing { broker, missing: vec![what] },
            Some(Refusal::Precondition) => Self::Mismatch { broker, what, detail },
            _ => Self::Lost { broker, doing: "setting up exchanges and queue", detail },
        }
    }

    /// What the end of a working connection or channel means.
    pub(super) fn losing(broker: &str, doing: &'static str, error: &lapin::Error) -> Self {
        let broker = broker.to_owned();
        let detail = detail(error);
        match (error.kind(), Refusal::of(error)) {
            (ErrorKind::ParsingError(_), _) => Self::Unreadable { broker, detail },
            (_, Some(Refusal::Access)) => Self::AccessRefused { broker, what: doing.to_owned(), detail },
            _ => Self::Lost { broker, doing, detail },
        }
    }
}

/// The broker's own words where it said something, without the codes around them.
fn detail(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(answer) => answer.get_message().to_string(),
        _ => error.to_string(),
    }
}

/// The broker's answers that need a person.
enum Refusal {
    Access,
    Vhost,
    NotFound,
    Precondition,
}

impl Refusal {
    fn of(error: &lapin::Error) -> Option<Self> {
        let ErrorKind::ProtocolError(answer) = error.kind() else { return None };
        match answer.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Some(Self::Access),
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Some(Self::NotFound),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => Some(Self::Precondition),
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Some(Self::Vhost),
            _ => None,
        }
    }
}
