//! A message on its way through a batch, decoded once, with what is known of it.

use crate::contract::inbound::{DecodeError, Message, decode};
use crate::contract::raw::RawMessage;
use crate::hooks;
use crate::ledger::ids::MessageKey;
use crate::ledger::inbox::Fingerprint;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::ParkReason;
use crate::store::StoreError;

/// A message on its way through a batch.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(super) raw: RawMessage,
    pub(super) received_at: Timestamp,
    pub(super) content: Content,
    /// Its number among the parked, if it is offered again from there.
    pub(super) parked_id: Option<i64>,
    /// Its content's hash, if its tries alone are counted.
    pub(super) suspect: Option<[u8; 32]>,
}

/// What is known of it.
#[derive(Debug)]
pub(super) enum Content {
    Decoded(Message, Fingerprint),
    /// It was decoded, and the database refused what it leads to.
    Refused(Message, Fingerprint, String),
    /// It can't be decoded, or must not be tried again.
    Unusable(DecodeError),
}

impl Arrival {
    /// A message as it was delivered.
    pub(crate) fn decode(raw: RawMessage, received_at: Timestamp) -> Self {
        let content = Content::of(&raw);
        Self { raw, received_at, content, parked_id: None, suspect: None }
    }

    /// A message that was decoded before.
    pub(crate) fn decoded(raw: RawMessage, message: Message, received_at: Timestamp) -> Self {
        let fingerprint = message.fingerprint();
        let content = Content::Decoded(message, fingerprint);
        Self { raw, received_at, content, parked_id: None, suspect: None }
    }

    /// A message that is not to be decoded before its try is counted; see [`Arrival::try_alone`].
    pub(crate) fn undecoded(raw: RawMessage, received_at: Timestamp) -> Self {
        let content = Content::Unusable(refusal(ParkReason::Suspect, SUSPECT_DETAIL.to_owned(), None));
        let suspect = Some(raw.fingerprint());
        Self { raw, received_at, content, parked_id: None, suspect }
    }

    /// A parked message that is offered again.
    pub(super) fn offer(raw: RawMessage, parked_id: i64, received_at: Timestamp) -> Self {
        Self { parked_id: Some(parked_id), ..Self::decode(raw, received_at) }
    }

    /// A parked message that was in hand alone at so many deaths that it is not decoded again.
    pub(super) fn offer_undecoded(raw: RawMessage, parked_id: i64, received_at: Timestamp) -> Self {
        Self { parked_id: Some(parked_id), suspect: None, ..Self::undecoded(raw, received_at) }
    }

    /// Whether it was delivered, and never was in hand when a process died.
    pub(super) fn is_ordinary(&self) -> bool {
        self.parked_id.is_none() && self.suspect.is_none()
    }

    /// The hash by which a suspect's tries are counted.
    pub(crate) fn suspect(&self) -> Option<&[u8; 32]> {
        self.suspect.as_ref()
    }

    /// A suspect whose try was counted: it is decoded now.
    pub(crate) fn try_alone(self) -> Self {
        Self { content: Content::of(&self.raw), ..self }
    }

    /// The same, to be parked because the database refused what it leads to; without an inbox row, if it
    /// refused that too.
    pub(super) fn refused_by_database(self, error: &StoreError) -> Self {
        let content = match self.content {
            Content::Decoded(message, fingerprint) => {
                Content::Refused(message, fingerprint, error.to_string())
            }
            Content::Refused(message, _, detail) => {
                Content::Unusable(refusal(ParkReason::DatabaseRefused, detail, Some(&message)))
            }
            unusable @ Content::Unusable(_) => unusable,
        };
        Self { content, ..self }
    }

    /// Whether there is no more to be taken away from it: it is only to be parked.
    pub(super) fn is_unusable(&self) -> bool {
        matches!(self.content, Content::Unusable(_))
    }

    /// What it says, if it could be decoded.
    pub(super) fn message(&self) -> Option<&Message> {
        match &self.content {
            Content::Decoded(message, _) | Content::Refused(message, ..) => Some(message),
            Content::Unusable(_) => None,
        }
    }

    /// The message's key, if it could be decoded.
    pub(super) fn key(&self) -> Option<&MessageKey> {
        self.message().map(|message| &message.cause.key)
    }
}

const SUSPECT_DETAIL: &str = "the process died three times while it had this message alone in hand; \
                              it was not decoded again";

impl Content {
    fn of(raw: &RawMessage) -> Self {
        hooks::decoding(&raw.body);
        match decode(raw) {
            Ok(message) => {
                let fingerprint = message.fingerprint();
                Content::Decoded(message, fingerprint)
            }
            Err(error) => Content::Unusable(error),
        }
    }
}

/// Why a message is to be parked, as if it could not be decoded.
pub(super) fn refusal(reason: ParkReason, detail: String, message: Option<&Message>) -> DecodeError {
    DecodeError {
        reason,
        detail,
        key: message.map(|message| message.cause.key.clone()),
        message_type: message.map(|message| message.cause.message_type.clone()),
    }
}
