//! How commands print.

use std::io::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::CommandError;
use crate::ledger::notice::ShownBalance;

/// Which way a column is aligned.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl Column {
    /// What stands at its head.
    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Left(name) | Column::Right(name) => name,
        }
    }
}

/// A table in plain text: a head, and no lines to trip over with `grep`.
pub(super) fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.name()));
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
    write(format!("{text}\n").as_bytes()).map(drop)
}

/// Writes bytes as they are. `false` where nobody reads any more, as `head` that has read enough.
pub(super) fn write(bytes: &[u8]) -> Result<bool, CommandError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CommandError::System { what: "printing", error }),
    }
}

/// Whether the pipe that is written to has lost its reader, which a write alone would tell too late where there
/// is nothing to write.
pub(super) fn nobody_reads() -> bool {
    let out = std::io::stdout();
    let mut asked = [PollFd::new(&out, PollFlags::empty())];
    // Where it can't be told, the next write tells.
    poll(&mut asked, Some(&Timespec::default())).is_ok() && asked[0].revents().contains(PollFlags::ERR)
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

/// A bar for long work, hidden by itself where standard error is no terminal.
pub(super) fn progress(what: &'static str, total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len}, {eta} left");
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX)).with_message(what);
    bar.with_style(style.expect("the template is a constant"))
}

/// What a stranger sent must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if harmless(c) { c } else { '\u{FFFD}' }).collect()
}

/// A number of things in words: `1 message`, `2 messages`.
pub(super) fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// A balance in a phrase.
pub(super) fn balance_phrase(balance: ShownBalance) -> String {
    let ShownBalance { total, held, consumed, available } = balance;
    format!("available {available} = total {total} - held {held} - consumed {consumed}")
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
