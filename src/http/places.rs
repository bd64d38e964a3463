//! Places that are few: no holder of one token takes them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::TokenName;

/// So many places, of which a token has some at most.
pub struct Places {
    all: Arc<Semaphore>,
    of_token_max: usize,
    /// How many each token has taken, by its name.
    of_tokens: Arc<Mutex<HashMap<TokenName, usize>>>,
}

/// A place that is taken until it is dropped.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_token: Option<Share>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All of them are taken.
    All,
    /// The token has all that it may have.
    OfToken,
}

/// One of the places that a token may have, until it is dropped.
struct Share {
    of_tokens: Arc<Mutex<HashMap<TokenName, usize>>>,
    token: TokenName,
}

impl Places {
    /// As many places as `all`, of which a token has `of_token_max` at most.
    pub fn new(all: usize, of_token_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_token_max, of_tokens: Arc::default() }
    }

    /// A place for who has this token. Where no tokens are needed, there is nobody to share with.
    pub(super) fn take(&self, token: Option<&TokenName>) -> Result<Place, Taken> {
        let of_token = token.map(|token| self.share(token).ok_or(Taken::OfToken)).transpose()?;
        let of_all = self.all.clone().try_acquire_owned().map_err(|_| Taken::All)?;
        Ok(Place { _of_all: of_all, _of_token: of_token })
    }

    fn share(&self, token: &TokenName) -> Option<Share> {
        let mut taken = self.of_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(token.clone()).or_default();
        if *count >= self.of_token_max {
            return None;
        }
        *count += 1;
        Some(Share { of_tokens: self.of_tokens.clone(), token: token.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_takes_the_places_of_all_others() {
        let places = Places::new(3, 2);
        let [one, other] = ["one", "other"].map(|name| name.parse::<TokenName>().unwrap());
        let mut taken = vec![places.take(Some(&one)).unwrap(), places.take(Some(&one)).unwrap()];
        assert_eq!(places.take(Some(&one)).err(), Some(Taken::OfToken));
        let last = places.take(Some(&other)).unwrap();
        assert_eq!(places.take(Some(&other)).err(), Some(Taken::All));
        assert_eq!(places.take(None).err(), Some(Taken::All));
        drop(last);
        taken.pop();
        taken.push(places.take(Some(&one)).unwrap());
        assert_eq!(places.take(Some(&one)).err(), Some(Taken::OfToken));
        taken.push(places.take(None).unwrap());
        assert_eq!(places.take(Some(&other)).err(), Some(Taken::All));
        drop(taken);
        assert!(places.of_tokens.lock().unwrap().is_empty(), "nobody is remembered for nothing");
    }
}
