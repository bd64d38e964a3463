//! Whatever can be said to a ledger, at random: of so few accounts, projects, revisions and credits that they
//! collide. Queueing, refusing and being over limit happen all the time.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::world::{account_fact, account_id, organization_id, project_id, settings};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::{Measure, Rule, Severity};
use crate::ledger::credits::Credits;
use crate::ledger::entry::LogNumber;
use crate::ledger::input::{
    AccountFact, AdjustmentFact, AssetFact, Author, Deliverable, Fact, GrantDue, GrantFact, HoldCommand,
    HoldsStale, OrganizationFact, Price, PriceLine, PriceListFact, PricesStarted, ProjectFact, TransferFact,
};
use crate::ledger::moment::{Micros, Timestamp};
use crate::ledger::settings::Settings;

pub(super) const ACCOUNTS: [&str; 5] = ["own", "payg", "team-a", "team-b", "over"];
/// Those that projects are of: the pool's most often, since there is most to go wrong.
const PROJECT_ACCOUNTS: [&str; 8] = ["own", "payg", "team-a", "team-a", "team-a", "team-b", "team-b", "over"];
const ORGANIZATIONS: [&str; 2] = ["org", "two"];
const STATUSES: [&str; 5] = ["draft", "started", "reviewed", "finalized", "canceled"];

/// A message's revision, where it has one, and what it says.
pub(super) type Said = (Option<i64>, Fact);

/// What happens to a ledger: how many days pass, and then what is said.
pub(super) type Event = (u32, Said);

fn policy() -> impl Strategy<Value = OnInsufficient> {
    select(vec![OnInsufficient::Queue, OnInsufficient::Reject, OnInsufficient::Overdraw])
}

fn mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Recycle, Mode::Consume])
}

fn price() -> impl Strategy<Value = Price> {
    let deliverable = |what: &str| Deliverable { deliverable_type: what.into(), quantity: 1 };
    prop_oneof![
        8 => (0i64..7).prop_map(|credits| Price::Credits(Credits(credits))),
        1 => Just(Price::Deliverables(Arc::new([deliverable("video")]))),
        1 => Just(Price::Deliverables(Arc::new([deliverable("video"), deliverable("photo")]))),
    ]
}

/// A message about one of six projects, with one of so few revisions that they collide.
pub(super) fn project_message() -> impl Strategy<Value = Said> {
    (
        0i64..6,
        select(PROJECT_ACCOUNTS.to_vec()),
        proptest::option::weighted(0.8, select(STATUSES.to_vec())),
        proptest::option::weighted(0.6, price()),
        proptest::option::weighted(0.2, 0i64..7),
        0i64..8,
    )
        .prop_map(|(number, account, status, price, final_credits, revision)| {
            let fact = ProjectFact {
                project_id: project_id(&format!("p{number}")),
                account_id: account_id(account),
                status: status.map(Into::into),
                price,
                final_credits: final_credits.map(Credits),
                name: None,
            };
            (Some(revision), Fact::Project(fact))
        })
}

fn account_message() -> impl Strategy<Value = Said> {
    let kinds = vec![Kind::Standalone, Kind::Connected, Kind::Integrated];
    let rules: Arc<[Rule]> = Arc::new([Rule {
        name: "own".into(),
        measure: Measure::AvailableCredits,
        level: 3,
        severity: Severity::Critical,
        margin: 0,
    }]);
    (
        select(ACCOUNTS.to_vec()),
        proptest::option::of(0i64..12),
        proptest::option::of(0i64..12),
        proptest::option::weighted(0.3, policy()),
        proptest::option::weighted(0.2, mode()),
        proptest::option::weighted(0.5, (select(kinds), select(ORGANIZATIONS.to_vec()))),
        proptest::option::weighted(0.1, Just(rules)),
        0i64..20,
    )
        .prop_map(
            |(account, capacity, allocation, on_insufficient, mode, kind, alert_rules, revision)| {
                let (kind, organization) = kind.unzip();
                let fact = AccountFact {
                    capacity: capacity.map(Credits),
                    allocation: allocation.map(Credits),
                    on_insufficient,
                    mode,
                    kind,
                    organization_id: organization.map(organization_id),
                    alert_rules,
                    ..account_fact(account)
                };
                (Some(revision), Fact::Account(fact))
            },
        )
}

fn organization_message() -> impl Strategy<Value = Said> {
    let rules = super::world::rules();
    (
        proptest::option::of(0i64..16),
        proptest::option::weighted(0.3, Just(rules)),
        0i64..8,
        select(ORGANIZATIONS.to_vec()),
    )
        .prop_map(|(capacity, alert_rules, revision, organization)| {
            let fact = OrganizationFact {
                organization_id: organization_id(organization),
                name: None,
                contact: None,
                capacity: capacity.map(Credits),
                mode: None,
                alert_rules,
            };
            (Some(revision), Fact::Organization(fact))
        })
}

