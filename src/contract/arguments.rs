//! Values as people give them with a command: by the same rules as in a message, and with the same words where
//! they are wrong.

use std::sync::Arc;

use serde_json::Value;

use super::facts::{ACTOR_CHARS_MAX, KINDS, MODES, NAME_CHARS_MAX, POLICIES, REASON_CHARS_MAX};
use super::json;
use super::kinds::{self, Kind as ValueKind, credits_from, id, one_of};
use super::lists::{AlertRules, Prices, priced_type};
use super::places::{Path, quoted};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::Rule;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::PriceLine;
use crate::ledger::moment::Timestamp;

fn value<T>(value: &Value, kind: &impl ValueKind<T>) -> Result<T, String> {
    kind.read(&Path::Top, value).map_err(|wrong| wrong.0)
}

/// What is typed has no blanks at its ends: a reason of blanks alone is none.
fn text<T>(text: &str, kind: &impl ValueKind<T>) -> Result<T, String> {
    value(&Value::from(text.trim()), kind)
}

/// What is no whole number is left as the text that it is, for the error to show.
fn number<T>(text: &str, kind: &impl ValueKind<T>) -> Result<T, String> {
    value(&text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from), kind)
}

/// A document in JSON. As in messages, no member may stand in it twice: nobody could say which one counts.
pub fn json_document(text: &[u8]) -> Result<Value, String> {
    let document = json::parse(text, &Path::Top).map_err(|error| format!("it is not JSON: {error}"))?;
    document.flaw.map_or(Ok(document.value), |flaw| Err(flaw.wrong.0))
}

/// An account's id; not a pool's.
pub fn account_id(argument: &str) -> Result<AccountId, String> {
    text(argument, &id(AccountId::parse_named)).map_err(|wrong| match argument.strip_prefix("pool:") {
        Some(organization) => format!("{wrong}; for the pool itself type --organization {organization}"),
        None => wrong,
    })
}

/// An organization's id.
pub fn organization_id(argument: &str) -> Result<OrganizationId, String> {
    text(argument, &id(OrganizationId::parse_named))
}

/// A project's id.
pub fn project_id(argument: &str) -> Result<ProjectId, String> {
    text(argument, &id(ProjectId::parse_named))
}

/// What a plan, an allocation or a limit may be, in credits: 0 or more.
pub fn credits(argument: &str) -> Result<Credits, String> {
    number(argument, &credits_from(0))
}

/// What may be granted or transferred, in credits: 1 or more.
pub fn some_credits(argument: &str) -> Result<Credits, String> {
    number(argument, &credits_from(1))
}

/// What a balance may be corrected by, in credits: up or down, and not 0.
pub fn signed_credits(argument: &str) -> Result<Credits, String> {
    number(argument, &kinds::signed_credits())
}

/// A name of something, or of whom to turn to.
pub fn name(argument: &str) -> Result<Arc<str>, String> {
    text(argument, &kinds::text(NAME_CHARS_MAX))
}

/// Why something is done.
pub fn reason(argument: &str) -> Result<Arc<str>, String> {
    text(argument, &kinds::text(REASON_CHARS_MAX))
}

/// Who does it.
pub fn actor(argument: &str) -> Result<Arc<str>, String> {
    text(argument, &kinds::text(ACTOR_CHARS_MAX))
}

/// A point in time.
pub fn timestamp(argument: &str) -> Result<Timestamp, String> {
    text(argument, &kinds::timestamp())
}

/// An account's kind; never a pool.
pub fn kind(argument: &str) -> Result<Kind, String> {
    text(argument, &one_of(&KINDS))
}

/// What finalizing does.
pub fn mode(argument: &str) -> Result<Mode, String> {
    text(argument, &one_of(&MODES))
}

/// What becomes of a claim that doesn't fit.
pub fn on_insufficient(argument: &str) -> Result<OnInsufficient, String> {
    text(argument, &one_of(&POLICIES))
}

/// A price as `TYPE=CREDITS`. A type may have a `=` of its own.
pub fn price(argument: &str) -> Result<PriceLine, String> {
    let Some((name, each)) = argument.rsplit_once('=') else {
        return Err(format!("expected TYPE=CREDITS such as video=10, found {}", quoted(argument)));
    };
    let deliverable_type = price_type(name)?;
    Ok(PriceLine { deliverable_type, credits: credits(each)? })
}

/// A type as a price list names it.
pub fn price_type(argument: &str) -> Result<Arc<str>, String> {
    priced_type(&Path::Top, argument).map_err(|wrong| wrong.0)
}

/// A complete price list, as the member `prices` of a message has it.
pub fn prices(document: &Value) -> Result<Arc<[PriceLine]>, String> {
    value(document, &Prices)
}

/// A list of alert rules, as the member `alert_rules` of a message has it.
pub fn alert_rules(document: &Value) -> Result<Arc<[Rule]>, String> {
    value(document, &AlertRules)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_the_ranges_of_messages() {
        assert_eq!(credits("0"), Ok(Credits(0)));
        assert_eq!(some_credits("1000000000000"), Ok(Credits::AMOUNT_MAX));
        assert_eq!(signed_credits("-5"), Ok(Credits(-5)));
        for (wrong, expected) in [
            (credits("-1"), "expected a whole number from 0 to 1000000000000, found -1"),
            (some_credits("0"), "expected a whole number from 1 to 1000000000000, found 0"),
            (some_credits("five"), "expected a whole number from 1 to 1000000000000, found \"five\""),
            (some_credits("1e3"), "expected a whole number from 1 to 1000000000000, found \"1e3\""),
            (credits("99999999999999999999"), "found \"99999999999999999999\""),
            (signed_credits("0"), "from -1000000000000 to 1000000000000 except 0, found 0"),
        ] {
            let said = wrong.unwrap_err();
            assert!(said.ends_with(expected), "{said}");
        }
    }

    #[test]
    fn words_and_ids_are_those_of_messages_and_a_pool_has_its_own_option() {
        assert_eq!(kind("integrated"), Ok(Kind::Integrated));
        let said = kind("pool").unwrap_err();
        assert_eq!(said, "expected one of standalone, connected, integrated, found \"pool\"");
        assert!(account_id("a b").unwrap_err().contains("allowed are A-Z a-z 0-9"));
        assert!(account_id("pool:acme").unwrap_err().ends_with("type --organization acme"));
        assert!(reason("").is_err() && name("a\nb").is_err());
        assert!(timestamp("tomorrow").unwrap_err().contains("2026-03-01T12:00:00Z"));
    }

    #[test]
    fn a_price_is_a_type_and_its_credits() {
        let line = price("a=b=3").unwrap();
        assert_eq!((&*line.deliverable_type, line.credits), ("a=b", Credits(3)));
        assert!(price("video").unwrap_err().starts_with("expected TYPE=CREDITS"));
        assert!(price("=3").unwrap_err().contains("a type of 1 to 64"));
        assert!(price("video=").unwrap_err().contains("whole number"));
    }

    #[test]
    fn documents_say_where_they_are_wrong() {
        let rule = |level: i64| json!({ "name": "low", "measure": "available_percent", "level": level, "severity": "info" });
        assert_eq!(alert_rules(&json!([rule(10)])).unwrap().len(), 1);
        let said = alert_rules(&json!([rule(120)])).unwrap_err();
        assert!(said.starts_with("[0].level: rule \"low\": level is 120; expected 0 to 99"), "{said}");
        let said = prices(&json!({ "video": -1 })).unwrap_err();
        assert!(said.starts_with("video: expected a whole number"), "{said}");
    }
}
