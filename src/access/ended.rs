//! Sessions that somebody ended before their time.
//!
//! A session is known here by its token and its end, and forgotten when it would be over anyhow. Only who shows
//! a session that counts can end it, so strangers make nothing grow; and of each token only the latest are kept
//! one by one, so its holders don't either.

use std::collections::{BTreeSet, HashMap};

use super::token::TokenHash;
use crate::ledger::moment::Timestamp;

/// So many of a token are kept one by one: more than people who share it log out of in a working day.
const KEPT_MAX: usize = 64;

/// The ended sessions of all tokens.
#[derive(Debug, Default)]
pub(super) struct EndedSessions(HashMap<TokenHash, EndedOfToken>);

/// The ended sessions of one token, by when they would have been over.
#[derive(Debug, Default)]
struct EndedOfToken {
    /// All up to this one, also those that nobody ended: where there are too many to be kept, the oldest sessions
    /// have to log in again, rather than one that was ended count.
    all_up_to: Option<Timestamp>,
    /// Those after it, at most [`KEPT_MAX`].
    each: BTreeSet<Timestamp>,
}

impl EndedSessions {
    /// From `now` on the session of the token with this hash that would be over at `ends` doesn't count.
    pub(super) fn add(&mut self, hash: TokenHash, ends: Timestamp, now: Timestamp) {
        self.0.retain(|_, of_token| of_token.forget_until(now));
        let EndedOfToken { all_up_to, each } = self.0.entry(hash).or_default();
        each.insert(ends);
        if each.len() > KEPT_MAX {
            *all_up_to = each.pop_first().max(*all_up_to);
        }
    }

    /// Whether that session was ended.
    pub(super) fn has(&self, hash: &TokenHash, ends: Timestamp) -> bool {
        let of_token = self.0.get(hash);
        of_token.is_some_and(|it| it.all_up_to.is_some_and(|last| ends <= last) || it.each.contains(&ends))
    }
}

impl EndedOfToken {
    /// Forgets what is over at `now` by itself, and says whether anything is left.
    fn forget_until(&mut self, now: Timestamp) -> bool {
        self.all_up_to = self.all_up_to.filter(|last| *last > now);
        self.each.retain(|ends| *ends > now);
        self.all_up_to.is_some() || !self.each.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Token;

    fn second(number: i64) -> Timestamp {
        Timestamp::from_micros(number * 1_000_000).unwrap()
    }

    #[test]
    fn an_ended_session_is_kept_until_it_would_be_over_and_then_takes_no_room() {
        let (hash, other) = (Token::draw().unwrap().hash(), Token::draw().unwrap().hash());
        let mut ended = EndedSessions::default();
        ended.add(hash, second(100), second(0));
        ended.add(hash, second(100), second(1));
        assert!(ended.has(&hash, second(100)));
        assert!(!ended.has(&hash, second(99)) && !ended.has(&hash, second(101)));
        assert!(!ended.has(&other, second(100)), "it is another token's");
        ended.add(other, second(200), second(99));
        assert!(ended.has(&hash, second(100)));
        ended.add(other, second(201), second(100));
        assert_eq!(ended.0.len(), 1, "{ended:?}");
    }

    #[test]
    fn of_too_many_none_counts_again_and_of_the_others_only_older_ones_are_over() {
        let (hash, other) = (Token::draw().unwrap().hash(), Token::draw().unwrap().hash());
        let mut ended = EndedSessions::default();
        // Not in the order in which they were opened; every tenth goes on.
        let (gone, goes_on): (Vec<_>, Vec<_>) = (1..=1000).partition(|number| number % 10 != 0);
        for number in gone.iter().rev().chain(&gone) {
            ended.add(hash, second(*number), second(0));
        }
        assert!(gone.iter().all(|number| ended.has(&hash, second(*number))));
        let of_token = &ended.0[&hash];
        assert_eq!(of_token.each.len(), KEPT_MAX);
        let oldest_kept = *of_token.each.first().unwrap();
        for number in goes_on {
            assert_eq!(ended.has(&hash, second(number)), second(number) < oldest_kept, "{number}");
        }
        assert!(!ended.has(&other, second(1)), "another token's sessions go on");
        ended.add(other, second(3000), second(1000));
        assert!(!ended.0.contains_key(&hash), "once all are over, nothing is kept");
    }
}
