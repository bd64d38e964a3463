//! How commands print.

use std::io::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::CommandError;

/// Which way a column is aligned.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// A table in plain text: a head, and no lines to trip over with `grep`.
pub(super) fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| match column {
        Column::Left(name) | Column::Right(name) => *name,
    }));
    table.add_rows(rows);
    for (place, column) in columns.iter().enumerate() {
        let settings = table.column_mut(place).expect("each column has a head");
        settings.set_padding((0, 2));
        if matches!(column, Column::Right(_)) {
            settings.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Names and values below each other.
pub(super) fn members(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}");
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Prints a text.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}") {
        // Whoever reads has read enough, as `head` has.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| CommandError::System { what: "printing", error }),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).expect("reports have only text for keys");
    print(&text)
}

/// Prints a value as JSON on one line, for lists that are printed as they are found.
pub(super) fn print_json_line<T: Serialize>(value: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string(value).expect("reports have only text for keys");
    print(&text)
}

/// A text, or a dash where there is none.
pub(super) fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// Says, where programs don't read it, that a list may go on.
pub(super) fn note_limit(shown: usize, limit: u32) {
    if u32::try_from(shown).is_ok_and(|shown| shown == limit) {
        eprintln!("creditd: only the first {limit} are shown; there may be more, which --limit shows");
    }
}

/// How often something happened, in words.
pub(super) fn times(count: i64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}