fn credits_message() -> impl Strategy<Value = Said> {
    let targets = || select(vec!["own", "payg", "team-a", "pool:org"]);
    let term = proptest::option::of((0u32..9).prop_map(|days| Timestamp::EPOCH + Micros::from_days(days)));
    let grant = (targets(), 1i64..5, term).prop_map(|(account, credits, expires_at)| {
        Fact::Grant(GrantFact {
            account_id: account_id(account),
            credits: Credits(credits),
            reason: None,
            actor: None,
            expires_at,
        })
    });
    let teams = || select(vec!["team-a", "team-b", "own", "over"]);
    let transfer = (teams(), teams(), 1i64..5)
        .prop_filter("to another", |(from, to, _)| from != to)
        .prop_map(|(from, to, credits)| {
            Fact::Transfer(TransferFact {
                from_account_id: account_id(from),
                to_account_id: account_id(to),
                credits: Credits(credits),
                reason: None,
                actor: None,
            })
        });
    let projects = proptest::option::weighted(0.2, Just(project_id("p0")));
    let asset =
        (select(ACCOUNTS.to_vec()), select(vec!["video", "photo"]), projects, proptest::option::of(1i64..4))
            .prop_map(|(account, asset_type, project_id, credits)| {
                Fact::Asset(AssetFact {
                    account_id: account_id(account),
                    asset_type: asset_type.into(),
                    quantity: 1,
                    project_id,
                    credits: credits.map(Credits),
                })
            });
    let nonzero = (-4i64..=4).prop_filter("not zero", |credits| *credits != 0);
    let adjustment = (targets(), nonzero).prop_map(|(account, credits)| {
        Fact::Adjustment(AdjustmentFact {
            account_id: account_id(account),
            credits: Credits(credits),
            reason: "counted again".into(),
            actor: "ops".into(),
        })
    });
    prop_oneof![3 => grant, 2 => adjustment, 2 => transfer, 2 => asset].prop_map(|fact| (None, fact))
}

fn prices_message() -> impl Strategy<Value = Said> {
    let prices = |video: i64, photo: Option<i64>| {
        let line =
            |what: &str, credits| PriceLine { deliverable_type: what.into(), credits: Credits(credits) };
        std::iter::once(line("video", video)).chain(photo.map(|photo| line("photo", photo))).collect()
    };
    let starts = proptest::option::of((0u32..9).prop_map(|days| Timestamp::EPOCH + Micros::from_days(days)));
    let owner = proptest::option::of(select(ORGANIZATIONS.to_vec()));
    (0i64..4, proptest::option::of(0i64..4), starts, owner).prop_map(
        move |(video, photo, effective_at, owner)| {
            let organization_id = owner.map(organization_id);
            let prices = prices(video, photo);
            (None, Fact::PriceList(PriceListFact { prices, effective_at, organization_id }))
        },
    )
}

/// Inputs of the ledger's own, due or not: those that are not do nothing.
fn own_input() -> impl Strategy<Value = Said> {
    let grant = || {
        (select(vec!["own", "payg", "team-a", "pool:org"]), 1i64..40).prop_map(|(account, number)| GrantDue {
            account_id: account_id(account),
            grant: LogNumber(number),
        })
    };
    let owner = proptest::option::of(select(ORGANIZATIONS.to_vec()));
    let start = (1i64..5, owner).prop_map(|(number, owner)| {
        Fact::PricesStarted(PricesStarted { number, organization_id: owner.map(organization_id) })
    });
    let stale = select(ACCOUNTS.to_vec()).prop_map(|account| {
        let projects = (0..6).map(|number| project_id(&format!("p{number}"))).collect();
        Fact::HoldsStale(HoldsStale { account_id: account_id(account), projects })
    });
    let fact =
        prop_oneof![grant().prop_map(Fact::GrantExpired), grant().prop_map(Fact::GrantWarned), start, stale,];
    fact.prop_map(|fact| (None, fact))
}

/// Commands, which may be refused.
pub(super) fn command() -> impl Strategy<Value = Said> {
    let hold = || (0i64..6).prop_map(|number| HoldCommand { project_id: project_id(&format!("p{number}")) });
    let close = (select(ACCOUNTS.to_vec()), any::<bool>()).prop_map(|(account, closed)| {
        (None, Fact::Account(AccountFact { closed: Some(closed), ..account_fact(account) }))
    });
    prop_oneof![
        2 => hold().prop_map(|hold| (None, Fact::HoldReleased(hold))),
        2 => hold().prop_map(|hold| (None, Fact::HoldRestored(hold))),
        1 => hold().prop_map(|hold| (None, Fact::HoldRetried(hold))),
        1 => close,
        2 => account_message(),
        1 => organization_message(),
        1 => credits_message(),
        1 => prices_message(),
        1 => project_message(),
    ]
}

pub(super) fn author(fact: &Fact) -> Author {
    match fact {
        Fact::GrantExpired(_) | Fact::GrantWarned(_) | Fact::PricesStarted(_) | Fact::HoldsStale(_) => {
            Author::Ledger
        }
        _ => Author::Upstream,
    }
}

fn settings_message() -> impl Strategy<Value = Said> {
    (any::<bool>(), proptest::option::of(Just(Severity::Critical))).prop_map(|(bare, queue_blocked)| {
        let alert_rules = if bare { Arc::default() } else { super::world::rules() };
        let settings = Settings { alert_rules, queue_blocked, ..settings() };
        (None, Fact::Settings(Arc::new(settings)))
    })
}

fn any_message() -> impl Strategy<Value = Said> {
    prop_oneof![
        12 => project_message(),
        5 => account_message(),
        1 => organization_message(),
        4 => credits_message(),
        2 => prices_message(),
        2 => own_input(),
        1 => settings_message(),
    ]
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    (prop_oneof![4 => Just(0u32), 1 => 1u32..3], any_message())
}
