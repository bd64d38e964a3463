//! What goes out: an entry or a notice as a CloudEvent. An event is a pure function of its row, so that it
//! has the same bytes however often it is sent.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{Cause, Entry, EntryKind, LogNumber, Side};
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{AlertBody, HoldBody, Notice, NoticeKind, ShownBalance, TransferRejectedBody};

/// The content type of every event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// An outbound type.
pub(super) struct OutboundType {
    /// Its name without the version; a routing key begins with it.
    pub(super) name: &'static str,
    /// Its version, such as `v1`.
    pub(super) version: &'static str,
    /// When it is published and what it says, in sentences.
    pub(super) about: &'static str,
    /// The schema of its events.
    pub(super) schema: fn() -> Schema,
}

impl OutboundType {
    /// Its full name.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.name, self.version)
    }
}

/// Every outbound type.
pub(super) const OUTBOUND_TYPES: [OutboundType; 5] =
    [BALANCE_CHANGED, ALERT, HOLD, TRANSFER_REJECTED, SNAPSHOT];

/// The types of the events that are lines of the log, with their versions: all but the snapshot, which is of none.
pub fn event_types() -> Vec<String> {
    let of_the_log = OUTBOUND_TYPES.iter().filter(|known| known.name != SNAPSHOT.name);
    of_the_log.map(OutboundType::full_name).collect()
}

const BALANCE_CHANGED: OutboundType = OutboundType {
    name: "credits.balance_changed",
    version: "v1",
    about: "An entry: credits moved between two sides of one account. `balance` is with the entry, `previous` \
            without it.",
    schema: schema_of::<BalanceChanged>,
};

const ALERT: OutboundType = OutboundType {
    name: "credits.alert",
    version: "v1",
    about: "What is raised for an account changed: all rules that are raised now, those that no longer are, and \
            what a person needs to act on it.",
    schema: schema_of::<NoticeData<AlertBody>>,
};

const HOLD: OutboundType = OutboundType {
    name: "credits.hold",
    version: "v1",
    about: "A project waits for credits, or was refused them. No credits move by it.",
    schema: schema_of::<NoticeData<HoldBody>>,
};

const TRANSFER_REJECTED: OutboundType = OutboundType {
    name: "credits.transfer_rejected",
    version: "v1",
    about: "A transfer would have moved more than was available, and moved nothing. About the giving account.",
    schema: schema_of::<NoticeData<TransferRejectedBody>>,
};

const SNAPSHOT: OutboundType = OutboundType {
    name: "credits.snapshot",
    version: "v1",
    about: "Where an account stands, for a consumer that starts over. Sent only when whoever runs the ledger asks for \
            it: after a restoration, by which the ledger has another source. No credits move by it.",
    schema: schema_of::<SnapshotData>,
};

/// The schema of the events with data `D`, as they are written.
fn schema_of<D: JsonSchema>() -> Schema {
    // In one piece: the AsyncAPI document refers to these schemas, and its tools read references and their
    // neighbours as an older draft does.
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<CloudEvent<D>>()
}

/// An event, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundEvent {
    /// The type without its version, and the account: at most 255 bytes, as AMQP wants it.
    pub routing_key: String,
    /// The event's id: its log number; that and the account's id for a snapshot.
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

/// Where an account stands after all that the log says up to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which account.
    pub account_id: AccountId,
    /// The organization that it belongs to.
    pub organization_id: Option<OrganizationId>,
    /// Its balance.
    pub balance: Balance,
    /// The last sequence of each of its types of events; 0 where there was none.
    pub sequences: Sequences,
    /// The last number of the log.
    pub through: LogNumber,
    /// When the ledger last took something in.
    pub at: Timestamp,
}

