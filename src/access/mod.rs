//! Who may see what: tokens, the file that knows them, and the sessions of browsers.
//!
//! A token is 256 bits of the system's randomness. Who has it sees what its scope covers: everything, one
//! organization, or one account. The file holds hashes only, so whoever reads it can't get in by it. Nothing
//! here knows of HTTP, and no time is asked for: each question carries its own.

mod edit;
mod ended;
mod expiry;
mod file;
mod hex;
mod scope;
mod session;
mod set;
mod token;
mod tokens;

pub use edit::{EditError, add, remove};
pub use expiry::{ExpiryError, parse_expiry};
pub use file::{TokenFileError, entry_text, read};
pub use scope::{Scope, ScopeError};
pub use session::{CookieValue, SESSION_S, Sessions};
pub use set::{Grant, NameError, SetError, TokenEntry, TokenName, TokenSet};
pub use token::{HashError, Token, TokenError, TokenHash};
pub use tokens::Tokens;

/// The system gave no randomness, without which there are neither tokens nor sessions.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no random bytes: {0}")]
pub struct RandomnessError(getrandom::Error);
