//! Reading the members of a JSON object, so that each thing that is wrong is said with its place, what was
//! expected and what was found.

use serde_json::{Map, Value};

use super::kinds::Kind;
use super::places::{Path, Wrong};

/// The members of one object. A member that is null counts as one that isn't there.
pub(super) struct Fields<'v> {
    path: &'v Path<'v>,
    members: &'v Map<String, Value>,
}

impl<'v> Fields<'v> {
    /// The members of the document itself.
    pub(super) fn of_document(members: &'v Map<String, Value>) -> Self {
        Self { path: &Path::Top, members }
    }

    /// The members of the object `value` at `path`.
    pub(super) fn of(path: &'v Path<'v>, value: &'v Value) -> Result<Self, Wrong> {
        match value {
            Value::Object(members) => Ok(Self { path, members }),
            other => Err(Wrong::expected(path, "an object", other)),
        }
    }

    /// The object's own place.
    pub(super) fn path(&self) -> &'v Path<'v> {
        self.path
    }

    /// Reads a member that may be left out.
    pub(super) fn optional<T>(&self, name: &str, kind: &impl Kind<T>) -> Result<Option<T>, Wrong> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => kind.read(&Path::Member(self.path, name), value).map(Some),
        }
    }

    /// Reads a member that must be there.
    pub(super) fn required<T>(&self, name: &str, kind: &impl Kind<T>) -> Result<T, Wrong> {
        let missing = || Wrong::at(&Path::Member(self.path, name), "required, but missing or null");
        self.optional(name, kind)?.ok_or_else(missing)
    }
}
