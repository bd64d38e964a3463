//! What goes out: an entry or a notice as a CloudEvent. An event is a pure function of its row, so that it
//! has the same bytes however often it is sent.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::ledger::credits::Credits;
use crate::ledger::entry::{Cause, Entry, EntryKind, LogNumber, Side};
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{Notice, NoticeKind, ShownBalance};

/// The content type of every event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// An event, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundEvent {
    /// The type without its version, and the account: at most 255 bytes, as AMQP wants it.
    pub routing_key: String,
    /// The event's id, which is its log number.
    pub message_id: String,
    /// The event in structured mode, to be sent as [`CONTENT_TYPE`].
    pub body: Vec<u8>,
}

/// A notice as the store keeps it: its body is JSON already.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredNotice {
    /// Its place in the ledger's order.
    pub number: LogNumber,
    /// About which account.
    pub account_id: AccountId,
    /// The organization that the account belonged to then.
    pub organization_id: Option<OrganizationId>,
    /// Its place among the account's notices of its kind, from 1.
    pub sequence: i64,
    /// When it was said.
    pub at: Timestamp,
    /// Which message brought it about.
    pub cause: Cause,
    /// What kind of notice it is.
    pub kind: NoticeKind,
    /// The members of the notice's body.
    pub body: Map<String, Value>,
}

impl From<&Notice> for StoredNotice {
    fn from(notice: &Notice) -> Self {
        let Ok(Value::Object(body)) = serde_json::to_value(&notice.body) else {
            unreachable!("each kind of notice's body is a struct with named fields");
        };
        Self {
            number: notice.number,
            account_id: notice.account_id.clone(),
            organization_id: notice.organization_id.clone(),
            sequence: notice.sequence,
            at: notice.at,
            cause: Cause::clone(&notice.cause),
            kind: notice.body.kind(),
            body,
        }
    }
}

/// An entry's event, `credits.balance_changed`. `ledger_source` is the ledger's name as a source, such as
/// `creditd/creditd`.
pub fn of_entry(ledger_source: &str, entry: &Entry) -> OutboundEvent {
    let data = BalanceChanged {
        account_id: &entry.account_id,
        organization_id: entry.organization_id.as_ref(),
        sequence: entry.sequence,
        entry: EntryMember {
            kind: entry.kind,
            from: entry.from,
            to: entry.to,
            credits: entry.credits,
            project_id: entry.project_id.as_ref(),
            reason: entry.reason.as_deref(),
            actor: entry.actor.as_deref(),
        },
        balance: entry.balance.into(),
        previous: entry.previous_balance().into(),
        cause: CauseMember::of(&entry.cause),
        digest: entry.digest.to_string(),
    };
    let place = Place { number: entry.number, at: entry.at, account_id: &entry.account_id };
    render(ledger_source, ("credits.balance_changed", "v1"), &place, &entry.cause, &data)
}

/// A notice's event: `credits.alert` or `credits.hold`. A fresh notice gives the same bytes as the one that
/// was stored from it.
pub fn of_notice(ledger_source: &str, notice: &StoredNotice) -> OutboundEvent {
    let data = NoticeData {
        account_id: &notice.account_id,
        organization_id: notice.organization_id.as_ref(),
        sequence: notice.sequence,
        body: &notice.body,
        cause: CauseMember::of(&notice.cause),
    };
    let event_type = match notice.kind {
        NoticeKind::Alert => ("credits.alert", "v1"),
        NoticeKind::Hold => ("credits.hold", "v1"),
        NoticeKind::TransferRejected => ("credits.transfer_rejected", "v1"),
    };
    let place = Place { number: notice.number, at: notice.at, account_id: &notice.account_id };
    render(ledger_source, event_type, &place, &notice.cause, &data)
}

/// Where an event stands.
struct Place<'e> {
    number: LogNumber,
    at: Timestamp,
    account_id: &'e AccountId,
}

fn render(
    ledger_source: &str,
    (name, version): (&str, &str),
    place: &Place,
    cause: &Cause,
    data: &impl Serialize,
) -> OutboundEvent {
    let message_id = place.number.to_string();
    let event = CloudEvent {
        specversion: "1.0",
        id: &message_id,
        source: ledger_source,
        event_type: format!("{name}.{version}"),
        time: place.at,
        datacontenttype: "application/json",
        sequence: format!("{:020}", place.number.0),
        partitionkey: place.account_id,
        traceparent: cause.traceparent.as_deref(),
        data,
    };
    let body = serde_json::to_vec(&event).expect("an event has only text for keys, and writes to memory");
    OutboundEvent { routing_key: routing_key(name, place.account_id), message_id, body }
}

/// A consumer binds to all events of an account by `*.*.ACCOUNT`, so the id has to be a single word. No id
/// contains a `%`, so no two give the same.
fn routing_key(name: &str, account_id: &AccountId) -> String {
    format!("{name}.{}", account_id.as_str().replace('.', "%2E"))
}

/// The envelope. The order of fields here is their order on the wire.
#[derive(Serialize)]
struct CloudEvent<'e, D> {
    specversion: &'static str,
    id: &'e str,
    source: &'e str,
    #[serde(rename = "type")]
    event_type: String,
    time: Timestamp,
    datacontenttype: &'static str,
    sequence: String,
    partitionkey: &'e AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'e str>,
    data: &'e D,
}

#[derive(Serialize)]
struct BalanceChanged<'e> {
    account_id: &'e AccountId,
    organization_id: Option<&'e OrganizationId>,
    sequence: i64,
    entry: EntryMember<'e>,
    balance: ShownBalance,
    previous: ShownBalance,
    cause: CauseMember<'e>,
    digest: String,
}

#[derive(Serialize)]
struct EntryMember<'e> {
    kind: EntryKind,
    from: Side,
    to: Side,
    credits: Credits,
    project_id: Option<&'e ProjectId>,
    reason: Option<&'e str>,
    actor: Option<&'e str>,
}

#[derive(Serialize)]
struct NoticeData<'e> {
    account_id: &'e AccountId,
    organization_id: Option<&'e OrganizationId>,
    sequence: i64,
    #[serde(flatten)]
    body: &'e Map<String, Value>,
    cause: CauseMember<'e>,
}

#[derive(Serialize)]
struct CauseMember<'e> {
    source: &'e str,
    id: &'e str,
    #[serde(rename = "type")]
    message_type: &'e str,
}

impl<'e> CauseMember<'e> {
    fn of(cause: &'e Cause) -> Self {
        Self { source: &cause.key.source, id: &cause.key.id, message_type: &cause.message_type }
    }
}
