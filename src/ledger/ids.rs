//! Names of things: accounts, organizations, projects and messages.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("it is empty; expected 1 to 64 characters")]
    Empty,
    /// More than 64 characters.
    #[error("it has {0} characters; expected 1 to 64")]
    TooLong(usize),
    /// A character outside the set.
    #[error("it contains {0:?}; allowed are A-Z a-z 0-9 . _ : @ / -")]
    Character(char),
    /// A step in a path: browsers and proxies take it out of an address, so nothing could be asked about it.
    #[error("{0:?} alone has a meaning of its own in addresses; expected another id")]
    PathStep(String),
    /// An account id that looks like a pool's.
    #[error("ids beginning with \"pool:\" are kept for the pools of organizations")]
    Reserved,
}

/// The longest id, in characters.
pub const ID_CHARS_MAX: usize = 64;
/// The longest `source` or `id` of a message, in characters.
pub const KEY_CHARS_MAX: usize = 256;

fn check_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:@/-".contains(c);
    if let Some(stranger) = text.chars().find(|c| !allowed(*c)) {
        return Err(IdError::Character(stranger));
    }
    if text.len() > ID_CHARS_MAX {
        return Err(IdError::TooLong(text.len()));
    }
    Ok(())
}

/// What programs resolve away in an address, however it is escaped (RFC 3986, 5.2.4).
const PATH_STEPS: [&str; 2] = [".", ".."];

/// Checks what is named anew. What the ledger has already is read all the same.
fn check_new_id(text: &str) -> Result<(), IdError> {
    if PATH_STEPS.contains(&text) {
        return Err(IdError::PathStep(text.to_owned()));
    }
    check_id(text)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, kept_behind: $prefix:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0[$prefix.len()..]
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }
    };
}

id! {
    /// Who holds credits. A pool's id is `pool:` and its organization's id.
    AccountId, kept_behind: ""
}
// Kept as the id of its pool, which is asked for with each message.
id! {
    /// Who shares a pool among accounts.
    OrganizationId, kept_behind: POOL_PREFIX
}
id! {
    /// What ties credits up.
    ProjectId, kept_behind: ""
}

/// What the id of each pool begins with, and of nothing else.
pub const POOL_PREFIX: &str = "pool:";

impl AccountId {
    /// An account id as a message may carry it: a pool's is not among them.
    pub fn parse_named(text: &str) -> Result<Self, IdError> {
        if text.starts_with(POOL_PREFIX) {
            return Err(IdError::Reserved);
        }
        check_new_id(text)?;
        Ok(Self(text.into()))
    }

    /// Any account's id, a pool's too.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check_id(text.strip_prefix(POOL_PREFIX).unwrap_or(text))?;
        Ok(Self(text.into()))
    }

    /// The account that is `organization`'s pool.
    pub fn pool_of(organization: &OrganizationId) -> Self {
        Self(organization.0.clone())
    }

    /// Whether this is a pool, and whose.
    pub fn pool_owner(&self) -> Option<OrganizationId> {
        self.0.starts_with(POOL_PREFIX).then(|| OrganizationId(self.0.clone()))
    }
}

impl OrganizationId {
    /// The id of an organization as a message may carry it.
    pub fn parse_named(text: &str) -> Result<Self, IdError> {
        check_new_id(text)?;
        Ok(Self::behind_prefix(text))
    }

    /// Checks `text` against the rule for ids; the ledger may have some that no message may bring any more.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check_id(text)?;
        Ok(Self::behind_prefix(text))
    }

    fn behind_prefix(text: &str) -> Self {
        Self(format!("{POOL_PREFIX}{text}").into())
    }
}

impl ProjectId {
    /// The id of a project as a message may carry it.
    pub fn parse_named(text: &str) -> Result<Self, IdError> {
        check_new_id(text)?;
        Ok(Self(text.into()))
    }

    /// Checks `text` against the rule for ids; the ledger may have some that no message may bring any more.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check_id(text)?;
        Ok(Self(text.into()))
    }
}

/// What identifies a message: CloudEvents' `source` and `id` together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageKey {
    /// Who sent it.
    pub source: Arc<str>,
    /// Its id, unique for that source.
    pub id: Arc<str>,
}

impl MessageKey {
    /// The key of message `id` from `source`; both are taken as they are.
    pub fn new(source: &str, id: &str) -> Self {
        Self { source: source.into(), id: id.into() }
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_1_to_64_characters_of_the_allowed_set() {
        assert!(ProjectId::parse("A-z.0_9:@/").is_ok());
        assert!(ProjectId::parse(&"x".repeat(64)).is_ok());
        assert_eq!(ProjectId::parse(&"x".repeat(65)), Err(IdError::TooLong(65)));
        assert_eq!(ProjectId::parse(""), Err(IdError::Empty));
        assert_eq!(ProjectId::parse("a b"), Err(IdError::Character(' ')));
        assert_eq!(ProjectId::parse("café"), Err(IdError::Character('é')));
    }

    #[test]
    fn a_message_cannot_bring_an_id_that_no_address_can_have() {
        for step in [".", ".."] {
            let refused = IdError::PathStep(step.to_owned());
            assert_eq!(AccountId::parse_named(step), Err(refused.clone()));
            assert_eq!(OrganizationId::parse_named(step), Err(refused.clone()));
            assert_eq!(ProjectId::parse_named(step), Err(refused));
            assert!(ProjectId::parse(step).is_ok(), "one that is there from before can be read");
        }
        for other in ["...", ".a", "a.", "./", "../a", "-", ".-"] {
            assert!(ProjectId::parse_named(other).is_ok(), "{other}");
        }
    }

    #[test]
    fn a_message_cannot_name_a_pool_as_its_account() {
        assert_eq!(AccountId::parse_named("pool:acme"), Err(IdError::Reserved));
        assert!(AccountId::parse_named("pool").is_ok());
    }

    #[test]
    fn the_pool_of_the_longest_organization_id_is_still_an_account_id() {
        let organization = OrganizationId::parse(&"o".repeat(64)).unwrap();
        let pool = AccountId::pool_of(&organization);
        assert_eq!(AccountId::parse(pool.as_str()).unwrap().pool_owner(), Some(organization));
    }
}