/// The last `data.sequence` of each type, by its full name; 0 where there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sequences {
    /// Of entries.
    #[serde(rename = "credits.balance_changed.v1")]
    #[schemars(range(min = 0))]
    pub balance_changed: i64,
    /// Of alerts.
    #[serde(rename = "credits.alert.v1")]
    #[schemars(range(min = 0))]
    pub alert: i64,
    /// Of hold events.
    #[serde(rename = "credits.hold.v1")]
    #[schemars(range(min = 0))]
    pub hold: i64,
    /// Of transfers that were refused.
    #[serde(rename = "credits.transfer_rejected.v1")]
    #[schemars(range(min = 0))]
    pub transfer_rejected: i64,
}

/// The ledger of `schema` in its `era`, as a source. In the first it has no number, as it had none before there were
/// eras.
pub fn ledger_source(schema: &str, era: i32) -> String {
    match era {
        1 => format!("creditd/{schema}"),
        era => format!("creditd/{schema}/{era}"),
    }
}

/// An entry's event, `credits.balance_changed`. `ledger_source` is [`ledger_source`].
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
    let id = entry.number.to_string();
    render(ledger_source, &BALANCE_CHANGED, id, &place, entry.cause.traceparent.as_deref(), &data)
}

/// A notice's event: `credits.alert`, `credits.hold` or `credits.transfer_rejected`. A fresh notice gives the same bytes as the one that
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
        NoticeKind::Alert => &ALERT,
        NoticeKind::Hold => &HOLD,
        NoticeKind::TransferRejected => &TRANSFER_REJECTED,
    };
    let place = Place { number: notice.number, at: notice.at, account_id: &notice.account_id };
    let id = notice.number.to_string();
    render(ledger_source, event_type, id, &place, notice.cause.traceparent.as_deref(), &data)
}

/// Where an account stands as an event, `credits.snapshot`: the same bytes as long as nothing happens in the ledger.
pub fn of_standing(ledger_source: &str, standing: &Standing) -> OutboundEvent {
    let data = SnapshotData {
        account_id: &standing.account_id,
        organization_id: standing.organization_id.as_ref(),
        through: standing.through.to_string(),
        sequences: standing.sequences,
        balance: standing.balance.into(),
    };
    let place = Place { number: standing.through, at: standing.at, account_id: &standing.account_id };
    let id = format!("{}/{}", standing.through, standing.account_id);
    render(ledger_source, &SNAPSHOT, id, &place, None, &data)
}

/// Where an event stands.
struct Place<'e> {
    number: LogNumber,
    at: Timestamp,
    account_id: &'e AccountId,
}

fn render(
    ledger_source: &str,
    outbound_type: &OutboundType,
    message_id: String,
    place: &Place,
    traceparent: Option<&str>,
    data: &impl Serialize,
) -> OutboundEvent {
    let event = CloudEvent {
        specversion: "1.0",
        id: &message_id,
        source: ledger_source,
        event_type: outbound_type.full_name(),
        time: place.at,
        datacontenttype: "application/json",
        sequence: format!("{:020}", place.number.0),
        partitionkey: place.account_id,
        traceparent,
        data,
    };
    let body = serde_json::to_vec(&event).expect("an event has only text for keys, and writes to memory");
    OutboundEvent { routing_key: routing_key(outbound_type.name, place.account_id), message_id, body }
}

/// A consumer binds to all events of an account by `*.*.ACCOUNT`, so the id has to be a single word. No id
/// contains a `%`, so no two give the same.
fn routing_key(name: &str, account_id: &AccountId) -> String {
    format!("{name}.{}", account_id.as_str().replace('.', "%2E"))
}

// The documentation of what follows is what the published schemas say.

