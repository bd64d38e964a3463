//! What a brief would cost and what would become of it if it were started now. Nothing is changed: the core
//! decides a project that does not exist, on a snapshot (DESIGN 1.3).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock;
use crate::ledger::account::{Account, Chain};
use crate::ledger::books::{Changes, LogRecord};
use crate::ledger::credits::Credits;
use crate::ledger::entry::Cause;
use crate::ledger::ids::{AccountId, MessageKey, ProjectId};
use crate::ledger::input::{Author, Fact, Input, Price, ProjectFact};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{AlertBody, HoldBody, HoldState, NoticeBody};
use crate::ledger::price::PricedLine;
use crate::ledger::project::{Project, State};
use crate::ledger::settings::{Effect, Settings};
use crate::ledger::unblock::Waiting;
use crate::store::{self, Decided, Snapshot, StoreError, UnblockingRow};

/// How much of a queue is looked at to say what would unblock a claim at its end.
const CLAIMS_MAX: usize = 1000;

/// What a brief would cost, and what would become of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Quote {
    /// Whose brief it would be.
    pub account_id: AccountId,
    /// What each deliverable costs; nothing where the credits were said.
    pub lines: Vec<QuotedLine>,
    /// What all of it costs; `null` while a deliverable has no price.
    pub credits: Option<Credits>,
    /// What the account has available, and what may still be held: less where the pool has less.
    pub available: Credits,
    /// What may be held now, by the account and by its pool, in credits.
    pub usable: Credits,
    /// What would become of it.
    pub verdict: Verdict,
    /// The alerts that it would raise or change.
    pub alerts: Vec<QuotedAlert>,
}

/// What one deliverable costs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuotedLine {
    /// What.
    #[serde(rename = "type")]
    pub deliverable_type: Arc<str>,
    /// How many pieces.
    pub quantity: i64,
    /// What a piece costs, in credits.
    pub each: Option<Credits>,
    /// What all pieces cost, in credits; `null` where no list prices it, or beyond the range.
    pub credits: Option<i64>,
    /// The number of the price list that says so.
    pub price_list: Option<i64>,
}

/// What would become of a brief.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "would")]
pub enum Verdict {
    /// It would hold its credits at once.
    Start,
    /// It would wait.
    Wait {
        /// How.
        #[serde(flatten)]
        claim: HoldBody,
        /// What would unblock it.
        unblocking: Option<UnblockingRow>,
    },
    /// It would be refused.
    BeRefused {
        /// Why.
        #[serde(flatten)]
        claim: HoldBody,
    },
    /// Nothing would be held, for nothing says what it costs.
    BeUnpriced {
        /// The types without a price.
        types: Vec<Arc<str>>,
    },
}

/// An alert that a brief would bring about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuotedAlert {
    /// About which account.
    pub account_id: AccountId,
    /// The rules that it would raise, and that are not raised now.
    pub raises: Vec<Arc<str>>,
    /// What it would say.
    #[serde(flatten)]
    pub alert: AlertBody,
}

/// Why there is no quote.
#[derive(Debug, thiserror::Error)]
pub enum QuoteError {
    /// The store can't say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to quote.
    #[error("{0}")]
    Refused(String),
}

/// Quotes `price` for `account`. `settings` decide in a ledger that no daemon has set up yet.
pub async fn quote(
    snapshot: &mut Snapshot,
    settings: &Arc<Settings>,
    account_id: &AccountId,
    price: &Price,
    seen_by: Option<&AccountId>,
) -> Result<Quote, QuoteError> {
    let before = snapshot.chain(account_id).await?;
    let Some(account) = before.first() else {
        let hint = "`creditd account list` shows those that are";
        return Err(QuoteError::Refused(format!("no account \"{account_id}\" is known; {hint}")));
    };
    let settings = snapshot.settings().cloned().unwrap_or_else(|| settings.clone());
    let now = clock::now().max(snapshot.last_at());
    let input = brief(&settings, account_id, price, now)?;
    let Decided::Done(decisions, changes) = snapshot.decide(std::slice::from_ref(&input), &settings).await?
    else {
        unreachable!("only commands are refused");
    };
    if let Some(parking) = decisions.iter().find_map(|decision| decision.parking()) {
        return Err(QuoteError::Refused(parking.detail.clone()));
    }
    let deliverables = match price {
        Price::Deliverables(deliverables) => &**deliverables,
        Price::Credits(_) => &[],
    };
    let lines = snapshot.price_lines(account_id, deliverables, now, &settings).await?.unwrap_or_default();
    Ok(Quote {
        account_id: account_id.clone(),
        verdict: verdict(snapshot, &changes, &lines, seen_by).await?,
        lines: lines.into_iter().map(QuotedLine::from).collect(),
        credits: changes.projects.iter().find(|project| is_quoted(&project.id)).and_then(Project::credits),
        available: account.balance.available(),
        usable: usable(&before),
        alerts: alerts(&changes, seen_by),
    })
}

