//! `creditd explain project`: who said what about a project, what it moved on which accounts, and how it stands.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::CommandError;
use super::super::output::{Column, members, or_dash, table};
use super::super::streamed::{Document, Out, Rows};
use super::standing::sentence;
use super::{
    CauseShown, ExplainedEntry, ShownNotice, cause, hold_details, refused_id, signed, told_stretch, why,
};
use crate::contract::outbound::StoredNotice;
use crate::ledger::account::Chain;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::ProjectId;
use crate::ledger::input::Price;
use crate::ledger::moment::Timestamp;
use crate::ledger::project::Project;
use crate::ledger::version::Version;
use crate::store::{LogLine, ProjectStanding, Store, Stretch, WriterFate};

/// What no table of the ledger can tell.
const NOT_LINKED: &str = "messages about it that moved nothing and set nothing that still counts (stale, replaced or \
                          parked ones) are not linked to it; `creditd explain message SOURCE ID` tells of each";

pub(super) async fn run(store: &Store, id: &str, stretch: Stretch, json: bool) -> Result<(), CommandError> {
    let unknown = || format!("no project {id:?} is known; `creditd project list` shows those that are");
    let project_id = ProjectId::parse(id).map_err(|error| refused_id(&unknown(), &error))?;
    let Some(standing) = store.project_standing(&project_id).await? else {
        return Err(CommandError::Refused(unknown()));
    };
    let history = History { store, standing: &standing, stretch, at: LogNumber(0) };
    let mut out = Out::new();
    match json {
        true => tell_json(history, &mut out).await,
        false => tell_text(history, &mut out).await,
    }
}

/// The lines of a project, read page by page.
struct History<'h> {
    store: &'h Store,
    standing: &'h ProjectStanding,
    stretch: Stretch,
    at: LogNumber,
}

impl History<'_> {
    /// The next lines; none at the end.
    async fn next_page(&mut self) -> Result<Vec<LogLine>, CommandError> {
        let ProjectStanding { project, log_last, .. } = self.standing;
        let lines = self.store.project_log(&project.id, self.stretch, self.at, *log_last).await?;
        self.at = lines.last().map_or(self.at, LogLine::number);
        Ok(lines)
    }
}

/// A register with who set it.
#[derive(Serialize)]
struct RegisterShown<'s> {
    register: &'static str,
    value: Value,
    set_by: Option<SetBy<'s>>,
}

/// The message that set a register.
#[derive(Serialize)]
struct SetBy<'s> {
    source: &'s str,
    id: &'s str,
    revision: Option<i64>,
    time: Option<Timestamp>,
    /// As the inbox says; nothing where its row is not kept any more.
    #[serde(rename = "type")]
    message_type: Option<&'s str>,
    outcome: Option<&'s str>,
    /// Whether it brought about entries or notices; nothing where the inbox's row is not kept any more.
    wrote_log: Option<bool>,
}

fn registers(standing: &ProjectStanding) -> [RegisterShown<'_>; 5] {
    let Project { account, status, price, final_credits, name, .. } = &standing.project;
    let status_name = status.get().as_ref().map(|status| &status.name);
    let said = price.get().as_ref().map(|tag| told_price(&tag.said));
    let registers = [
        ("account", json!(account.get()), account.version()),
        ("status", json!(status_name), status.version()),
        ("price", json!(said), price.version()),
        ("final_credits", json!(final_credits.get()), final_credits.version()),
        ("name", json!(name.get()), name.version()),
    ];
    registers.map(|(register, value, version)| {
        let set_by = version.map(|version| set_by(standing, version));
        RegisterShown { register, value, set_by }
    })
}

fn set_by<'s>(standing: &'s ProjectStanding, version: &'s Version) -> SetBy<'s> {
    let fate: Option<&WriterFate> =
        standing.writers.get(&(version.source().to_owned(), version.id().to_owned()));
    SetBy {
        source: version.source(),
        id: version.id(),
        revision: version.revision(),
        time: version.time(),
        message_type: fate.map(|fate| &*fate.message_type),
        outcome: fate.map(|fate| &*fate.outcome),
        wrote_log: fate.map(|fate| fate.wrote_log),
    }
}

/// As it was said: credits, or deliverables.
fn told_price(said: &Price) -> Value {
    match said {
        Price::Credits(credits) => json!(credits),
        Price::Deliverables(lines) => json!(lines),
    }
}

/// A hold notice among the entries.
#[derive(Serialize)]
struct ToldNotice<'n> {
    #[serde(flatten)]
    notice: ShownNotice<'n>,
    cause: CauseShown,
}

