//! One event of each kind to show: they are published as examples, and are what the tests of the outbound
//! types begin with.

use std::sync::Arc;

use super::outbound::{
    OutboundEvent, OutboundType, Sequences, Standing, StoredNotice, ledger_source, of_entry, of_notice,
    of_standing,
};
use crate::ledger::alert::{self, Change, Measure, RaisedRule, Resolution, Resolved, Rule, Severity};
use crate::ledger::balance::{Balance, Queued};
use crate::ledger::credits::Credits;
use crate::ledger::entry::{Cause, Digest, Entry, EntryKind, LogNumber, Side};
use crate::ledger::ids::{AccountId, MessageKey, OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{
    AlertBody, Aside, Contact, ContactRole, HoldBody, HoldState, Holder, Notice, NoticeBody, Obstacle,
    Overcommitted, Shortfall, Subject, SubjectChange, SubjectKind, TransferRejectedBody,
};

/// The ledger that the samples are of, as a source.
pub(super) const LEDGER: &str = "creditd/creditd";

/// Events of a type to show, each under the name of its file; a test holds each type to have one.
pub(super) fn of(outbound_type: &OutboundType) -> Vec<(&'static str, OutboundEvent)> {
    let all = [balance_changed(), alerts(), hold(), transfer_rejected(), snapshot()].into_iter().flatten();
    all.filter(|(name, _)| name.starts_with(&outbound_type.full_name())).collect()
}

/// `credits.balance_changed`.
fn balance_changed() -> Vec<(&'static str, OutboundEvent)> {
    vec![("credits.balance_changed.v1", of_entry(LEDGER, &entry()))]
}

/// `credits.alert`.
fn alerts() -> Vec<(&'static str, OutboundEvent)> {
    vec![
        ("credits.alert.v1", rendered(&raised_alert())),
        ("credits.alert.v1-resolved", rendered(&resolved_alert())),
        ("credits.alert.v1-subjects", rendered(&alert_about_subjects())),
        ("credits.alert.v1-overcommitted", rendered(&overcommitted_alert())),
    ]
}

/// `credits.transfer_rejected`.
fn transfer_rejected() -> Vec<(&'static str, OutboundEvent)> {
    vec![("credits.transfer_rejected.v1", rendered(&rejected_transfer()))]
}

/// `credits.hold`.
fn hold() -> Vec<(&'static str, OutboundEvent)> {
    vec![
        ("credits.hold.v1", rendered(&queued_hold())),
        ("credits.hold.v1-rejected", rendered(&rejected_hold())),
    ]
}

/// `credits.snapshot`, of a ledger that was restored once.
fn snapshot() -> Vec<(&'static str, OutboundEvent)> {
    let entry = entry();
    let standing = Standing {
        account_id: account(),
        organization_id: entry.organization_id.clone(),
        balance: entry.balance,
        sequences: Sequences { balance_changed: entry.sequence, alert: 3, hold: 0, transfer_rejected: 0 },
        through: entry.number,
        at: entry.at,
    };
    vec![("credits.snapshot.v1", of_standing(&ledger_source("creditd", 60_134_400), &standing))]
}

fn rendered(notice: &Notice) -> OutboundEvent {
    of_notice(LEDGER, &StoredNotice::from(notice))
}

fn account() -> AccountId {
    AccountId::parse("studio.north").expect("a valid id")
}

fn project(id: &str) -> ProjectId {
    ProjectId::parse(id).expect("a valid id")
}

fn cause() -> Arc<Cause> {
    Arc::new(Cause {
        key: MessageKey::new("projects", "m-1"),
        message_type: "project.status_changed.v1".into(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
    })
}

fn time() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00.000001Z").expect("a valid time")
}

/// An entry.
pub(crate) fn entry() -> Entry {
    Entry {
        number: LogNumber(1042),
        account_id: account(),
        organization_id: Some(OrganizationId::parse("group").expect("a valid id")),
        sequence: 17,
        at: time(),
        kind: EntryKind::Hold,
        from: Side::Available,
        to: Side::Held,
        credits: Credits(25),
        project_id: Some(project("p-1")),
        balance: Balance { total: Credits(100), held: Credits(65), consumed: Credits(5) },
        cause: cause(),
        reason: None,
        actor: None,
        digest: Digest([0xab; 32]),
    }
}

/// An alert that is raised anew, while a lesser one is over.
pub(super) fn raised_alert() -> Notice {
    let low = Rule {
        name: "low".into(),
        measure: Measure::AvailablePercent,
        level: 30,
        severity: Severity::Warning,
        margin: 5,
    };
    let holder = holder();
    let balance = Balance { total: Credits(100), held: Credits(65), consumed: Credits(5) };
    let body = AlertBody {
        change: Change::Raised,
        severity: Some(Severity::Warning),
        previous_severity: None,
        rules: vec![RaisedRule { rule: low, since: time(), subjects: None }],
        resolved: vec![Resolved {
            name: "few".into(),
            severity: Severity::Info,
            reason: Resolution::Recovered,
        }],
        subjects: Vec::new(),
        overcommitted: None,
        balance: balance.into(),
        queued: Queued { projects: 1, credits: Credits(40) },
        contact: Contact { role: ContactRole::AccountManager, contact: Some("kim@example.com".into()) },
        largest_holds: vec![holder.clone()],
        closest_to_settling: vec![holder],
    };
    notice(NoticeBody::Alert(Box::new(body)))
}

fn holder() -> Holder {
    Holder {
        project_id: project("p-1"),
        account_id: account(),
        name: Some("Summer".into()),
        status: Some("started".into()),
        stage: 4,
        held: Credits(65),
    }
}

/// A rule of the ledger's own.
fn built_in(name: &str, measure: Measure, subjects: Option<i64>) -> RaisedRule {
    let rule = Rule { name: name.into(), measure, level: 0, severity: Severity::Warning, margin: 0 };
    RaisedRule { rule, since: time(), subjects }
}

/// An alert that a project holds credits in its status for too long, and that a grant is about to expire.
pub(super) fn alert_about_subjects() -> Notice {
    let mut notice = raised_alert();
    if let NoticeBody::Alert(body) = &mut notice.body {
        body.rules = vec![
            built_in(alert::HOLD_STALE, Measure::StaleHolds, Some(2)),
            built_in(alert::GRANT_EXPIRING, Measure::ExpiringGrants, Some(1)),
        ];
        let stale = SubjectKind::Project {
            project_id: project("p-1"),
            name: Some("Summer".into()),
            status: Some("started".into()),
            status_since: Some(time()),
            held: Credits(65),
        };
        let expiring =
            SubjectKind::Grant { grant: LogNumber(7), credits_left: Credits(12), expires_at: time() };
        let subject = |rule: &str, change, what| Subject { rule: rule.into(), change, what };
        body.subjects = vec![
            subject(alert::HOLD_STALE, SubjectChange::Raised, stale),
            subject(alert::GRANT_EXPIRING, SubjectChange::Raised, expiring),
        ];
        body.resolved = Vec::new();
    }
    notice
}

/// An alert that more of a pool was promised than it has.
pub(super) fn overcommitted_alert() -> Notice {
    let mut notice = alert_about_subjects();
    if let NoticeBody::Alert(body) = &mut notice.body {
        body.rules = vec![built_in(alert::POOL_OVERCOMMITTED, Measure::CreditsOverPromised, None)];
        body.overcommitted = Some(Overcommitted { promised: Credits(130), credits: Credits(30) });
        body.contact.role = ContactRole::OrganizationAdmin;
        body.subjects = Vec::new();
    }
    Notice { account_id: pool(), ..notice }
}

fn pool() -> AccountId {
    AccountId::parse("pool:group").expect("a valid id")
}

/// A transfer of more than is available.
pub(super) fn rejected_transfer() -> Notice {
    let balance = Balance { total: Credits(100), held: Credits(65), consumed: Credits(5) };
    notice(NoticeBody::TransferRejected(TransferRejectedBody {
        from_account_id: account(),
        to_account_id: AccountId::parse("studio.south").expect("a valid id"),
        credits: Credits(40),
        short: Credits(10),
        balance: balance.into(),
        largest_holds: vec![holder()],
        reason: Some("the spring campaign moved south".into()),
        actor: Some("kim@example.com".into()),
    }))
}

/// A claim that waits.
pub(super) fn queued_hold() -> Notice {
    notice(NoticeBody::Hold(HoldBody {
        state: HoldState::Queued,
        project_id: project("p-2"),
        credits: Credits(40),
        held: Credits::ZERO,
        wanted: Credits(40),
        position: Some(1),
        reason: None,
        shortfall: Some(Shortfall { account_id: account(), credits: Credits(10) }),
        aside: None,
    }))
}

/// An alert of which nothing is left.
fn resolved_alert() -> Notice {
    let mut notice = raised_alert();
    if let NoticeBody::Alert(body) = &mut notice.body {
        let low = Resolved { name: "low".into(), severity: Severity::Warning, reason: Resolution::Recovered };
        (body.change, body.rules, body.resolved) = (Change::Resolved, Vec::new(), vec![low]);
        (body.severity, body.previous_severity) = (None, Some(Severity::Warning));
        let balance = Balance { total: Credits(100), held: Credits(40), consumed: Credits(5) };
        (body.balance, body.queued) = (balance.into(), Queued::default());
        for holder in body.largest_holds.iter_mut().chain(&mut body.closest_to_settling) {
            holder.held = Credits(40);
        }
    }
    notice
}

/// A claim that is refused, because its pool could never carry it.
pub(super) fn rejected_hold() -> Notice {
    let mut notice = queued_hold();
    if let NoticeBody::Hold(body) = &mut notice.body {
        (body.state, body.reason) = (HoldState::Rejected, Some(Obstacle::ExceedsLimit));
        (body.position, body.shortfall) = (None, None);
        body.aside = Some(Aside { account_id: pool(), limit: Credits(30) });
    }
    notice
}

fn notice(body: NoticeBody) -> Notice {
    Notice {
        number: LogNumber(1043),
        account_id: account(),
        organization_id: None,
        sequence: 3,
        at: time(),
        cause: cause(),
        body,
    }
}
