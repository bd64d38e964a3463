//! A queue of claims, as far as it was loaded: its head, and what a batch adds to its tail.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

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
    /// How many known claims are ahead of the one that was asked for last: mostly the next one behind it is next.
    counted: Option<(Ticket, i64)>,
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
            counted: None,
        }
    }

    /// The claims after `ticket`, in their order, up to what was not loaded.
    pub(super) fn after(
        &self,
        ticket: Ticket,
    ) -> impl Iterator<Item = Result<(Ticket, &ProjectId), NotLoaded>> {
        let known = self.claims.range((Bound::Excluded(ticket), Bound::Unbounded));
        let is_beyond = move |ticket: Ticket| self.loaded_through.is_some_and(|loaded| ticket > loaded);
        let known = known.map(move |(ticket, project)| match is_beyond(*ticket) {
            true => Err(NotLoaded),
            false => Ok((*ticket, project)),
        });
        known.chain(self.loaded_through.map(|_| Err(NotLoaded)))
    }

    /// Adds a claim at the tail.
    pub(super) fn append(&mut self, ticket: Ticket, project: ProjectId) {
        debug_assert!(ticket > self.stored_through, "tickets are drawn in rising order");
        self.claims.insert(ticket, project);
    }

    /// Takes a claim out.
    pub(super) fn remove(&mut self, ticket: Ticket) {
        self.claims.remove(&ticket);
        self.counted = self.counted.filter(|(counted, _)| *counted <= ticket);
        if ticket <= self.stored_through {
            self.left.insert(ticket);
        }
    }

    /// The place of a claim, from 1. `stored_ahead` is how many stored claims were ahead of it, needed
    /// where it is a stored one beyond what was loaded.
    pub(super) fn position(&mut self, ticket: Ticket, stored_ahead: Option<i64>) -> Result<i64, NotLoaded> {
        let known_ahead = self.known_ahead(ticket);
        let Some(loaded_through) = self.loaded_through else { return Ok(known_ahead + 1) };
        if ticket <= loaded_through {
            return Ok(known_ahead + 1);
        }
        if ticket <= self.stored_through {
            let left_ahead = count(self.left.range(..ticket).count());
            return Ok(stored_ahead.ok_or(NotLoaded)? - left_ahead + 1);
        }
        let drawn = (Bound::Excluded(self.stored_through), Bound::Excluded(ticket));
        let appended_ahead = count(self.claims.range(drawn).count());
        Ok(self.stored - count(self.left.len()) + appended_ahead + 1)
    }

    fn known_ahead(&mut self, ticket: Ticket) -> i64 {
        let counted = self.counted.filter(|(counted, _)| *counted <= ticket);
        let (from, before) = counted.unwrap_or((Ticket(0), 0));
        let ahead = before + count(self.claims.range(from..ticket).count());
        self.counted = Some((ticket, ahead));
        ahead
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

    fn next(queue: &Queue, after: i64) -> Option<Result<(Ticket, &ProjectId), NotLoaded>> {
        queue.after(Ticket(after)).next()
    }

    #[test]
    fn what_was_not_loaded_is_asked_for_and_never_skipped() {
        let mut queue = partly_loaded();
        queue.append(Ticket(11), project(11));
        assert_eq!(next(&queue, 0), Some(Ok((Ticket(1), &project(1)))));
        assert_eq!(queue.after(Ticket(0)).position(|next| next == Err(NotLoaded)), Some(3));
        assert_eq!(next(&queue, 3), Some(Err(NotLoaded)));
        queue.remove(Ticket(3));
        assert_eq!(next(&queue, 2), Some(Err(NotLoaded)));
        queue.remove(Ticket(11));
        assert_eq!(next(&queue, 2), Some(Err(NotLoaded)), "though nothing known comes after");
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
    fn positions_are_the_same_in_whatever_order_they_are_asked_for() {
        let claims = (1..=9).map(|number| (Ticket(number), project(number))).collect();
        let mut queue = Queue::new(&QueueHead { claims, complete: true }, 9, Ticket(9));
        for (ticket, position) in [(5, 5), (7, 7), (2, 2), (9, 9), (9, 9)] {
            assert_eq!(queue.position(Ticket(ticket), None), Ok(position));
        }
        queue.remove(Ticket(3));
        queue.append(Ticket(10), project(10));
        for (ticket, position) in [(9, 8), (10, 9), (2, 2), (4, 3)] {
            assert_eq!(queue.position(Ticket(ticket), None), Ok(position));
        }
        queue.remove(Ticket(4));
        assert_eq!(queue.position(Ticket(5), None), Ok(3));
    }

    #[test]
    fn a_complete_queue_ends() {
        let head = QueueHead { claims: vec![(Ticket(4), project(4))], complete: true };
        let mut queue = Queue::new(&head, 1, Ticket(4));
        assert_eq!(next(&queue, 4), None);
        queue.remove(Ticket(4));
        queue.append(Ticket(5), project(5));
        assert_eq!(queue.position(Ticket(5), None), Ok(1));
    }
}
