//! The tokens as a running daemon has them.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::file::{TokenFileError, read};
use super::set::TokenSet;

/// The tokens in force, shared by all who ask, and exchanged as a whole on HUP.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<RwLock<Arc<TokenSet>>>);

impl Tokens {
    /// Begins with `set`.
    pub fn new(set: TokenSet) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(set))))
    }

    /// The tokens in force now. A request asks once and keeps to it.
    pub fn current(&self) -> Arc<TokenSet> {
        // Nothing can panic while the lock is held.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file at `path`, and from then on its tokens count. Where it can't be used, those from before
    /// stay, and the caller has to log why: a slip must lock nobody out, nor let a revoked token in unnoticed.
    pub fn reload(&self, path: &Path) -> Result<Arc<TokenSet>, TokenFileError> {
        let set = Arc::new(read(path)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = set.clone();
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::access::{Token, TokenEntry, entry_text};
    use crate::ledger::moment::Timestamp;

    #[test]
    fn everyone_who_shares_it_sees_a_reload_and_a_bad_file_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let token = Token::draw().unwrap();
        let (name, scope) = ("a".parse().unwrap(), "all".parse().unwrap());
        let entry = TokenEntry { name, scope, hash: token.hash(), expires: None };
        let tokens = Tokens::new(TokenSet::default());
        let shared = tokens.clone();
        let counts = || shared.current().grant(&token, Timestamp::EPOCH).is_some();
        assert!(!counts());

        fs::write(&path, entry_text(&entry)).unwrap();
        tokens.reload(&path).unwrap();
        assert!(counts());
        fs::write(&path, "[[token]]\n").unwrap();
        assert!(tokens.reload(&path).is_err());
        fs::remove_file(&path).unwrap();
        assert!(tokens.reload(&path).is_err());
        assert!(counts());
        fs::write(&path, "").unwrap();
        tokens.reload(&path).unwrap();
        assert!(!counts(), "the last token can be revoked");
    }
}