/// What may be held at most: by the account, and by its pool.
fn usable(chain: &[Account]) -> Credits {
    let room = chain.iter().map(|account| account.balance.available() - account.floor());
    room.min().unwrap_or_default().or_zero()
}

const QUOTED: &str = "quoted/";

fn is_quoted(project: &ProjectId) -> bool {
    project.as_str().starts_with(QUOTED)
}

/// The message that would start it: of a project that nobody has.
fn brief(
    settings: &Settings,
    account_id: &AccountId,
    price: &Price,
    now: Timestamp,
) -> Result<Input, QuoteError> {
    let Some(rule) = settings.statuses.iter().find(|rule| rule.effect == Effect::Hold) else {
        let detail = "no status of lifecycle.statuses holds credits, so nothing would be held";
        return Err(QuoteError::Refused(detail.to_owned()));
    };
    let id = format!("{QUOTED}{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let fact = ProjectFact {
        project_id: ProjectId::parse(&id).expect("letters, digits and a slash, and short enough"),
        account_id: account_id.clone(),
        status: Some(rule.status.clone()),
        price: Some(price.clone()),
        final_credits: None,
        name: None,
    };
    let key = MessageKey::new("creditd/quote", &id);
    let fact = Fact::Project(fact);
    let cause = Cause { key, message_type: fact.command_type().into(), traceparent: None };
    let author = Author::Upstream;
    Ok(Input { cause: Arc::new(cause), time: Some(now), revision: Some(0), author, fact, now })
}

async fn verdict(
    snapshot: &mut Snapshot,
    changes: &Changes,
    lines: &[PricedLine],
    seen_by: Option<&AccountId>,
) -> Result<Verdict, StoreError> {
    let project = changes.projects.iter().find(|project| is_quoted(&project.id));
    let project = project.expect("a brief that was applied is on the books");
    if project.state() == State::Unpriced {
        let unpriced = lines.iter().filter(|line| line.each.is_none());
        let types = unpriced.map(|line| line.deliverable_type.clone()).collect();
        return Ok(Verdict::BeUnpriced { types });
    }
    let told = changes.log.iter().find_map(|record| match record {
        LogRecord::Notice(notice) => match &notice.body {
            NoticeBody::Hold(hold) if hold.project_id == project.id => Some(hold.clone()),
            _ => None,
        },
        LogRecord::Entry(_) => None,
    });
    let Some(claim) = told else { return Ok(Verdict::Start) };
    if claim.state == HoldState::Rejected {
        return Ok(Verdict::BeRefused { claim });
    }
    let chain = project.chain.clone().expect("a project that claims has a chain");
    let unblocking = unblocking(snapshot, &claim, chain, seen_by).await?;
    Ok(Verdict::Wait { claim, unblocking })
}

/// What would unblock a claim at the end of its queue; not said where that is longer than is looked at.
async fn unblocking(
    snapshot: &mut Snapshot,
    claim: &HoldBody,
    chain: Chain,
    seen_by: Option<&AccountId>,
) -> Result<Option<UnblockingRow>, StoreError> {
    let mut queue = snapshot.queue(chain.queue(), CLAIMS_MAX).await?;
    if queue.standing.waiting.len() == CLAIMS_MAX {
        return Ok(None);
    }
    for account in snapshot.chain(&chain.account).await? {
        queue.standing.room.insert(account.id.clone(), account.balance.available() - account.floor());
    }
    let (project_id, growth, aside) = (claim.project_id.clone(), claim.credits, claim.aside.is_some());
    queue.standing.waiting.push(Waiting { project_id, chain, growth, aside });
    Ok(store::unblocking(&queue.standing.outlook(seen_by), &claim.project_id, seen_by))
}

fn alerts(changes: &Changes, seen_by: Option<&AccountId>) -> Vec<QuotedAlert> {
    let alert = |record: &LogRecord| match record {
        LogRecord::Notice(notice) => match &notice.body {
            NoticeBody::Alert(alert) => {
                let new = alert.rules.iter().filter(|raised| raised.since == notice.at);
                Some(QuotedAlert {
                    account_id: notice.account_id.clone(),
                    raises: new.map(|raised| raised.rule.name.clone()).collect(),
                    alert: (**alert).clone(),
                })
            }
            NoticeBody::Hold(_) | NoticeBody::TransferRejected(_) => None,
        },
        LogRecord::Entry(_) => None,
    };
    let may_be_seen = |alert: &QuotedAlert| seen_by.is_none_or(|own| alert.account_id == *own);
    changes.log.iter().filter_map(alert).filter(may_be_seen).collect()
}

impl From<PricedLine> for QuotedLine {
    fn from(line: PricedLine) -> Self {
        Self {
            credits: line.sum().and_then(|sum| i64::try_from(sum).ok()),
            deliverable_type: line.deliverable_type,
            quantity: line.quantity,
            each: line.each,
            price_list: line.list,
        }
    }
}