async fn tell_json(mut history: History<'_>, out: &mut Out) -> Result<(), CommandError> {
    let ProjectStanding { project, position, held_since, .. } = history.standing;
    let mut document = Document::begin(out)?;
    document.member("project_id", &project.id)?;
    document.list("registers")?;
    registers(history.standing).iter().try_for_each(|register| document.element(register))?;
    document.end_list()?;
    document.member("from", &history.stretch.from)?;
    document.member("before", &history.stretch.before)?;
    document.list("history")?;
    loop {
        let page = history.next_page().await?;
        for line in &page {
            match line {
                LogLine::Entry(entry) => document.element(&ExplainedEntry::of(entry, None))?,
                LogLine::Notice(notice) => document.element(&told_notice(notice))?,
            }
        }
        if page.is_empty() || document.is_closed() {
            break;
        }
    }
    document.end_list()?;
    document.member("not_linked", &NOT_LINKED)?;
    document.member("state", &project.state())?;
    document.member("chain", &project.chain.iter().flat_map(Chain::iter).collect::<Vec<_>>())?;
    document.member("held", &project.held)?;
    document.member("held_since", held_since)?;
    document.member("consumed", &project.consumed)?;
    document.member("wanted", &project.target().held)?;
    document.member("position", position)?;
    document.member("waiting_since", &project.claim.map(|claim| claim.since))?;
    document.member("present", &sentence(history.standing))?;
    document.end()
}

fn told_notice(notice: &StoredNotice) -> ToldNotice<'_> {
    ToldNotice { notice: notice.into(), cause: CauseShown::of(&notice.cause) }
}

async fn tell_text(mut history: History<'_>, out: &mut Out) -> Result<(), CommandError> {
    let ProjectStanding { project, .. } = history.standing;
    let head = [("project", project.id.to_string()), ("stretch", told_stretch(history.stretch))];
    out.line(&members(&head))?;
    out.line("")?;
    out.line(&table(&REGISTER_COLUMNS, registers(history.standing).iter().map(register_row)))?;
    out.line("")?;
    let mut rows = Rows::new(&HISTORY_COLUMNS);
    loop {
        let page = history.next_page().await?;
        for line in &page {
            let row = match line {
                LogLine::Entry(entry) => entry_row(&ExplainedEntry::of(entry, None)),
                LogLine::Notice(notice) => notice_row(notice),
            };
            rows.push(out, row)?;
        }
        if page.is_empty() || out.is_closed() {
            break;
        }
    }
    rows.begin(out)?;
    out.line("")?;
    out.line(&members(&[("present", sentence(history.standing)), ("not told", NOT_LINKED.to_owned())]))?;
    out.flush()
}

const REGISTER_COLUMNS: [Column; 7] = [
    Column::Left("REGISTER"),
    Column::Left("VALUE"),
    Column::Right("REVISION"),
    Column::Left("TIME"),
    Column::Left("SOURCE"),
    Column::Left("MESSAGE"),
    Column::Left("OUTCOME"),
];

fn register_row(register: &RegisterShown<'_>) -> Vec<String> {
    let set_by = register.set_by.as_ref();
    let value = match &register.value {
        Value::Array(lines) => {
            let line =
                |line: &Value| Some(format!("{} x {}", line.get("quantity")?, line.get("type")?.as_str()?));
            lines.iter().filter_map(line).collect::<Vec<_>>().join(", ")
        }
        other => or_dash(super::text(other)),
    };
    vec![
        register.register.to_owned(),
        value,
        or_dash(set_by.and_then(|set_by| set_by.revision)),
        or_dash(set_by.and_then(|set_by| set_by.time)),
        or_dash(set_by.map(|set_by| set_by.source)),
        or_dash(set_by.map(|set_by| set_by.id)),
        or_dash(set_by.and_then(|set_by| set_by.outcome)),
    ]
}

const HISTORY_COLUMNS: [Column; 10] = [
    Column::Right("LOG"),
    Column::Left("TIME"),
    Column::Left("ACCOUNT"),
    Column::Left("KIND"),
    Column::Left("FROM"),
    Column::Left("TO"),
    Column::Right("CREDITS"),
    Column::Right("AVAILABLE"),
    Column::Right("THEN"),
    Column::Left("CAUSE"),
];

fn entry_row(explained: &ExplainedEntry) -> Vec<String> {
    let entry = &explained.entry;
    vec![
        entry.log_number.to_string(),
        entry.at.to_string(),
        entry.account_id.clone(),
        entry.kind.to_owned(),
        entry.from.to_owned(),
        entry.to.to_owned(),
        signed(explained),
        entry.previous.available.to_string(),
        entry.balance.available.to_string(),
        format!("{}{}", cause(&explained.cause), why(explained)),
    ]
}

fn notice_row(notice: &StoredNotice) -> Vec<String> {
    let dash = || "-".to_owned();
    let member = |name| notice.body.get(name).and_then(super::text);
    vec![
        notice.number.to_string(),
        notice.at.to_string(),
        notice.account_id.to_string(),
        or_dash(member("state")),
        dash(),
        dash(),
        or_dash(member("credits")),
        dash(),
        dash(),
        format!("{}{}", cause(&CauseShown::of(&notice.cause)), hold_details(&notice.body)),
    ]
}