// The order of fields here is their order on the wire.
/// A CloudEvent in structured mode. Ignore members that you don't know.
#[derive(Serialize, JsonSchema)]
struct CloudEvent<'e, D> {
    /// The version of CloudEvents.
    #[schemars(extend("const" = "1.0"))]
    specversion: &'static str,
    /// Unique for its source, and the same however often it is sent: the event's place in the ledger's one order; of a
    /// snapshot the place up to which it tells, and the account.
    id: &'e str,
    /// The ledger. Another one, with a number at its end, after each restoration from a backup: start over then.
    source: &'e str,
    /// What happened.
    #[serde(rename = "type")]
    event_type: String,
    /// When it was booked or said.
    time: Timestamp,
    /// Always JSON.
    #[schemars(extend("const" = "application/json"))]
    datacontenttype: &'static str,
    /// The place that `id` begins with, with zeros in front, so that it sorts as text. Numbers are missing from it for
    /// whoever doesn't receive every type and account: only `data.sequence` shows a gap.
    #[schemars(extend("pattern" = "^[0-9]{20}$"))]
    sequence: String,
    /// The account.
    partitionkey: &'e AccountId,
    /// The trace context of the message that caused it; left out where that had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    traceparent: Option<&'e str>,
    /// What the event says.
    data: &'e D,
}

#[derive(Serialize, JsonSchema)]
struct BalanceChanged<'e> {
    /// Whose credits. A pool is `pool:` and its organization's id.
    account_id: &'e AccountId,
    /// The organization that the account belonged to then; null where to none.
    organization_id: Option<&'e OrganizationId>,
    /// The entry's place among the account's entries: from 1, without gaps.
    #[schemars(range(min = 1))]
    sequence: i64,
    /// What was moved.
    entry: EntryMember<'e>,
    /// The balance with the entry.
    balance: ShownBalance,
    /// The balance without it.
    previous: ShownBalance,
    /// The message that brought it about.
    cause: CauseMember<'e>,
    /// SHA-256, chained to the account's entry before it: whoever keeps it can prove later changes.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    digest: String,
}

#[derive(Serialize, JsonSchema)]
struct EntryMember<'e> {
    /// What it is.
    kind: EntryKind,
    /// Where the credits came from.
    from: Side,
    /// Where they went.
    to: Side,
    /// How many; more than zero.
    #[schemars(range(min = 1))]
    credits: Credits,
    /// The project that it is for; null where for none.
    project_id: Option<&'e ProjectId>,
    /// Why, in a person's words.
    reason: Option<&'e str>,
    /// Who did it.
    actor: Option<&'e str>,
}

// `B` is the notice's body: as stored, and as the type that it was stored from for the schema.
#[derive(Serialize, JsonSchema)]
struct NoticeData<'e, B> {
    /// About which account. A pool is `pool:` and its organization's id.
    account_id: &'e AccountId,
    /// The organization that the account belonged to then; null where to none.
    organization_id: Option<&'e OrganizationId>,
    /// Its place among the account's events of this type: from 1, without gaps.
    #[schemars(range(min = 1))]
    sequence: i64,
    #[serde(flatten)]
    body: &'e B,
    /// The message that brought it about.
    cause: CauseMember<'e>,
}

#[derive(Serialize, JsonSchema)]
struct SnapshotData<'e> {
    /// Whose credits. A pool is `pool:` and its organization's id.
    account_id: &'e AccountId,
    /// The organization that the account belongs to; null where to none.
    organization_id: Option<&'e OrganizationId>,
    /// The last event of the ledger that is in it, by its id.
    #[schemars(extend("pattern" = "^[0-9]+$"))]
    through: String,
    /// The last `data.sequence` of each type that is in it: take them over, and drop what is at or below.
    sequences: Sequences,
    /// The balance.
    balance: ShownBalance,
}

#[derive(Serialize, JsonSchema)]
struct CauseMember<'e> {
    /// Who sent it.
    source: &'e str,
    /// Its id, unique for that source.
    id: &'e str,
    /// Its type, with the version.
    #[serde(rename = "type")]
    message_type: &'e str,
}

impl<'e> CauseMember<'e> {
    fn of(cause: &'e Cause) -> Self {
        Self { source: &cause.key.source, id: &cause.key.id, message_type: &cause.message_type }
    }
}
