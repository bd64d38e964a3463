//! How the versions of a row's registers are stored: each distinct version once, and for each register
//! which of them set it. Most messages set most registers, so a row has one or two.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;

use super::StoreError;
use crate::ledger::version::Version;

/// The versions of a row's registers, in a fixed order.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The distinct versions.
    versions: Vec<Arc<Version>>,
    /// For each register the place of its version in `versions`.
    registers: Vec<Option<usize>>,
}

/// The versions of a row's registers, in a fixed order, as they are stored.
pub(super) fn to_json<'v>(registers: impl IntoIterator<Item = Option<&'v Arc<Version>>>) -> Json<Stored> {
    let mut stored = Stored { versions: Vec::new(), registers: Vec::new() };
    for version in registers {
        let place = version.map(|version| {
            let known = stored.versions.iter().position(|known| known == version);
            known.unwrap_or_else(|| {
                stored.versions.push(version.clone());
                stored.versions.len() - 1
            })
        });
        stored.registers.push(place);
    }
    Json(stored)
}

/// The versions of `N` registers as [`to_json`] stored them. Registers that came later than the row are unset.
pub(super) fn from_json<const N: usize>(
    table: &'static str,
    json: Value,
) -> Result<[Option<Arc<Version>>; N], StoreError> {
    let unreadable = |what: String| StoreError::Row { table, column: "versions", what };
    let stored: Stored = serde_json::from_value(json).map_err(|error| unreadable(error.to_string()))?;
    let mut registers: [Option<Arc<Version>>; N] = std::array::from_fn(|_| None);
    if stored.registers.len() > N {
        return Err(unreadable(format!("{} registers, {N} are known", stored.registers.len())));
    }
    for (register, place) in registers.iter_mut().zip(stored.registers) {
        let Some(place) = place else { continue };
        let version = stored.versions.get(place).ok_or_else(|| unreadable(format!("no version {place}")))?;
        *register = Some(version.clone());
    }
    Ok(registers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ids::MessageKey;
    use crate::ledger::settings::Order;

    #[test]
    fn versions_come_back_to_the_registers_that_they_belong_to() {
        let of = |revision| {
            Version::of(Order::Revision, Some(revision), None, &MessageKey::new("s", "i")).unwrap()
        };
        let (old, new) = (of(1), of(2));
        let json = serde_json::to_value(to_json([Some(&old), None, Some(&new), Some(&old)])).unwrap();
        assert_eq!(json["versions"].as_array().unwrap().len(), 2);
        let read: [_; 4] = from_json("project", json.clone()).unwrap();
        assert_eq!(read, [Some(old.clone()), None, Some(new.clone()), Some(old.clone())]);
        let with_a_later_register = from_json::<5>("project", json.clone()).unwrap();
        assert_eq!(with_a_later_register, [Some(old.clone()), None, Some(new), Some(old), None]);
        assert!(from_json::<3>("project", json).is_err());
    }
}
