//! Grants with a term: drawn on, warned of, and over (DESIGN 1.5).

use super::super::account::{Account, Chain};
use super::super::booking::Movement;
use super::super::credits::Credits;
use super::super::entry::{EntryKind, Side};
use super::super::grant::{Grant, draw};
use super::super::ids::AccountId;
use super::super::input::{AccountFact, Author, Fact, GrantDue, GrantFact, Input};
use super::super::notice::{Subject, SubjectChange, SubjectKind};
use super::super::outcome::Outcome;
use super::super::own::{self, Own};
use super::super::{alert, input::HoldCommand};
use super::{Books, Need, Stop};

impl Books<'_> {
    /// Applies the expiries that are due on the accounts that `input` is about, as inputs of their own.
    pub(super) fn expire_due(&mut self, input: &Input) -> Result<(), Stop> {
        if input.author == Author::Ledger {
            return Ok(());
        }
        for account in self.concerned(&input.fact)? {
            for grant in self.due_grants(&account, input)? {
                let expiry = Own::GrantExpired(grant).into_input(input.now);
                let decision = self.apply_alone(&expiry)?;
                self.own.push((expiry, decision));
            }
        }
        Ok(())
    }

    /// The accounts with open grants that a message is about, with those of its project's chain and their pools.
    /// Those that an account or a project comes to by it are among them, for what comes is tested there.
    fn concerned(&self, fact: &Fact) -> Result<Vec<AccountId>, Need> {
        let (named, project) = match fact {
            Fact::Project(fact) => (vec![&fact.account_id], Some(&fact.project_id)),
            Fact::Asset(fact) => (vec![&fact.account_id], None),
            Fact::Account(fact) => (vec![&fact.account_id], None),
            Fact::Grant(fact) => (vec![&fact.account_id], None),
            Fact::Adjustment(fact) => (vec![&fact.account_id], None),
            Fact::Transfer(fact) => (vec![&fact.from_account_id, &fact.to_account_id], None),
            Fact::AlertTested(test) => (vec![&test.account_id], None),
            Fact::HoldReleased(HoldCommand { project_id })
            | Fact::HoldRestored(HoldCommand { project_id })
            | Fact::HoldRetried(HoldCommand { project_id }) => (Vec::new(), Some(project_id)),
            Fact::Organization(fact) => {
                let mut concerned = Vec::new();
                self.add_granted(&AccountId::pool_of(&fact.organization_id), &mut concerned)?;
                return Ok(concerned);
            }
            Fact::PriceList(_)
            | Fact::PricesAmended(_)
            | Fact::Settings(_)
            | Fact::PricesStarted(_)
            | Fact::GrantExpired(_)
            | Fact::GrantWarned(_)
            | Fact::HoldsStale(_) => return Ok(Vec::new()),
        };
        let mut concerned = Vec::new();
        let project = project.map(|id| self.known_project(id)).transpose()?.flatten();
        let comes_to = project.and_then(|project| project.account.get().as_ref());
        for id in named.into_iter().chain(comes_to) {
            for id in self.account(id)?.map(Account::chain).iter().flat_map(Chain::iter) {
                self.add_granted(id, &mut concerned)?;
            }
        }
        for id in project.iter().flat_map(|project| &project.chain).flat_map(Chain::iter) {
            self.add_granted(id, &mut concerned)?;
        }
        if let Fact::Account(fact) = fact
            && let Some(pool) = self.pool_to_come(fact)?
        {
            self.add_granted(&pool, &mut concerned)?;
        }
        concerned.sort();
        concerned.dedup();
        Ok(concerned)
    }

    fn add_granted(&self, id: &AccountId, granted: &mut Vec<AccountId>) -> Result<(), Need> {
        if self.account(id)?.is_some_and(|account| account.tallies.open_grants > 0) {
            granted.push(id.clone());
        }
        Ok(())
    }

    /// The pool that an account may come to by a message about it.
    fn pool_to_come(&self, fact: &AccountFact) -> Result<Option<AccountId>, Need> {
        if fact.kind.is_none() && fact.organization_id.is_none() {
            return Ok(None);
        }
        let account = self.account(&fact.account_id)?;
        let named_before = account.and_then(|account| account.organization_id.get().as_ref());
        Ok(fact.organization_id.as_ref().or(named_before).map(AccountId::pool_of))
    }

    /// The grants of an account whose time is over, in the order in which it ended.
    fn due_grants(&mut self, id: &AccountId, input: &Input) -> Result<Vec<Grant>, Need> {
        if self.account(id)?.is_none_or(|account| account.tallies.open_grants == 0) {
            return Ok(Vec::new());
        }
        let mut due: Vec<_> =
            self.grants(id)?.iter().filter(|grant| grant.is_due(input.now)).cloned().collect();
        due.sort_by_key(|grant| (grant.expires_at, grant.number));
        Ok(due)
    }

    /// Remembers the term of the grant that was booked last.
    pub(super) fn remember_term(&mut self, fact: &GrantFact) -> Result<(), Need> {
        let Some(expires_at) = fact.expires_at else { return Ok(()) };
        let GrantFact { account_id, credits, .. } = fact.clone();
        let number = self.ledger.log_last;
        let (left, warned, closed) = (credits, false, false);
        let id = account_id.clone();
        self.grants_mut(&id)?.push(Grant { number, account_id, credits, left, expires_at, warned, closed });
        self.count_grants(&id)
    }

    /// Takes what was used up on an account from what is left of its grants.
    pub(super) fn draw_on_grants(&mut self, id: &AccountId, used: Credits) -> Result<(), Need> {
        if self.known_account(id)?.tallies.open_grants == 0 {
            return Ok(());
        }
        let grants = self.grants_mut(id)?;
        let open: Vec<_> = grants.iter().filter(|grant| !grant.closed).map(|grant| grant.number).collect();
        draw(grants, used);
        let used_up = |grant: &&Grant| grant.closed && grant.warned && open.contains(&grant.number);
        let over: Vec<_> = grants.iter().filter(used_up).cloned().collect();
        for grant in &over {
            self.tell_subject(id, grant_subject(grant, SubjectChange::Resolved));
        }
        self.count_grants(id)
    }

    /// A grant's time is over: what is left of it leaves the total.
    pub(super) fn expire_grant(&mut self, input: &Input, due: &GrantDue) -> Result<Outcome, Need> {
        let Some(grant) = self.grant(due)?.filter(|grant| grant.is_due(input.now)) else {
            return Ok(Outcome::Stale);
        };
        let account = self.known_account(&due.account_id)?;
        let credits = grant.expiring(*account.mode.get(), account.balance.available());
        self.change_grant(due, |grant| {
            grant.left -= credits;
            grant.closed = true;
        })?;
        self.touch(&due.account_id);
        if grant.warned {
            self.tell_subject(&due.account_id, grant_subject(&grant, SubjectChange::Resolved));
        }
        if credits.is_positive() {
            let (from, to) = (Side::Available, Side::Outside);
            let movement = Movement { kind: EntryKind::Expiry, from, to, credits };
            self.book(&due.account_id, &movement, None, input)?;
        }
        // Where the grant was over when it came, it raised the total and placed nothing; and where credits are
        // consumed not all of it leaves again.
        self.place_on_account(&due.account_id, input)?;
        Ok(Outcome::Applied)
    }

    /// A grant is about to expire: whoever looks after the account is told, once.
    pub(super) fn warn_of_grant(&mut self, input: &Input, due: &GrantDue) -> Result<Outcome, Need> {
        let settings = self.ledger.settings.clone();
        let is_to_be_warned_of = |grant: &Grant| own::is_to_be_warned_of(grant, &settings, input.now);
        let Some(grant) = self.grant(due)?.filter(is_to_be_warned_of) else {
            return Ok(Outcome::Stale);
        };
        self.change_grant(due, |grant| grant.warned = true)?;
        self.tell_subject(&due.account_id, grant_subject(&grant, SubjectChange::Raised));
        self.touch(&due.account_id);
        Ok(Outcome::Applied)
    }

    /// Notes that a rule came to be about something, or is no longer about it.
    pub(super) fn tell_subject(&mut self, account: &AccountId, subject: Subject) {
        self.touched.subjects.push((account.clone(), subject));
    }

    fn grant(&mut self, due: &GrantDue) -> Result<Option<Grant>, Need> {
        if self.account(&due.account_id)?.is_none_or(|account| account.tallies.open_grants == 0) {
            return Ok(None);
        }
        Ok(self.grants(&due.account_id)?.iter().find(|grant| grant.number == due.grant).cloned())
    }

    fn change_grant(&mut self, due: &GrantDue, change: impl FnOnce(&mut Grant)) -> Result<(), Need> {
        let grants = self.grants_mut(&due.account_id)?;
        let grant = grants.iter_mut().find(|grant| grant.number == due.grant);
        change(grant.expect("it was just found there"));
        self.count_grants(&due.account_id)
    }

    fn grants(&self, account: &AccountId) -> Result<&[Grant], Need> {
        match self.grants.get(account) {
            Some(copies) => Ok(copies),
            None => self.stored_grants(account),
        }
    }

    fn grants_mut(&mut self, account: &AccountId) -> Result<&mut Vec<Grant>, Need> {
        if !self.grants.contains_key(account) {
            let copies = self.stored_grants(account)?.to_vec();
            self.grants.insert(account.clone(), copies);
        }
        Ok(self.grants.get_mut(account).expect("it was just put there"))
    }

    /// The open grants that are stored. Most accounts have none, and that is known without asking.
    fn stored_grants(&self, account: &AccountId) -> Result<&[Grant], Need> {
        let stored = self.shelf.accounts.get(account).and_then(Option::as_ref);
        if stored.is_none_or(|account| account.tallies.open_grants == 0) {
            return Ok(&[]);
        }
        let grants = self.shelf.grants.get(account).ok_or_else(|| Need::Grants(account.clone()))?;
        Ok(grants)
    }

    fn count_grants(&mut self, account: &AccountId) -> Result<(), Need> {
        let open: Vec<_> = self.grants(account)?.iter().filter(|grant| !grant.closed).collect();
        let count = |number: usize| i64::try_from(number).expect("no account has more grants than that");
        let open_grants = count(open.len());
        let expiring_grants = count(open.iter().filter(|grant| grant.warned).count());
        let tallies = &mut self.known_account_mut(account)?.tallies;
        (tallies.open_grants, tallies.expiring_grants) = (open_grants, expiring_grants);
        Ok(())
    }
}

fn grant_subject(grant: &Grant, change: SubjectChange) -> Subject {
    let what =
        SubjectKind::Grant { grant: grant.number, credits_left: grant.left, expires_at: grant.expires_at };
    Subject { rule: alert::GRANT_EXPIRING.into(), change, what }
}
