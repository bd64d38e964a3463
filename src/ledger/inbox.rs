//! The inbox: one message, one effect, however often it comes (DESIGN 2 and 3.1).

use std::collections::HashMap;

use super::ids::MessageKey;

/// A digest of a message's type and decoded data.
pub type Fingerprint = [u8; 32];

/// What came first under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Of what came.
    pub fingerprint: Fingerprint,
    /// Whether it is parked: it had no effect yet.
    pub parked: bool,
}

/// What a message is, seen from what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing came under this key yet: decide it.
    New,
    /// It came before, is parked, and is offered again: decide it, once.
    Offered,
    /// The same came before: count it.
    Duplicate,
    /// Something else came under this key before: park it, never apply it.
    Conflict,
}

/// The keys that came before, of those that a batch asks about.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    known: HashMap<MessageKey, Known>,
}

impl Inbox {
    /// An inbox in which these were seen.
    pub fn of(known: impl IntoIterator<Item = (MessageKey, Known)>) -> Self {
        Self { known: known.into_iter().collect() }
    }

    /// Whether anything came under this key before.
    pub fn knows(&self, key: &MessageKey) -> bool {
        self.known.contains_key(key)
    }

    /// Adds what `other` knows of `keys`.
    pub fn learn(&mut self, keys: &[MessageKey], other: &Inbox) {
        for key in keys {
            if let Some(known) = other.known.get(key) {
                self.known.insert(key.clone(), *known);
            }
        }
    }

    /// Says what a message is, and remembers it. An offer was read before the ledger was locked, and another
    /// try, or another daemon, may have been quicker: only what is still parked is decided.
    pub fn admit(&mut self, key: &MessageKey, fingerprint: Fingerprint, is_offer: bool) -> Admission {
        match self.known.get_mut(key) {
            None => {
                self.known.insert(key.clone(), Known { fingerprint, parked: false });
                Admission::New
            }
            Some(first) if first.fingerprint != fingerprint => Admission::Conflict,
            Some(first) if is_offer && first.parked => {
                first.parked = false;
                Admission::Offered
            }
            Some(_) => Admission::Duplicate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_under_a_key_is_new_the_same_again_a_duplicate_and_another_a_conflict() {
        let key = MessageKey::new("s", "1");
        let mut inbox = Inbox::default();
        let seen = [[1; 32], [1; 32], [2; 32], [1; 32]].map(|print| inbox.admit(&key, print, false));
        let expected = [Admission::New, Admission::Duplicate, Admission::Conflict, Admission::Duplicate];
        assert_eq!(seen, expected);
        assert_eq!(inbox.admit(&MessageKey::new("other", "1"), [1; 32], false), Admission::New);
    }

    #[test]
    fn an_offer_is_decided_while_it_is_parked_and_only_once() {
        let (parked, done) = (MessageKey::new("s", "parked"), MessageKey::new("s", "done"));
        let known = |parked| Known { fingerprint: [1; 32], parked };
        let mut inbox = Inbox::of([(parked.clone(), known(true)), (done.clone(), known(false))]);
        assert_eq!(inbox.admit(&parked, [1; 32], false), Admission::Duplicate);
        assert_eq!(inbox.admit(&parked, [1; 32], true), Admission::Offered);
        assert_eq!(inbox.admit(&parked, [1; 32], true), Admission::Duplicate);
        assert_eq!(inbox.admit(&done, [1; 32], true), Admission::Duplicate);
    }
}
