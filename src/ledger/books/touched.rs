//! What an input touched, for what is evaluated and told after it.

use std::hash::Hash;

use super::super::ids::{AccountId, ProjectId};
use super::super::map::Set;
use super::super::notice::Subject;

/// What one input touched, gathered while it is applied.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Accounts whose rules are to be evaluated.
    pub(super) accounts: InOrder<AccountId>,
    /// Projects whose standing in a queue is to be told.
    pub(super) waiting: InOrder<ProjectId>,
    /// What rules about projects or grants came to be about, or are no longer about.
    pub(super) subjects: Vec<(AccountId, Subject)>,
}

/// A set that remembers in which order its members came.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    pub(super) members: Vec<T>,
    known: Set<T>,
}

impl Touched {
    /// Most inputs touch a few: what the last one took of memory does for the next.
    pub(super) fn clear(&mut self) {
        self.accounts.clear();
        self.waiting.clear();
        self.subjects.clear();
    }
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { members: Vec::new(), known: Set::default() }
    }
}

impl<T: Clone + Eq + Hash> InOrder<T> {
    pub(super) fn add(&mut self, member: &T) {
        if self.known.insert(member.clone()) {
            self.members.push(member.clone());
        }
    }

    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.known.clear();
    }

    /// Empties the set.
    pub(super) fn take(&mut self) -> Vec<T> {
        self.known.clear();
        std::mem::take(&mut self.members)
    }
}
