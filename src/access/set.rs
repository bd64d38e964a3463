//! All tokens that are known, and what a presented one grants.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use subtle::ConditionallySelectable;

use super::scope::Scope;
use super::token::{PREFIX, Token, TokenHash};
use crate::ledger::moment::Timestamp;

/// The longest name of a token, in characters.
const NAME_CHARS_MAX: usize = 64;

/// What a token is called, in the file, by commands and in the log: 1 to 64 of `A-Z a-z 0-9 . _ @ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenName(Arc<str>);

/// Why a text is no name of a token. Where it is a token, it isn't quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too short or too long.
    #[error("a token's name has 1 to {NAME_CHARS_MAX} characters; found {0}")]
    Length(usize),
    /// A character outside the set.
    #[error("a token's name may contain A-Z a-z 0-9 . _ @ -; found {0:?}")]
    Character(char),
    /// A secret, where a name belongs: names are shown and logged.
    #[error("found what looks like a token itself, expected a token's name, which is shown and logged")]
    Token,
}

impl FromStr for TokenName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if text.starts_with(PREFIX) {
            return Err(NameError::Token);
        }
        if let Some(stranger) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character(stranger));
        }
        if !(1..=NAME_CHARS_MAX).contains(&text.len()) {
            return Err(NameError::Length(text.len()));
        }
        Ok(Self(text.into()))
    }
}

impl TokenName {
    /// A name for a token that nobody named: the beginning of its hash, which no other is likely to have.
    pub fn of(hash: &TokenHash) -> Self {
        let digits = hash.to_string();
        Self(format!("token-{}", &digits[..8]).into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TokenName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What the file says of one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenEntry {
    /// What it is called.
    pub name: TokenName,
    /// What its holder sees.
    pub scope: Scope,
    /// By what it is recognized.
    #[serde(rename = "sha256")]
    pub hash: TokenHash,
    /// From when it counts no more; `None`: until it is taken out.
    pub expires: Option<Timestamp>,
}

impl TokenEntry {
    /// Whether it counts no more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// What somebody may see who has shown a token, or a session that one opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What the token is called.
    pub name: TokenName,
    /// What is seen.
    pub scope: Scope,
    /// Which token it was.
    pub(super) hash: TokenHash,
}

/// All tokens that are known: each name once, each hash once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSet(Vec<TokenEntry>);

/// Why entries are no set. Which of two is meant must not depend on their order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Two of one name.
    #[error("there is another token of that name")]
    Name,
    /// Two names for one token, of which a revocation would take out only one.
    #[error("it is the same token as {0}")]
    Hash(TokenName),
}

impl TokenSet {
    /// The set of `entries`; or the place of the first that clashes with an earlier one, and how.
    pub fn new(entries: Vec<TokenEntry>) -> Result<Self, (usize, SetError)> {
        let mut names = HashMap::with_capacity(entries.len());
        let mut hashes = HashMap::with_capacity(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            if names.insert(entry.name.clone(), place).is_some() {
                return Err((place, SetError::Name));
            }
            if let Some(other) = hashes.insert(entry.hash, entry.name.clone()) {
                return Err((place, SetError::Hash(other)));
            }
        }
        Ok(Self(entries))
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> &[TokenEntry] {
        &self.0
    }

    /// What `token` grants at `now`: nothing where it is unknown or over.
    pub fn grant(&self, token: &Token, now: Timestamp) -> Option<Grant> {
        self.grant_of(&token.hash(), now)
    }

    /// The same by its hash. All entries are compared whole, whatever is found, so that the time it takes tells
    /// nothing about any of them.
    pub(super) fn grant_of(&self, hash: &TokenHash, now: Timestamp) -> Option<Grant> {
        let mut found = u64::MAX;
        for (place, entry) in (0..).zip(&self.0) {
            found.conditional_assign(&place, entry.hash.is(hash));
        }
        let entry = usize::try_from(found).ok().and_then(|place| self.0.get(place))?;
        let TokenEntry { name, scope, hash, .. } = entry;
        (!entry.is_over(now)).then(|| Grant { name: name.clone(), scope: scope.clone(), hash: *hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn entry(name: &str, token: &Token, expires: Option<Timestamp>) -> TokenEntry {
        let scope = format!("account:{name}").parse().unwrap();
        TokenEntry { name: name.parse().unwrap(), scope, hash: token.hash(), expires }
    }

    #[test]
    fn each_token_grants_its_own_scope_and_an_unknown_one_nothing() {
        let tokens: Vec<_> = (0..5).map(|_| Token::draw().unwrap()).collect();
        let names = ["a", "b", "c", "d", "e"];
        let entries = names.iter().zip(&tokens).map(|(name, token)| entry(name, token, None));
        let set = TokenSet::new(entries.collect()).unwrap();
        for (name, token) in names.iter().zip(&tokens) {
            let grant = set.grant(token, Timestamp::EPOCH).unwrap();
            assert_eq!((grant.name.as_str(), grant.scope.to_string()), (*name, format!("account:{name}")));
        }
        assert_eq!(set.grant(&Token::draw().unwrap(), Timestamp::EPOCH), None);
        assert_eq!(TokenSet::default().grant(&tokens[0], Timestamp::EPOCH), None);
    }

    #[test]
    fn a_token_counts_until_its_time_and_not_at_it() {
        let token = Token::draw().unwrap();
        let expires = at("2027-03-01T00:00:00Z");
        let set = TokenSet::new(vec![entry("a", &token, Some(expires))]).unwrap();
        assert!(set.grant(&token, at("2027-02-28T23:59:59.999999Z")).is_some());
        assert_eq!(set.grant(&token, expires), None);
        assert_eq!(set.grant(&token, at("2030-01-01T00:00:00Z")), None);
    }

    #[test]
    fn two_of_one_name_or_of_one_hash_are_no_set() {
        let (first, second) = (Token::draw().unwrap(), Token::draw().unwrap());
        let same_name = vec![entry("a", &first, None), entry("b", &second, None), entry("a", &second, None)];
        assert_eq!(TokenSet::new(same_name), Err((2, SetError::Name)));
        let same_token = vec![entry("a", &first, None), entry("b", &first, None)];
        assert_eq!(TokenSet::new(same_token), Err((1, SetError::Hash("a".parse().unwrap()))));
    }

    #[test]
    fn a_name_is_1_to_64_of_a_set_and_never_a_token() {
        for name in ["a", "grafana", "ops@example.org", "A-z_0.9", &"x".repeat(64)] {
            assert_eq!(name.parse::<TokenName>().unwrap().as_str(), name);
        }
        assert_eq!("".parse::<TokenName>(), Err(NameError::Length(0)));
        assert_eq!("x".repeat(65).parse::<TokenName>(), Err(NameError::Length(65)));
        assert_eq!("a b".parse::<TokenName>(), Err(NameError::Character(' ')));
        assert_eq!("a\"b".parse::<TokenName>(), Err(NameError::Character('"')));
        let token = Token::draw().unwrap();
        let error = token.expose().parse::<TokenName>().unwrap_err();
        assert_eq!(error, NameError::Token);
        assert!(TokenName::of(&token.hash()).as_str().parse::<TokenName>().is_ok());
    }
}
