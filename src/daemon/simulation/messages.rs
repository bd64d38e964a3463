//! What is sent in a simulation: of few accounts and projects, so that messages meet, and with credits enough that the
//! order of messages makes no difference to what is held in the end.

use serde_json::{Map, Value, json};

use super::chance::Chance;
use crate::contract::inbound::decode;
use crate::contract::raw::RawMessage;
use crate::ledger::ids::MessageKey;

/// What a message does, beside what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Nothing else.
    Ordinary,
    /// The process dies as it decodes it.
    KillsDecoder,
    /// The process dies as it applies it.
    KillsApplier,
    /// The database refuses what it leads to.
    Refused,
    /// The database refuses even what tells that it came.
    RefusedTwice,
}

/// A message that is sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) raw: RawMessage,
    pub(super) content: [u8; 32],
    /// `None` where it can't be decoded.
    pub(super) key: Option<MessageKey>,
    pub(super) manner: Manner,
}

impl Message {
    fn of(manner: Manner, body: Vec<u8>) -> Self {
        let raw = RawMessage {
            routing_key: String::new(),
            content_type: None,
            headers: Map::new(),
            properties: Map::new(),
            body,
        };
        let key = decode(&raw).ok().map(|message| message.cause.key.clone());
        Self { content: raw.fingerprint(), key, raw, manner }
    }

    fn saying(manner: Manner, id: usize, message_type: &str, data: &Value) -> Self {
        let event = json!({
            "specversion": "1.0", "source": "upstream", "id": id.to_string(), "type": message_type, "data": data,
        });
        Self::of(manner, event.to_string().into_bytes())
    }
}

const ACCOUNTS: [&str; 2] = ["north", "south"];
const STATUSES: [&str; 4] = ["draft", "started", "finalized", "canceled"];

fn project(manner: Manner, id: usize, project: usize, chance: &Chance) -> Message {
    // A project stays with its account, or what is held would be a matter of order.
    let account = ACCOUNTS[project % ACCOUNTS.len()];
    let data = json!({
        "project_id": format!("p{project}"),
        "account_id": account,
        "revision": id,
        "status": chance.pick(&STATUSES),
        "credits": chance.below(9),
    });
    Message::saying(manner, id, "project.status_changed.v1", &data)
}

/// A message about a project that is sent when all else is over.
pub(super) fn last(chance: &Chance) -> Message {
    project(Manner::Ordinary, 1_000, 0, chance)
}

/// Messages in the order in which they are sent first.
pub(super) fn messages(chance: &Chance) -> Vec<Message> {
    let count = 3 + chance.below(12);
    let mut messages: Vec<_> = (0..count).map(|id| message(id, chance)).collect();
    for (place, account) in ACCOUNTS.iter().enumerate() {
        let data = json!({"account_id": account, "revision": 1, "capacity": 1_000});
        messages.push(Message::saying(Manner::Ordinary, 100 + place, "account.changed.v1", &data));
    }
    // What came first under a key counts; the other is in conflict with it.
    if chance.one_in(4) {
        let id = chance.below(count);
        if messages[id].manner == Manner::Ordinary {
            messages.push(project(Manner::Ordinary, id, 4, chance));
        }
    }
    chance.shuffle(&mut messages);
    messages
}

fn message(id: usize, chance: &Chance) -> Message {
    let a_project = chance.below(4);
    // Those that do harm are of projects of their own: they are never applied.
    let harmful = |manner| project(manner, id, 10 + id, chance);
    match chance.below(40) {
        0 => harmful(Manner::KillsDecoder),
        1 => harmful(Manner::KillsApplier),
        2 | 3 => harmful(Manner::Refused),
        4 => harmful(Manner::RefusedTwice),
        5 => Message::of(Manner::Ordinary, format!("{{ {id}").into_bytes()),
        6 | 7 => Message::saying(Manner::Ordinary, id, "project.painted.v1", &json!({"colour": "red"})),
        8..=11 => {
            let data = json!({
                "account_id": chance.pick(&ACCOUNTS),
                "credits": 1 + chance.below(20),
                "expires_at": format!("2026-03-01T12:00:{:02}Z", chance.below(60)),
            });
            Message::saying(Manner::Ordinary, id, "credits.granted.v1", &data)
        }
        _ => project(Manner::Ordinary, id, a_project, chance),
    }
}
