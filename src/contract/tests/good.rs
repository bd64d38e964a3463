//! What each type may say, in both modes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::facts::INBOUND_TYPES;
use super::{binary, decoded, event, structured};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::{Measure, Rule, Severity};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::{
    AccountFact, AdjustmentFact, AssetFact, Deliverable, Fact, GrantFact, OrganizationFact, Price, PriceLine,
    PriceListFact, ProjectFact, TransferFact,
};
use crate::ledger::moment::Timestamp;

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn organization(id: &str) -> OrganizationId {
    OrganizationId::parse(id).unwrap()
}

fn project(id: &str) -> ProjectId {
    ProjectId::parse(id).unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// One accepted message: its type, its data, and what it has to become.
struct Good(&'static str, Value, Option<i64>, Fact);

fn assert_each_is_understood(messages: Vec<Good>) {
    for Good(message_type, data, revision, fact) in messages {
        for raw in [structured(&event(message_type, &data)), binary(message_type, &data)] {
            let message = decoded(&raw);
            assert_eq!(message.fact, fact, "{message_type} {data}");
            assert_eq!(message.revision, revision, "{message_type} {data}");
            assert_eq!(*message.cause.message_type, *message_type);
            assert_eq!(message.cause.key.to_string(), "projects m-1");
            assert_eq!(message.time, Some(time("2026-03-01T12:00:00Z")));
        }
    }
}

fn bare_project() -> ProjectFact {
    ProjectFact {
        project_id: project("p-1"),
        account_id: account("acme"),
        status: None,
        price: None,
        final_credits: None,
        name: None,
    }
}

#[test]
fn projects_are_understood() {
    let lines: Arc<[Deliverable]> = [
        Deliverable { deliverable_type: "photo".into(), quantity: 12 },
        Deliverable { deliverable_type: "vidéo 4K".into(), quantity: 1_000_000 },
    ]
    .into();
    let deliverables = json!([
        {"type": "photo", "quantity": 12}, {"type": "vidéo 4K", "quantity": 1_000_000, "colour": "red"},
    ]);
    let status_changed = "project.status_changed.v1";
    assert_each_is_understood(vec![
        Good(
            status_changed,
            json!({"project_id": "p-1", "account_id": "acme", "status": "started"}),
            None,
            Fact::Project(ProjectFact { status: Some("started".into()), ..bare_project() }),
        ),
        Good(
            status_changed,
            json!({
                "project_id": "p-1", "account_id": "acme", "status": "started", "revision": i64::MAX,
                "credits": 1_000_000_000_000_i64, "deliverables": deliverables, "final_credits": 0,
                "name": "Summer \"24\"",
            }),
            Some(i64::MAX),
            Fact::Project(ProjectFact {
                status: Some("started".into()),
                price: Some(Price::Credits(Credits::AMOUNT_MAX)),
                final_credits: Some(Credits::ZERO),
                name: Some("Summer \"24\"".into()),
                ..bare_project()
            }),
        ),
        Good(
            "project.amended.v1",
            json!({
                "project_id": "p-1", "account_id": "acme", "revision": 0, "status": "not a member here",
                "credits": null, "deliverables": deliverables,
            }),
            Some(0),
            Fact::Project(ProjectFact { price: Some(Price::Deliverables(lines)), ..bare_project() }),
        ),
    ]);
}

#[test]
fn assets_are_understood() {
    let bare = AssetFact {
        account_id: account("acme"),
        asset_type: "photo".into(),
        quantity: 1,
        project_id: None,
        credits: None,
    };
    assert_each_is_understood(vec![
        Good(
            "asset.created.v1",
            json!({"account_id": "acme", "asset_type": "photo", "revision": "not a member here"}),
            None,
            Fact::Asset(bare.clone()),
        ),
        Good(
            "asset.created.v1",
            json!({
                "account_id": "acme", "asset_type": "photo", "quantity": 3, "project_id": "p-1", "credits": 15,
            }),
            None,
            Fact::Asset(AssetFact {
                quantity: 3,
                project_id: Some(project("p-1")),
                credits: Some(Credits(15)),
                ..bare
            }),
        ),
    ]);
}

fn bare_account() -> AccountFact {
    AccountFact::of(account("acme"))
}

#[test]
fn accounts_are_understood() {
    let low = Rule {
        name: "low".into(),
        measure: Measure::AvailablePercent,
        level: 20,
        severity: Severity::Warning,
        margin: 5,
    };
    let few = Rule {
        name: "few".into(),
        measure: Measure::AvailableCredits,
        level: 40,
        severity: Severity::Critical,
        margin: 0,
    };
    let data = json!({
        "account_id": "acme", "revision": 7, "kind": "integrated", "organization_id": "group",
        "name": "Acme", "contact": "kim@example.com", "capacity": 5, "allocation": 80, "mode": "consume",
        "on_insufficient": "overdraw", "overdraft_limit": 10,
        "alert_rules": [
            {"name": "low", "measure": "available_percent", "level": 20, "severity": "warning"},
            {"name": "few", "measure": "available_credits", "level": 40, "severity": "critical",
             "margin": 0, "note": "unknown members are ignored"},
        ],
    });
    let full = AccountFact {
        account_id: account("acme"),
        kind: Some(Kind::Integrated),
        organization_id: Some(organization("group")),
        name: Some("Acme".into()),
        contact: Some("kim@example.com".into()),
        capacity: Some(Credits(5)),
        allocation: Some(Credits(80)),
        mode: Some(Mode::Consume),
        on_insufficient: Some(OnInsufficient::Overdraw),
        overdraft_limit: Some(Credits(10)),
        alert_rules: Some([low, few].into()),
        closed: None,
    };
    let no_rules = json!({"account_id": "acme", "alert_rules": []});
    assert_each_is_understood(vec![
        Good("account.changed.v1", json!({"account_id": "acme"}), None, Fact::Account(bare_account())),
        Good("account.changed.v1", data, Some(7), Fact::Account(full)),
        Good(
            "account.changed.v1",
            no_rules,
            None,
            Fact::Account(AccountFact { alert_rules: Some([].into()), ..bare_account() }),
        ),
    ]);
}

#[test]
fn organizations_are_understood() {
    let bare = OrganizationFact {
        organization_id: organization("group"),
        name: None,
        contact: None,
        capacity: None,
        mode: None,
        alert_rules: None,
    };
    let data = json!({
        "organization_id": "group", "revision": 1, "name": "Group", "contact": "sam@example.com",
        "capacity": 500, "mode": "recycle", "alert_rules": [],
    });
    let full = OrganizationFact {
        organization_id: organization("group"),
        name: Some("Group".into()),
        contact: Some("sam@example.com".into()),
        capacity: Some(Credits(500)),
        mode: Some(Mode::Recycle),
        alert_rules: Some([].into()),
    };
    let message_type = "organization.changed.v1";
    assert_each_is_understood(vec![
        Good(message_type, json!({"organization_id": "group"}), None, Fact::Organization(bare)),
        Good(message_type, data, Some(1), Fact::Organization(full)),
    ]);
}

#[test]
fn grants_adjustments_and_transfers_are_understood() {
    let grant = GrantFact {
        account_id: account("pool:group"),
        credits: Credits(1),
        reason: None,
        actor: None,
        expires_at: None,
    };
    let full_grant = GrantFact {
        account_id: account("acme"),
        credits: Credits::AMOUNT_MAX,
        reason: Some("launch".into()),
        actor: Some("kim".into()),
        expires_at: Some(time("2026-12-31T23:00:00Z")),
    };
    let adjustment = AdjustmentFact {
        account_id: account("acme"),
        credits: -Credits::AMOUNT_MAX,
        reason: "r".repeat(1024).into(),
        actor: "a".repeat(256).into(),
    };
    let transfer = TransferFact {
        from_account_id: account("acme"),
        to_account_id: account("beta"),
        credits: Credits(3),
        reason: Some("swap".into()),
        actor: None,
    };
    assert_each_is_understood(vec![
        Good(
            "credits.granted.v1",
            json!({"organization_id": "group", "credits": 1}),
            None,
            Fact::Grant(grant),
        ),
        Good(
            "credits.granted.v1",
            json!({
                "account_id": "acme", "organization_id": null, "credits": 1_000_000_000_000_i64,
                "reason": "launch", "actor": "kim", "expires_at": "2027-01-01T00:00:00+01:00",
            }),
            None,
            Fact::Grant(full_grant),
        ),
        Good(
            "credits.adjusted.v1",
            json!({
                "account_id": "acme", "credits": -1_000_000_000_000_i64, "reason": "r".repeat(1024),
                "actor": "a".repeat(256),
            }),
            None,
            Fact::Adjustment(adjustment),
        ),
        Good(
            "credits.transferred.v1",
            json!({"from_account_id": "acme", "to_account_id": "beta", "credits": 3, "reason": "swap"}),
            None,
            Fact::Transfer(transfer),
        ),
    ]);
}

#[test]
fn price_lists_are_understood() {
    let line = |name: &str, credits| PriceLine { deliverable_type: name.into(), credits: Credits(credits) };
    let empty = PriceListFact { prices: [].into(), effective_at: None, organization_id: None };
    let full = PriceListFact {
        prices: [line("photo", 5), line("video", 0)].into(),
        effective_at: Some(time("2026-04-01T00:00:00Z")),
        organization_id: Some(organization("group")),
    };
    assert_each_is_understood(vec![
        Good("price_list.changed.v1", json!({"prices": {}}), None, Fact::PriceList(empty)),
        Good(
            "price_list.changed.v1",
            json!({
                "prices": {"video": 0, "photo": 5}, "effective_at": "2026-04-01T00:00:00Z",
                "organization_id": "group",
            }),
            None,
            Fact::PriceList(full),
        ),
    ]);
}

#[test]
fn there_are_the_nine_types_of_the_design() {
    assert_eq!(INBOUND_TYPES.len(), 9);
    let with_revision: Vec<_> =
        INBOUND_TYPES.iter().filter(|known| known.has_revision).map(|known| known.name).collect();
    let expected =
        ["project.status_changed.v1", "project.amended.v1", "account.changed.v1", "organization.changed.v1"];
    assert_eq!(with_revision, expected);
}
