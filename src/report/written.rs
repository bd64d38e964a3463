//! The usage report in the form that it is downloaded in, piece by piece.

use schemars::JsonSchema;
use serde::Serialize;

use super::figures::{Flow, Totals};
use super::lines::{UsageLine, UsageReport};
use super::{About, ReportError, csv};
use crate::ledger::notice::ShownBalance;

/// The forms that a usage report can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for spreadsheets, by RFC 4180: a row an entry, after a head.
    Csv,
    /// One document: a [`UsageReportDocument`].
    Json,
}

impl Format {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Json => "application/json",
        }
    }

    /// How files in it end.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
        }
    }
}

/// A usage report in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UsageReportDocument {
    /// Whose, and when.
    #[serde(flatten)]
    pub about: About,
    /// The balance before the first entry.
    pub opening: ShownBalance,
    /// Every entry, oldest first.
    pub items: Vec<UsageLine>,
    /// What they come to.
    #[serde(flatten)]
    pub flow: Flow,
    /// The balance with the last entry: `opening.available + credited - debited = closing.available`.
    pub closing: ShownBalance,
}

/// A usage report that is being written, at the same use of memory however long it is.
pub struct WrittenReport {
    report: UsageReport,
    format: Format,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is written yet.
    New,
    /// The head is, and no entry yet.
    Begun,
    /// Some entries are.
    Going,
    /// All of it is.
    Done,
}

impl WrittenReport {
    /// Writes a report.
    pub fn new(report: UsageReport, format: Format) -> Self {
        Self { report, format, state: State::New }
    }

    /// The report that is written.
    pub fn report(&self) -> &UsageReport {
        &self.report
    }

    /// A name for a file of it: of letters, digits and `._-` alone, whatever the account is called.
    pub fn file_name(&self) -> String {
        let about = self.report.about();
        let harmless = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let account: String = about.account_id.as_str().chars().map(harmless).collect();
        format!("usage-{account}-{}.{}", about.log_number, self.format.extension())
    }

    /// The next piece, of up to some hundred kilobytes; `None` after the last. After an error there is nothing
    /// more: what was written is only a part, and must not pass for the whole.
    pub async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, ReportError> {
        match self.state {
            State::Done => return Ok(None),
            State::New => {
                self.state = State::Begun;
                return Ok(Some(self.head()));
            }
            State::Begun | State::Going => {}
        }
        let page = self.report.next_page().await.inspect_err(|_| self.state = State::Done)?;
        if page.is_empty() {
            let end = self.end();
            self.state = State::Done;
            return Ok(end);
        }
        let chunk = match self.format {
            Format::Csv => csv::rows(&page),
            Format::Json => self.elements(&page),
        };
        self.state = State::Going;
        Ok(Some(chunk))
    }

    fn head(&self) -> Vec<u8> {
        if self.format == Format::Csv {
            return csv::head();
        }
        let opening = Opening { about: self.report.about(), opening: self.report.opening() };
        let mut head = to_json(&opening);
        // What follows are more members of the same object.
        head.pop();
        head.extend_from_slice(b",\"items\":[");
        head
    }

    fn elements(&self, page: &[UsageLine]) -> Vec<u8> {
        let mut chunk = Vec::new();
        for (place, line) in page.iter().enumerate() {
            let is_first = place == 0 && self.state == State::Begun;
            chunk.extend_from_slice(if is_first { b"\n" } else { b",\n" });
            chunk.append(&mut to_json(line));
        }
        chunk
    }

    fn end(&self) -> Option<Vec<u8>> {
        if self.format == Format::Csv {
            return None;
        }
        let Totals { flow, closing, .. } = self.report.totals();
        let mut end = b"\n],".to_vec();
        end.extend_from_slice(&to_json(&Closing { flow, closing })[1..]);
        end.push(b'\n');
        Some(end)
    }
}

/// What a document begins with.
#[derive(Serialize)]
struct Opening<'r> {
    #[serde(flatten)]
    about: &'r About,
    opening: ShownBalance,
}

/// What a document ends with.
#[derive(Serialize)]
struct Closing {
    #[serde(flatten)]
    flow: Flow,
    closing: ShownBalance,
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("reports have only text for keys")
}
