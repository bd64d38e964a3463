//! The chained digest over an account's entries: tampering with one shows in all that follow, and against
//! the events that others hold (DESIGN 3.4). The layout is described in `docs/ledger.md`.

use sha2::{Digest as _, Sha256};

use super::entry::{Digest, Entry};

/// The layout that [`of_entry`] hashes today. An entry stores the one it was made with.
pub const LAYOUT: i16 = 1;

/// Fields one after the other, each so marked that no two lists of fields give the same bytes.
struct Layout(Sha256);

impl Layout {
    fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).expect("no text of an entry is longer than a message");
        self.0.update(length.to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, mut write: impl FnMut(&mut Self, T)) {
        self.0.update([u8::from(value.is_some())]);
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// The digest of `entry`, chained to `previous`, the digest of its account's entry before it. The entry's
/// own `digest` is not read.
pub fn of_entry(previous: Digest, entry: &Entry) -> Digest {
    let mut layout = Layout(Sha256::new());
    layout.0.update(previous.0);
    layout.number(i64::from(LAYOUT));
    layout.number(entry.number.0);
    layout.text(entry.account_id.as_str());
    layout.optional(entry.organization_id.as_ref(), |layout, id| layout.text(id.as_str()));
    layout.number(entry.sequence);
    layout.number(entry.at.micros());
    layout.text(entry.kind.as_str());
    layout.text(entry.from.as_str());
    layout.text(entry.to.as_str());
    layout.number(entry.credits.0);
    layout.optional(entry.project_id.as_ref(), |layout, id| layout.text(id.as_str()));
    layout.number(entry.balance.total.0);
    layout.number(entry.balance.held.0);
    layout.number(entry.balance.consumed.0);
    layout.text(&entry.cause.key.source);
    layout.text(&entry.cause.key.id);
    layout.text(&entry.cause.message_type);
    layout.optional(entry.cause.traceparent.as_deref(), Layout::text);
    layout.optional(entry.reason.as_deref(), Layout::text);
    layout.optional(entry.actor.as_deref(), Layout::text);
    Digest(layout.0.finalize().into())
}
