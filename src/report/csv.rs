//! The usage report as CSV (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

use super::lines::UsageLine;
use crate::ledger::ids::{OrganizationId, ProjectId};

/// The columns, in order: the members of a [`UsageLine`].
pub(super) const COLUMNS: [&str; 25] = [
    "time",
    "day",
    "organization_id",
    "account_id",
    "project_id",
    "project_name",
    "project_status",
    "kind",
    "credits",
    "moved",
    "from",
    "to",
    "total",
    "held",
    "consumed",
    "available",
    "asset_type",
    "quantity",
    "actor",
    "reason",
    "message_source",
    "message_id",
    "message_type",
    "sequence",
    "log_number",
];

/// The head of the table.
pub(super) fn head() -> Vec<u8> {
    records([COLUMNS.map(Cow::Borrowed)])
}

/// Rows of the table.
pub(super) fn rows(lines: &[UsageLine]) -> Vec<u8> {
    records(lines.iter().map(row))
}

fn records<'l>(rows: impl IntoIterator<Item = [Cow<'l, str>; COLUMNS.len()]>) -> Vec<u8> {
    let terminator = csv::Terminator::CRLF;
    let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
    for row in rows {
        let written = writer.write_record(row.iter().map(|cell| cell.as_bytes()));
        written.expect("memory takes every row, and every row has as many cells");
    }
    writer.into_inner().expect("memory takes every row")
}

fn row(line: &UsageLine) -> [Cow<'_, str>; COLUMNS.len()] {
    let number = |number: i64| Cow::Owned(number.to_string());
    [
        Cow::Owned(line.time.to_string()),
        Cow::Owned(line.day.to_string()),
        optional(line.organization_id.as_ref().map(OrganizationId::as_str)),
        text(line.account_id.as_str()),
        optional(line.project_id.as_ref().map(ProjectId::as_str)),
        optional(line.project_name.as_deref()),
        optional(line.project_status.as_deref()),
        Cow::Borrowed(line.kind.as_str()),
        number(line.credits.0),
        number(line.moved.0),
        Cow::Borrowed(line.from.as_str()),
        Cow::Borrowed(line.to.as_str()),
        number(line.balance.total.0),
        number(line.balance.held.0),
        number(line.balance.consumed.0),
        number(line.balance.available.0),
        optional(line.asset_type.as_deref()),
        line.quantity.map_or(Cow::Borrowed(""), number),
        optional(line.actor.as_deref()),
        optional(line.reason.as_deref()),
        text(&line.message_source),
        text(&line.message_id),
        text(&line.message_type),
        number(line.sequence),
        number(line.log_number.0),
    ]
}

/// A cell of text; empty where there is none.
fn optional(value: Option<&str>) -> Cow<'_, str> {
    value.map_or(Cow::Borrowed(""), text)
}

/// A cell of text that no spreadsheet takes for a formula: one that would be gets an apostrophe before it. Ids are
/// text too: `-x` and `@x` are valid ones. What already has apostrophes before a formula gets one more, so that
/// whoever takes one off has the text again.
fn text(text: &str) -> Cow<'_, str> {
    match begins_like_formula(text.trim_start_matches('\'')) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// Whether a spreadsheet may take a cell for a formula: by its first character, after what it may pass over, also
/// in full width. A tab or a line's end at the beginning can lead it into another cell.
fn begins_like_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r', '\n']) {
        return true;
    }
    let first = text.trim_start_matches(is_passed_over).chars().next();
    first.is_some_and(|first| "=+-@\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}\u{2212}".contains(first))
}

fn is_passed_over(c: char) -> bool {
    let is_invisible = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}');
    c.is_whitespace() || c.is_control() || is_invisible
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe() {
        let formulas = [
            "=1+1",
            "+1",
            "-x",
            "@SUM(A1)",
            "\t=1",
            "\rx",
            "\n1",
            "  =1",
            "\u{A0}=1",
            "\u{3000}@x",
            "\u{FEFF}=1",
            "\u{200B}-1",
            "\u{FF1D}1",
            "\u{FF0B}1",
            "\u{FF0D}1",
            "\u{FF20}x",
            "'=1",
        ];
        for formula in formulas {
            assert_eq!(text(formula), format!("'{formula}"));
        }
        for harmless in ["", "a", "a=1", "1-2", "'t Hooft", "x@example.org", " a", "_", "é=1"] {
            assert_eq!(text(harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_a_formula_and_every_text_can_be_had_again(value in "['=+@\\-\\t a\u{FF1D}\u{FEFF}]{0,6}") {
            let cell = text(&value);
            prop_assert!(!begins_like_formula(&cell), "{:?}", cell);
            let was_defused = begins_like_formula(cell.trim_start_matches('\''));
            let again = if was_defused { cell.strip_prefix('\'').unwrap() } else { &*cell };
            prop_assert_eq!(again, &*value);
        }
    }
}
