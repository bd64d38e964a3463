//! Sessions: what a browser shows in place of the token that its user typed once.
//!
//! The value of the cookie says which token opened the session and until when it lasts, and is signed by a key
//! that is drawn when the process starts. So nothing is kept on this side that strangers could make grow, and
//! whoever reads the hashes in the file can't make a session of them. Each request asks the tokens in force
//! anew: a session ends with its token, taken out, replaced under the same name or over, and has the scope that
//! the token has now. One that somebody ended is remembered until it would be over. A restart forgets that, and
//! the key with it: all sessions end then, and another instance behind the same name asks for the token again.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

use super::ended::EndedSessions;
use super::set::{Grant, TokenSet};
use super::token::TokenHash;
use super::{RandomnessError, hex};
use crate::ledger::moment::{Micros, Timestamp};

/// How long a session lasts, in seconds: a working day. A browser that is left open can't be used the next.
pub const SESSION_S: u32 = 12 * 3600;
/// The longest value that can be one of ours: two times 32 bytes in hex, an i64, two dots.
const VALUE_BYTES_MAX: usize = 2 * hex::DIGITS + 22;

/// The value of a session's cookie: as good as the token for as long as it lasts, so it isn't shown.
#[derive(Clone, Debug)]
pub struct CookieValue(SecretString);

impl CookieValue {
    /// The value itself, of `0-9 a-f . -`: for the `Set-Cookie` header, and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Opens sessions, recognizes and ends them, for as long as this process lives.
pub struct Sessions {
    key: SecretBox<[u8; 32]>,
    ended: RwLock<EndedSessions>,
}

/// What a value that we signed says.
struct Signed {
    /// The token that opened the session.
    hash: TokenHash,
    /// When it is over by itself.
    ends: Timestamp,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Draws the key.
    pub fn begin() -> Result<Self, RandomnessError> {
        let key = SecretBox::try_init_with(|| {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map(|()| key)
        });
        Ok(Self { key: key.map_err(RandomnessError)?, ended: RwLock::default() })
    }

    /// Opens a session for somebody who has shown a token just now; it lasts [`SESSION_S`], and no longer than
    /// the token.
    pub fn open(&self, grant: &Grant, now: Timestamp) -> CookieValue {
        let ends = now + Micros::from_seconds(SESSION_S);
        let signed = format!("{}.{}", grant.hash, ends.micros());
        let signature = hex::encode(&self.signature(&signed).finalize().into_bytes().into());
        CookieValue(format!("{signed}.{signature}").into())
    }

    /// What the session of a cookie's value grants at `now`: nothing where the value isn't ours, or the session
    /// or its token is over.
    pub fn check(&self, value: &str, set: &TokenSet, now: Timestamp) -> Option<Grant> {
        let Signed { hash, ends } = self.read(value, now)?;
        // Nothing can panic while the lock is held.
        if self.ended.read().unwrap_or_else(PoisonError::into_inner).has(&hash, ends) {
            return None;
        }
        set.grant_of(&hash, now)
    }

    /// Ends the session of a cookie's value before its time, for whoever has the value. Nothing is done where it
    /// isn't ours, or over.
    pub fn end(&self, value: &str, now: Timestamp) {
        if let Some(Signed { hash, ends }) = self.read(value, now) {
            self.ended.write().unwrap_or_else(PoisonError::into_inner).add(hash, ends, now);
        }
    }

    /// What `value` says, if we signed it and its time has not come.
    fn read(&self, value: &str, now: Timestamp) -> Option<Signed> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        // The signature is looked at first: nothing that a stranger made is taken apart.
        let (signed, signature) = value.rsplit_once('.')?;
        self.signature(signed).verify_slice(&hex::decode(signature)?).ok()?;
        let (hash, ends) = signed.split_once('.')?;
        let ends = Timestamp::from_micros(ends.parse().ok()?)?;
        (ends > now).then_some(Signed { hash: TokenHash::from_bytes(hex::decode(hash)?), ends })
    }

    fn signature(&self, signed: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret());
        mac.expect("HMAC takes keys of any length").chain_update(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Token, TokenEntry};

    const NOW: &str = "2026-03-01T08:00:00Z";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn entry(name: &str, scope: &str, token: &Token) -> TokenEntry {
        let (name, scope) = (name.parse().unwrap(), scope.parse().unwrap());
        TokenEntry { name, scope, hash: token.hash(), expires: None }
    }

    fn set<const N: usize>(entries: [TokenEntry; N]) -> TokenSet {
        TokenSet::new(entries.into()).unwrap()
    }

