//! Claims: what wants to be held, is placed from the head of its queue, waits, or is refused (DESIGN 1.2).

use super::super::account::{Account, Chain, OnInsufficient};
use super::super::balance::Queued;
use super::super::booking::Movement;
use super::super::credits::Credits;
use super::super::entry::{EntryKind, Side};
use super::super::ids::{AccountId, ProjectId};
use super::super::input::Input;
use super::super::map::Set;
use super::super::notice::{Aside, HoldBody, HoldState, NoticeBody, Obstacle, Shortfall};
use super::super::project::{Claim, Project, Ticket};
use super::super::queue::{NotLoaded, Queue, QueueHead};
use super::{Books, Need};

/// What stops the claims that come next in a queue.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// The pool can't carry a claim: everything behind it waits.
    everybody: bool,
    /// These accounts can't carry a claim of their own: their later claims wait.
    accounts: Set<AccountId>,
}

/// How a claim stands at its turn.
enum Turn {
    /// It fits.
    Fits,
    /// It is more than an account of its chain could ever carry as things are.
    Aside(Aside),
    /// Claims ahead of it have to be placed first.
    Behind,
    /// Its own account can't carry it now.
    OwnShort,
    /// The pool can't carry it now.
    PoolShort,
    /// Its account takes no new holds.
    Closed,
}

