//! A queue of claims, as far as it was loaded: its head, and what a batch adds to its tail.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::ProjectId;
use super::project::Ticket;

/// The head of a stored queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueHead {
    /// The claims, first come first.
    pub claims: Vec<(Ticket, ProjectId)>,
    /// Whether these are all.
    pub complete: bool,
}

/// A queue under work. Claims are known from the head up to some ticket, and from those that this batch
/// appended; between the two may lie stored ones that were not loaded.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    claims: BTreeMap<Ticket, ProjectId>,
    /// All stored claims up to here are in `claims`; `None` where all are.
    loaded_through: Option<Ticket>,
    /// How many claims were stored.
    stored: i64,
    /// Tickets above this were drawn in this batch.
    stored_through: Ticket,
    /// Stored claims that left in this batch.
    left: BTreeSet<Ticket>,
}

/// The stored part beyond what was loaded is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotLoaded;

impl Queue {
    /// A queue that begins with `head`, of `stored` claims, the last ticket drawn being `stored_through`.
    pub(super) fn new(head: &QueueHead, stored: i64, stored_through: Ticket) -> Self {
        let last = head.claims.last().map_or(Ticket(0), |(ticket, _)| *ticket);
        Self {
            claims: head.claims.iter().cloned().collect(),
            loaded_through: (!head.complete).then_some(last),
            stored,
            stored_through,
            left: BTreeSet::new(),
        }
    }

    /// The first claim after `ticket`.
    pub(super) fn next_after(&self, ticket: Ticket) -> Result<Option<(Ticket, ProjectId)>, NotLoaded> {
        let after = (std::ops::Bound::Excluded(ticket), std::ops::Bound::Unbounded);
        let next = self.claims.range(after).next().map(|(ticket, project)| (*ticket, project.clone()));
        match (&next, self.loaded_through) {
            (Some((found, _)), Some(loaded)) if *found > loaded => Err(NotLoaded),
            (None, Some(_)) => Err(NotLoaded),
            _ => Ok(next),
        }
    }

    /// Adds a claim at the tail.
    pub(super) fn append(&mut self, ticket: Ticket, project: ProjectId) {
        debug_assert!(ticket > self.stored_through, "tickets are drawn in rising order");
        self.claims.insert(ticket, project);
    }

    /// Takes a claim out.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.claims.remove(&ticket);
        if ticket <= self.stored_through {
            self.left.insert(ticket);
        }
    }

    /// The place of a claim, from 1. `stored_ahead` is how many stored claims were ahead of it, needed
    /// where it is a stored one beyond what was loaded.
    pub(super) fn position(&self, ticket: Ticket, stored_ahead: Option<i64>) -> Result<i64, NotLoaded> {
        let known_ahead = count(self.claims.range(..ticket).count());
        let Some(loaded_through) = self.loaded_through else { return Ok(known_ahead + 1) };
        if ticket <= loaded_through {
            return Ok(known_ahead + 1);
        }
        if ticket <= self.stored_through {
            let left_ahead = count(self.left.range(..ticket).count());
            return Ok(stored_ahead.ok_or(NotLoaded)? - left_ahead + 1);
        }
        let drawn = (std::ops::Bound::Excluded(self.stored_through), std::ops::Bound::Excluded(ticket));
        let appended_ahead = count(self.claims.range(drawn).count());
        Ok(self.stored - count(self.left.len()) + appended_ahead + 1)
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("no queue has more claims than an i64 counts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(number: i64) -> ProjectId {
        ProjectId::parse(&format!("p{number}")).unwrap()
    }

    /// Ten stored claims with tickets 1 to 10, of which the first three are loaded.
    fn partly_loaded() -> Queue {
        let claims = (1..=3).map(|number| (Ticket(number), project(number))).collect();
        Queue::new(&QueueHead { claims, complete: false }, 10, Ticket(10))
    }

    #[test]
    fn what_was_not_loaded_is_asked_for_and_never_skipped() {
        let mut queue = partly_loaded();
        queue.append(Ticket(11), project(11));
        assert_eq!(queue.next_after(Ticket(0)), Ok(Some((Ticket(1), project(1)))));
        assert_eq!(queue.next_after(Ticket(3)), Err(NotLoaded));
        queue.remove(Ticket(3));
        assert_eq!(queue.next_after(Ticket(2)), Err(NotLoaded));
    }

    #[test]
    fn positions_count_what_left_and_what_was_appended() {
        let mut queue = partly_loaded();
        queue.append(Ticket(11), project(11));
        queue.append(Ticket(12), project(12));
        assert_eq!(queue.position(Ticket(12), None), Ok(12));
        queue.remove(Ticket(2));
        queue.remove(Ticket(7));
        assert_eq!(queue.position(Ticket(3), None), Ok(2));
        assert_eq!(queue.position(Ticket(12), None), Ok(10));
        assert_eq!(queue.position(Ticket(9), None), Err(NotLoaded));
        assert_eq!(queue.position(Ticket(9), Some(8)), Ok(7));
    }

    #[test]
    fn a_complete_queue_ends() {
        let head = QueueHead { claims: vec![(Ticket(4), project(4))], complete: true };
        let mut queue = Queue::new(&head, 1, Ticket(4));
        assert_eq!(queue.next_after(Ticket(4)), Ok(None));
        queue.remove(Ticket(4));
        queue.append(Ticket(5), project(5));
        assert_eq!(queue.position(Ticket(5), None), Ok(1));
    }
}
