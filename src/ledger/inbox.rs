//! The inbox: one message, one effect, however often it comes (DESIGN 2 and 3.1).

use std::collections::HashMap;

use super::ids::MessageKey;

/// A digest of a message's type and decoded data.
pub type Fingerprint = [u8; 32];

/// What a delivery is, seen from what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing came under this key yet: apply it.
    New,
    /// The same came before: count it.
    Duplicate,
    /// Something else came under this key before: park it, never apply it.
    Conflict,
}

/// The keys that came before, of those that a batch asks about.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    known: HashMap<MessageKey, Fingerprint>,
}

impl Inbox {
    /// An inbox in which these were seen.
    pub fn of(known: impl IntoIterator<Item = (MessageKey, Fingerprint)>) -> Self {
        Self { known: known.into_iter().collect() }
    }

    /// Says what a delivery is, and remembers it.
    pub fn admit(&mut self, key: &MessageKey, fingerprint: Fingerprint) -> Admission {
        match self.known.get(key) {
            None => {
                self.known.insert(key.clone(), fingerprint);
                Admission::New
            }
            Some(first) if *first == fingerprint => Admission::Duplicate,
            Some(_) => Admission::Conflict,
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
        let seen = [[1; 32], [1; 32], [2; 32], [1; 32]].map(|print| inbox.admit(&key, print));
        let expected = [Admission::New, Admission::Duplicate, Admission::Conflict, Admission::Duplicate];
        assert_eq!(seen, expected);
        assert_eq!(inbox.admit(&MessageKey::new("other", "1"), [1; 32]), Admission::New);
    }
}
