//! How much a token lets its holder see.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::ledger::ids::{AccountId, IdError, OrganizationId};

/// How much a token lets its holder see. What is outside doesn't exist for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything.
    All,
    /// An organization, its pool and its accounts.
    Organization(OrganizationId),
    /// One account. A pool by itself is one too: `account:pool:ORGANIZATION`.
    Account(AccountId),
}

const ORGANIZATION: &str = "organization:";
const ACCOUNT: &str = "account:";

/// Why a text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It is none of the three forms. Scopes that are nearly right must not come to mean more than was meant.
    #[error("found {0:?}, expected all, organization:ID or account:ID")]
    Form(String),
    /// Its id is none.
    #[error("the id after {prefix} can't be one: {error}")]
    Id {
        /// What stands before the id.
        prefix: &'static str,
        /// What is wrong with the id.
        error: IdError,
    },
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let wrong = |prefix| move |error| ScopeError::Id { prefix, error };
        if text == "all" {
            return Ok(Scope::All);
        }
        if let Some(id) = text.strip_prefix(ORGANIZATION) {
            return OrganizationId::parse(id).map(Scope::Organization).map_err(wrong(ORGANIZATION));
        }
        if let Some(id) = text.strip_prefix(ACCOUNT) {
            return AccountId::parse(id).map(Scope::Account).map_err(wrong(ACCOUNT));
        }
        Err(ScopeError::Form(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("all"),
            Scope::Organization(id) => write!(f, "{ORGANIZATION}{id}"),
            Scope::Account(id) => write!(f, "{ACCOUNT}{id}"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_written_as_it_is_read() {
        for text in ["all", "organization:acme", "account:studio", "account:pool:acme", "account:a:b/c@d"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        assert_eq!("all".parse(), Ok(Scope::All));
        let pool = AccountId::pool_of(&OrganizationId::parse("acme").unwrap());
        assert_eq!("account:pool:acme".parse(), Ok(Scope::Account(pool)));
    }

    #[test]
    fn what_is_nearly_a_scope_is_none() {
        let forms =
            ["", "ALL", " all", "all ", "*", "organisation:acme", "Organization:acme", "acme", "account"];
        for text in forms {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Form(text.to_owned())));
        }
        for (text, reason) in [
            ("organization:", "it is empty"),
            ("account:", "it is empty"),
            ("account:pool:", "it is empty"),
            ("organization:a b", "' '"),
            ("account:studio\n", "'\\n'"),
            ("organization:*", "'*'"),
        ] {
            let error = text.parse::<Scope>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
