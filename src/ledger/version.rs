//! Last-writer-wins registers and the versions that order their writers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::MessageKey;
use super::moment::{Micros, Timestamp};
use super::settings::Order;

/// Who wrote a register, comparable with any other writer: `(revision, time, source, id)`.
///
/// Where the ledger's order is `time`, the revision is left out when a version is made, so one comparison
/// serves both. A missing time sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    revision: Option<i64>,
    time: Option<Timestamp>,
    source: Arc<str>,
    id: Arc<str>,
}

/// What a message lacks to have a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionLack {
    /// `order = "revision"` and no revision.
    Revision,
    /// `order = "time"` and no time.
    Time,
}

impl Version {
    /// The version of a message, under the ledger's `order`.
    pub fn of(
        order: Order,
        revision: Option<i64>,
        time: Option<Timestamp>,
        key: &MessageKey,
    ) -> Result<Arc<Self>, VersionLack> {
        let revision = match order {
            Order::Revision => Some(revision.ok_or(VersionLack::Revision)?),
            Order::Time => None,
        };
        if order == Order::Time && time.is_none() {
            return Err(VersionLack::Time);
        }
        Ok(Arc::new(Self { revision, time, source: key.source.clone(), id: key.id.clone() }))
    }

    /// The version of a command given at `now`, above `highest`, the highest on its object: of the same
    /// revision and later than it, so that it beats what came and the upstream's next revision beats it
    /// (DESIGN 1.5).
    pub fn above(order: Order, highest: Option<&Version>, now: Timestamp, key: &MessageKey) -> Arc<Self> {
        let revision = match order {
            Order::Revision => Some(highest.and_then(|highest| highest.revision).unwrap_or(0)),
            Order::Time => None,
        };
        let after = highest.and_then(|highest| highest.time).map(|time| time + Micros(1));
        let time = Some(after.map_or(now, |after| after.max(now)));
        Arc::new(Self { revision, time, source: key.source.clone(), id: key.id.clone() })
    }
}

/// Its parts, for those who read.
impl Version {
    /// The sender's count of changes; `None` where the order is `time`.
    pub fn revision(&self) -> Option<i64> {
        self.revision
    }

    /// When the sender says that it happened.
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Who sent it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Which of that source's messages it is.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A value with the version that last set it. Only a newer version sets it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<T> {
    value: T,
    version: Option<Arc<Version>>,
}

impl<T> Register<T> {
    /// A register that nobody has set, reading as `value`.
    pub fn unset(value: T) -> Self {
        Self { value, version: None }
    }

    /// A register as it was stored.
    pub fn stored(value: T, version: Option<Arc<Version>>) -> Self {
        Self { value, version }
    }

    /// What it holds.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Changes what follows from what was said, and not who said it.
    pub fn refine(&mut self, change: impl FnOnce(&mut T)) {
        change(&mut self.value);
    }

    /// Who set it, if anybody has.
    pub fn version(&self) -> Option<&Arc<Version>> {
        self.version.as_ref()
    }

    /// Whether a writer of `version` would set it.
    pub fn yields_to(&self, version: &Version) -> bool {
        self.version.as_deref().is_none_or(|stored| stored < version)
    }

    /// Sets it where `value` is given and `version` is newer. Says whether it did.
    pub fn set(&mut self, value: Option<T>, version: &Arc<Version>) -> bool {
        let Some(value) = value else { return false };
        if !self.yields_to(version) {
            return false;
        }
        self.value = value;
        self.version = Some(version.clone());
        true
    }
}

impl<T: Default> Default for Register<T> {
    fn default() -> Self {
        Self::unset(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(order: Order, revision: i64, time: Option<&str>, id: &str) -> Arc<Version> {
        let time = time.map(|text| Timestamp::parse(text).unwrap());
        Version::of(order, Some(revision), time, &MessageKey::new("s", id)).unwrap()
    }

    #[test]
    fn the_revision_decides_before_the_time_and_the_time_before_the_id() {
        let early = Some("2026-01-01T00:00:00Z");
        let late = Some("2026-02-01T00:00:00Z");
        assert!(version(Order::Revision, 2, early, "a") > version(Order::Revision, 1, late, "b"));
        assert!(version(Order::Revision, 1, late, "a") > version(Order::Revision, 1, early, "b"));
        assert!(version(Order::Revision, 1, early, "b") > version(Order::Revision, 1, early, "a"));
        assert!(version(Order::Revision, 1, early, "a") > version(Order::Revision, 1, None, "b"));
    }

    #[test]
    fn under_the_order_of_time_revisions_count_for_nothing() {
        let early = Some("2026-01-01T00:00:00Z");
        let late = Some("2026-02-01T00:00:00Z");
        assert!(version(Order::Time, 1, late, "a") > version(Order::Time, 2, early, "b"));
    }

    #[test]
    fn a_message_without_what_the_order_needs_has_no_version() {
        let key = MessageKey::new("s", "i");
        assert_eq!(Version::of(Order::Revision, None, None, &key), Err(VersionLack::Revision));
        assert_eq!(Version::of(Order::Time, Some(1), None, &key), Err(VersionLack::Time));
        assert!(Version::of(Order::Revision, Some(1), None, &key).is_ok());
    }

    #[test]
    fn a_command_beats_what_came_and_the_next_revision_beats_it() {
        let now = Timestamp::parse("2026-02-01T00:00:00Z").unwrap();
        let key = MessageKey::new("creditd/cli", "c");
        let later = Some("2026-03-01T00:00:00Z");
        for time in [None, Some("2026-01-01T00:00:00Z"), later] {
            let stored = version(Order::Revision, 4, time, "z");
            let command = Version::above(Order::Revision, Some(&stored), now, &key);
            assert!(command > stored, "{time:?}");
            assert!(version(Order::Revision, 5, None, "a") > command);
            let stored = time.map(|_| version(Order::Time, 4, time, "z"));
            let command = Version::above(Order::Time, stored.as_deref(), now, &key);
            assert!(stored.is_none_or(|stored| command > stored));
        }
        let first = Version::above(Order::Revision, None, now, &key);
        assert!(version(Order::Revision, 1, None, "a") > first);
    }

    #[test]
    fn a_register_keeps_the_newest_value_in_any_order_of_arrival() {
        let (old, new) = (version(Order::Revision, 1, None, "a"), version(Order::Revision, 2, None, "b"));
        let mut register = Register::unset(0);
        assert!(register.set(Some(2), &new));
        assert!(!register.set(Some(1), &old), "an older writer must not win");
        assert!(!register.set(Some(3), &new), "a repetition must not write");
        assert!(!register.set(None, &new), "an omitted field leaves it alone");
        assert_eq!(*register.get(), 2);
    }
}
