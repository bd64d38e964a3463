//! A token, and the hash by which it is known.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{RandomnessError, hex};

/// What each token begins with, so that scanners of repositories and logs recognize one that got there.
pub(super) const PREFIX: &str = "creditd_";
/// The length of every token, in characters.
const CHARS: usize = PREFIX.len() + hex::DIGITS;

/// A secret that lets its holder see what its scope covers: `creditd_` and 64 hex digits.
///
/// It can only be one that was drawn: a word that a person chose is no token, whatever its hash.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

/// A text that is no token. It isn't quoted: it may be another secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token; one is {PREFIX} and 64 hex digits, as `creditd token new` prints it")]
pub struct TokenError;

impl Token {
    /// Draws a new one: 256 bits of the system's randomness.
    pub fn draw() -> Result<Self, RandomnessError> {
        let drawn = SecretBox::try_init_with(|| {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map(|()| bytes)
        });
        let bytes = drawn.map_err(RandomnessError)?;
        let digits = SecretString::from(hex::encode(bytes.expose_secret()));
        let mut text = String::with_capacity(CHARS);
        text.push_str(PREFIX);
        text.push_str(digits.expose_secret());
        Ok(Self(text.into()))
    }

    /// The token that a stranger presents, if it has a token's form. Of anything longer nothing but the length
    /// is looked at, so that it costs nothing.
    pub fn parse(presented: &str) -> Result<Self, TokenError> {
        if presented.len() != CHARS {
            return Err(TokenError);
        }
        let digits = presented.strip_prefix(PREFIX).ok_or(TokenError)?;
        hex::decode(digits).ok_or(TokenError)?;
        Ok(Self(presented.into()))
    }

    /// The token itself: for the person who asked for it, and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// By what it is known.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.expose()).into())
    }
}

/// The SHA-256 of a token's text.
///
/// Slow hashes make guessing dear where people choose the secret. A token is 256 random bits: who has its hash
/// would have to try some 2^255 of them, which no speed brings within reach. So a fast hash takes nothing away,
/// and requests with wrong tokens can't keep the daemon busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// Why a text is no hash of a token. It isn't quoted: it may be the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Something else.
    #[error("expected the SHA-256 of a token: 64 digits of 0-9 a-f")]
    Form,
    /// The secret, where only its hash belongs.
    #[error(
        "found a token itself, which whoever reads the file could use; take it out, and make another by \
         `creditd token new`"
    )]
    Token,
}

impl TokenHash {
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Whether both are the same, in a time that says nothing about where they differ.
    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl FromStr for TokenHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        if text.starts_with(PREFIX) {
            return Err(HashError::Token);
        }
        hex::decode(text).map(Self).ok_or(HashError::Form)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_bits_that_nobody_drew_before_and_reads_as_it_was_written() {
        let (first, second) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert_ne!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), 72);
        let read = Token::parse(first.expose()).unwrap();
        assert_eq!(read.hash(), first.hash());
        assert_ne!(first.hash(), second.hash());
    }

    #[test]
    fn a_hash_is_what_sha256sum_says() {
        let token = Token::parse(&format!("creditd_{}", "0".repeat(64))).unwrap();
        let hash = "c4500451aa1ade2b8e40f039cc6b1d6768685a15338ec7eaecf4fcf9850a7a40";
        assert_eq!(token.hash().to_string(), hash);
        assert_eq!(hash.parse(), Ok(token.hash()));
    }

    #[test]
    fn nothing_but_a_whole_token_is_taken() {
        let token = Token::draw().unwrap();
        let token = token.expose();
        let digits = &token[PREFIX.len()..];
        let wrong = [
            String::new(),
            digits.to_owned(),
            token[..71].to_owned(),
            format!("{token}0"),
            format!(" {token}"),
            format!("{PREFIX}{}", "A".repeat(64)),
            format!("{PREFIX}{}é", "0".repeat(62)),
            format!("CREDITD_{digits}"),
            "0".repeat(1_000_000),
        ];
        for text in wrong {
            assert_eq!(Token::parse(&text).unwrap_err(), TokenError);
        }
    }

    #[test]
    fn a_token_is_not_shown_by_accident_and_none_is_taken_for_its_hash() {
        let token = Token::draw().unwrap();
        assert!(!format!("{token:?}").contains(&token.expose()[PREFIX.len()..]));
        assert_eq!(token.expose().parse::<TokenHash>(), Err(HashError::Token));
        for wrong in ["", "0", &"0".repeat(63), &"0".repeat(65), &"F".repeat(64)] {
            assert_eq!(wrong.parse::<TokenHash>(), Err(HashError::Form), "{wrong}");
        }
    }
}