impl Books<'_> {
    /// Places what fits of the claims that wait in `owner`'s queue, from its head, and says what stops the
    /// next to come.
    pub(super) fn place_claims(&mut self, owner: &AccountId, input: &Input) -> Result<Blocked, Need> {
        let mut blocked = Blocked::default();
        if self.known_account(owner)?.queued.projects == 0 {
            return Ok(blocked);
        }
        let mut cursor = Ticket(0);
        self.queue(owner)?;
        while let Some((id, turn)) = self.next_that_changes(owner, &mut cursor, &mut blocked)? {
            let project = self.project(&id)?;
            if self.remember_aside(&project, matches!(turn, Turn::Aside(_))) {
                self.tell_about(&id);
            }
            if let Turn::Fits = turn {
                self.place_waiting(project, input)?;
            }
        }
        Ok(blocked)
    }

    /// Goes on in a queue until a claim is to be placed, or is aside and was not, or the reverse, and notes on the way
    /// what stops those behind. Nothing is copied: messages come to a long queue that all go through it.
    fn next_that_changes(
        &self,
        owner: &AccountId,
        cursor: &mut Ticket,
        blocked: &mut Blocked,
    ) -> Result<Option<(ProjectId, Turn)>, Need> {
        let queue = self.queues.get(owner).expect("it was asked for before");
        let mut claims = queue.after(*cursor);
        while !blocked.everybody
            && let Some(next) = claims.next()
        {
            let (ticket, id) = next.map_err(|NotLoaded| Need::Queue(owner.clone()))?;
            *cursor = ticket;
            let project = self.known_project(id)?.expect("who waits is known");
            let chain = project.chain.as_ref().expect("a waiting project has a chain");
            let turn = self.turn(chain, project, blocked)?;
            match turn {
                Turn::Fits | Turn::Aside(_) | Turn::Behind | Turn::Closed => {}
                // Every claim of this queue is the account's own.
                Turn::OwnShort if chain.account == *owner => blocked.everybody = true,
                Turn::OwnShort => drop(blocked.accounts.insert(chain.account.clone())),
                Turn::PoolShort => blocked.everybody = true,
            }
            let is_aside = matches!(turn, Turn::Aside(_));
            let changes = project.claim.is_some_and(|claim| claim.aside != is_aside);
            if changes || matches!(turn, Turn::Fits) {
                return Ok(Some((id.clone(), turn)));
            }
        }
        Ok(None)
    }

    /// Tries a new claim as the last of its queue. Where it has to wait, the account's policy decides
    /// whether it does. Says whether it was refused.
    pub(super) fn claim(&mut self, id: &ProjectId, blocked: &Blocked, input: &Input) -> Result<bool, Need> {
        let mut project = self.project(id)?;
        let chain = project.chain.clone().expect("a project with a target has a chain");
        let policy = self.known_account(&chain.account)?.policy();
        match (self.turn(&chain, &project, blocked)?, policy) {
            (Turn::Fits, _) => {
                self.hold_growth(&mut project, &chain, input)?;
                self.put(project);
                Ok(false)
            }
            (Turn::Closed, _) => {
                self.refuse(project, &chain, Turn::Closed, input)?;
                Ok(true)
            }
            (turn, OnInsufficient::Queue) => {
                self.enqueue(project, &chain, matches!(turn, Turn::Aside(_)), input)?;
                Ok(false)
            }
            (turn, OnInsufficient::Reject | OnInsufficient::Overdraw) => {
                self.refuse(project, &chain, turn, input)?;
                Ok(true)
            }
        }
    }

    /// Gives up a project's place in the queue, if it has one. `waited` is what it was counted with.
    pub(super) fn withdraw(
        &mut self,
        project: &mut Project,
        chain: &Chain,
        waited: Queued,
    ) -> Result<(), Need> {
        let Some(claim) = project.claim.take() else { return Ok(()) };
        self.queue(chain.queue())?.remove(claim.ticket);
        self.waiting_changed(chain, waited, Queued::default())
    }

    /// Counts what a project adds to what waits on its chain anew.
    pub(super) fn waiting_changed(
        &mut self,
        chain: &Chain,
        before: Queued,
        after: Queued,
    ) -> Result<(), Need> {
        if before == after {
            return Ok(());
        }
        for id in chain.iter() {
            let queued = &mut self.known_account_mut(id)?.queued;
            queued.projects += after.projects - before.projects;
            queued.credits += after.credits - before.credits;
            self.touch(id);
        }
        Ok(())
    }

    /// Tells where the claims stand that this input made wait, changed, or moved aside or back.
    pub(super) fn tell_waiting(&mut self, input: &Input) -> Result<(), Need> {
        for id in self.touched.waiting.take() {
            let project = self.project(&id)?;
            let Some(claim) = project.claim else { continue };
            let chain = project.chain.clone().expect("a waiting project has a chain");
            let position = self.position(&project, &chain, claim.ticket)?;
            let aside = self.aside(&chain, project.target().held)?;
            // What is told is remembered, so that a walk that comes by later does not tell it again.
            self.remember_aside(&project, aside.is_some());
            let shortfall = self.shortfall(&chain, project.growth())?;
            let position = Some(position);
            let body = HoldBody { position, shortfall, aside, ..hold_body(&project, HoldState::Queued) };
            self.say(&chain.account, NoticeBody::Hold(body), input)?;
        }
        Ok(())
    }

    /// How a claim stands if it is its turn. The own account is tested before the pool.
    fn turn(&self, chain: &Chain, project: &Project, blocked: &Blocked) -> Result<Turn, Need> {
        if *self.known_account(&chain.account)?.closed.get() {
            return Ok(Turn::Closed);
        }
        if let Some(aside) = self.aside(chain, project.target().held)? {
            return Ok(Turn::Aside(aside));
        }
        if blocked.everybody || blocked.accounts.contains(&chain.account) {
            return Ok(Turn::Behind);
        }
        Ok(match self.shortfall(chain, project.growth())? {
            None => Turn::Fits,
            Some(short) if short.account_id == chain.account => Turn::OwnShort,
            Some(_) => Turn::PoolShort,
        })
    }

    /// The first account of the chain that could not carry `held` even if nothing else ran.
    fn aside(&self, chain: &Chain, held: Credits) -> Result<Option<Aside>, Need> {
        for id in chain.iter() {
            let limit = self.known_account(id)?.holdable();
            if held > limit {
                return Ok(Some(Aside { account_id: id.clone(), limit }));
            }
        }
        Ok(None)
    }

    /// The first account of the chain that lacks credits for `growth`, and how many.
    pub(super) fn shortfall(&self, chain: &Chain, growth: Credits) -> Result<Option<Shortfall>, Need> {
        for id in chain.iter() {
            let credits = self.known_account(id)?.shortfall(growth);
            if credits.is_positive() {
                return Ok(Some(Shortfall { account_id: id.clone(), credits }));
            }
        }
        Ok(None)
    }

    fn hold_growth(&mut self, project: &mut Project, chain: &Chain, input: &Input) -> Result<(), Need> {
        let credits = project.growth();
        let (from, to) = (Side::Available, Side::Held);
        self.move_on_chain(project, chain, &[Movement { kind: EntryKind::Hold, from, to, credits }], input)
    }

    fn place_waiting(&mut self, mut project: Project, input: &Input) -> Result<(), Need> {
        let chain = project.chain.clone().expect("a waiting project has a chain");
        let waited = project.waiting();
        self.withdraw(&mut project, &chain, waited)?;
        self.hold_growth(&mut project, &chain, input)?;
        self.put(project);
        Ok(())
    }

    fn enqueue(
        &mut self,
        mut project: Project,
        chain: &Chain,
        aside: bool,
        input: &Input,
    ) -> Result<(), Need> {
        self.ledger.ticket_last.0 += 1;
        let ticket = self.ledger.ticket_last;
        self.queue(chain.queue())?.append(ticket, project.id.clone());
        project.claim = Some(Claim { ticket, since: input.now, aside });
        self.waiting_changed(chain, Queued::default(), project.waiting())?;
        self.tell_about(&project.id);
        self.put(project);
        Ok(())
    }

    fn refuse(&mut self, mut project: Project, chain: &Chain, turn: Turn, input: &Input) -> Result<(), Need> {
        project.refused = Some(project.target().held);
        let (reason, aside) = match turn {
            Turn::Aside(aside) => (Obstacle::ExceedsLimit, Some(aside)),
            Turn::Behind => (Obstacle::QueueAhead, None),
            Turn::Closed => (Obstacle::AccountClosed, None),
            Turn::OwnShort | Turn::PoolShort | Turn::Fits => (Obstacle::InsufficientCredits, None),
        };
        let shortfall = self.shortfall(chain, project.growth())?;
        let body =
            HoldBody { reason: Some(reason), shortfall, aside, ..hold_body(&project, HoldState::Rejected) };
        self.put(project);
        self.say(&chain.account, NoticeBody::Hold(body), input)
    }

    /// Remembers whether a waiting claim is aside. Says whether that is new.
    fn remember_aside(&mut self, project: &Project, aside: bool) -> bool {
        let Some(claim) = project.claim.filter(|claim| claim.aside != aside) else { return false };
        let claim = Some(Claim { aside, ..claim });
        self.put(Project { claim, ..project.clone() });
        true
    }

    fn position(&mut self, project: &Project, chain: &Chain, ticket: Ticket) -> Result<i64, Need> {
        let stored_ahead = self.shelf.ahead.get(&project.id).copied();
        let position = self.queue(chain.queue())?.position(ticket, stored_ahead);
        position.map_err(|NotLoaded| Need::Ahead(project.id.clone()))
    }

    pub(super) fn queue(&mut self, owner: &AccountId) -> Result<&mut Queue, Need> {
        if !self.queues.contains_key(owner) {
            let stored = self.shelf.accounts.get(owner).and_then(Option::as_ref).map_or(0, stored_claims);
            let empty = QueueHead { claims: Vec::new(), complete: true };
            let head = match self.shelf.queues.get(owner) {
                Some(head) => head,
                None if stored == 0 => &empty,
                None => return Err(Need::Queue(owner.clone())),
            };
            let queue = Queue::new(head, stored, self.stored_through);
            self.queues.insert(owner.clone(), queue);
        }
        Ok(self.queues.get_mut(owner).expect("it was just put there"))
    }
}

fn stored_claims(owner: &Account) -> i64 {
    owner.queued.projects
}

fn hold_body(project: &Project, state: HoldState) -> HoldBody {
    HoldBody {
        state,
        project_id: project.id.clone(),
        credits: project.growth(),
        held: project.held,
        wanted: project.target().held,
        position: None,
        reason: None,
        shortfall: None,
        aside: None,
    }
}