    /// A token, the set that knows it, and a session that it opened.
    fn opened() -> (Token, TokenSet, Sessions, CookieValue) {
        let token = Token::draw().unwrap();
        let set =
            set([entry("other", "all", &Token::draw().unwrap()), entry("studio", "account:studio", &token)]);
        let sessions = Sessions::begin().unwrap();
        let value = sessions.open(&set.grant(&token, at(NOW)).unwrap(), at(NOW));
        (token, set, sessions, value)
    }

    #[test]
    fn a_session_grants_what_its_token_does_for_12_hours() {
        let (token, set, sessions, value) = opened();
        let check = |now| sessions.check(value.expose(), &set, at(now));
        assert_eq!(check(NOW), set.grant(&token, at(NOW)));
        assert_eq!(check(NOW).unwrap().name.as_str(), "studio");
        assert!(check("2026-03-01T19:59:59.999999Z").is_some());
        assert_eq!(check("2026-03-01T20:00:00Z"), None);
    }

    #[test]
    fn a_value_that_differs_in_any_byte_is_nothing() {
        let (_, set, sessions, value) = opened();
        let value = value.expose().as_bytes();
        for place in 0..value.len() {
            for other in 0..128 {
                let mut changed = value.to_vec();
                changed[place] = other;
                let granted = sessions.check(std::str::from_utf8(&changed).unwrap(), &set, at(NOW));
                assert_eq!(granted.is_some(), changed == value, "{}", String::from_utf8_lossy(&changed));
            }
            let shorter = std::str::from_utf8(&value[..place]).unwrap();
            assert_eq!(sessions.check(shorter, &set, at(NOW)), None);
        }
        let text = std::str::from_utf8(value).unwrap();
        for longer in [format!("{text}0"), format!("0{text}"), format!("{text}."), text.repeat(10_000)] {
            assert_eq!(sessions.check(&longer, &set, at(NOW)), None);
        }
    }

    #[test]
    fn a_session_ends_with_its_token_and_follows_its_scope() {
        let (token, _, sessions, value) = opened();
        let check = |set: &TokenSet| sessions.check(value.expose(), set, at(NOW));
        assert_eq!(check(&TokenSet::default()), None, "the token was taken out");
        let replaced = set([entry("studio", "account:studio", &Token::draw().unwrap())]);
        assert_eq!(check(&replaced), None, "another token has its name");
        let over = TokenEntry { expires: Some(at(NOW)), ..entry("studio", "account:studio", &token) };
        assert_eq!(check(&set([over])), None, "the token is over");
        let narrowed = set([entry("studio", "account:other", &token)]);
        assert_eq!(check(&narrowed).unwrap().scope.to_string(), "account:other");
    }

    #[test]
    fn a_session_that_was_ended_stays_so_and_others_of_its_token_go_on() {
        let (token, set, sessions, value) = opened();
        let opened_at = |now| sessions.open(&set.grant(&token, at(now)).unwrap(), at(now));
        let other = opened_at("2026-03-01T08:00:00.000001Z");
        let check = |value: &CookieValue, now| sessions.check(value.expose(), &set, at(now)).is_some();
        let signature = value.expose().rsplit_once('.').unwrap().1;
        for wrong in ["", "x", &value.expose()[1..], &format!("{}.1.{signature}", token.hash())] {
            sessions.end(wrong, at(NOW));
        }
        assert!(check(&value, NOW), "only its value ends it");
        sessions.end(value.expose(), at(NOW));
        sessions.end(value.expose(), at(NOW));
        assert!(!check(&value, NOW) && !check(&value, "2026-03-01T19:59:59Z"));
        assert!(check(&other, NOW));
        assert!(set.grant(&token, at(NOW)).is_some(), "the token is none the worse");
        let later = opened_at("2026-03-01T21:00:00Z");
        sessions.end(later.expose(), at("2026-03-01T21:00:00Z"));
        assert!(!check(&value, "2026-03-01T21:00:00Z"), "forgotten, and over all the same");
    }

    #[test]
    fn another_process_does_not_know_it_and_a_hash_from_the_file_forges_none() {
        let (token, set, sessions, value) = opened();
        assert_eq!(Sessions::begin().unwrap().check(value.expose(), &set, at(NOW)), None);
        let ends = at("2026-03-01T09:00:00Z").micros();
        let forged = format!("{}.{ends}.{}", token.hash(), token.hash());
        assert_eq!(sessions.check(&forged, &set, at(NOW)), None);
    }

    #[test]
    fn a_session_is_not_shown_by_accident() {
        let (_, _, sessions, value) = opened();
        let signature = value.expose().rsplit_once('.').unwrap().1;
        assert!(!format!("{value:?}{sessions:?}").contains(&signature[..8]));
    }
}
