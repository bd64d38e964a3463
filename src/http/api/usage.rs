//! What was used: entries, usage by day, project and asset type, statements, and the reports to download.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::error;

use super::arguments::{AccountPath, Key, Limit, Sequence};
use super::endpoint::{Answer, Answering, Api, wrong_path, wrong_query};
use super::openapi::{About, LOG_NUMBER, Operation};
use crate::http::Site;
use crate::http::gate::Visitor;
use crate::http::problem::{Kind, Problem};
use crate::report::{
    AssetsUsage, Border, DaysUsage, Format, Listed, Month, Period, ProjectsUsage, Reading, Statement,
    UsageLine, UsageReportDocument, WrittenReport,
};

/// How many pieces of a report wait for a reader who is slower than the database.
const PIECES_WAITING: usize = 2;

/// A stretch of time.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PeriodQuery {
    /// From this day of `report.timezone` on, such as 2026-03-01, or from this RFC 3339 time; from the account's
    /// first entry where it isn't said.
    from: Option<Border>,
    /// Up to this day, all of it, or before this time; up to the present where it isn't said.
    to: Option<Border>,
}

impl PeriodQuery {
    fn period(self) -> Period {
        Period { from: self.from, to: self.to }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProjectsQuery {
    /// From this day of `report.timezone` on, or from this RFC 3339 time.
    from: Option<Border>,
    /// Up to this day, all of it, or before this time.
    to: Option<Border>,
    /// In which order.
    #[serde(default)]
    order: Order,
    /// What `next` of the page before says. Only by `id`.
    after: Option<Key>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

/// In which order projects are told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProjectOrder")]
enum Order {
    /// By their ids, in pages.
    #[default]
    Id,
    /// Those that used most first, one page of them.
    Largest,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MonthQuery {
    /// A month of `report.timezone`, such as 2026-03.
    month: Month,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    /// In which order.
    #[serde(default)]
    order: Age,
    /// What `next` of the page before says: the sequence of its last entry.
    after: Option<Sequence>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

/// In which order entries are told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EntryOrder")]
pub(super) enum Age {
    /// The first ones first.
    #[default]
    Oldest,
    /// The last ones first.
    Newest,
}

pub(super) fn endpoints(api: Api) -> Api {
    let entries = About {
        id: "listEntries",
        summary: "An account's entries",
        description: "What moved its credits, each with the balance after it. Entries are never changed, and their \
                      sequences have no gaps.",
    };
    let statement = About {
        id: "getStatement",
        summary: "An account's statement of a month",
        description: "`opening + credited - debited = closing`, all of `available`; what is held is shown apart.",
    };
    let api = api.get("/v1/accounts/{account_id}/entries", entries, self::entries).get(
        "/v1/accounts/{account_id}/statement",
        statement,
        self::statement,
    );
    downloads(figures(api))
}

fn figures(api: Api) -> Api {
    let days = About {
        id: "getUsageByDay",
        summary: "An account's usage by day",
        description: "What was credited and debited on each day, and the balance at its end.",
    };
    let projects = About {
        id: "getUsageByProject",
        summary: "An account's usage by project",
        description: "What projects moved, and what they hold now.",
    };
    let assets = About {
        id: "getUsageByAssetType",
        summary: "An account's assets by type",
        description: "How many were created, what they were charged, and how many projects were briefed.",
    };
    api.get("/v1/accounts/{account_id}/usage/days", days, self::days)
        .get("/v1/accounts/{account_id}/usage/projects", projects, self::projects)
        .get("/v1/accounts/{account_id}/usage/assets", assets, self::assets)
}

fn downloads(api: Api) -> Api {
    let csv = About {
        id: "downloadUsageAsCsv",
        summary: "An account's usage report as CSV",
        description: "Every entry of the stretch, by RFC 4180, safe to open in a spreadsheet. It is written as it \
                      is read, so a report that breaks off was not finished: the connection ends with an error.",
    };
    let json = About {
        id: "downloadUsageAsJson",
        summary: "An account's usage report as JSON",
        description: "Every entry of the stretch, with the balances at both ends and what was credited and debited. \
                      It is written as it is read.",
    };
    let csv = Operation::writing::<AccountPath, PeriodQuery, String>(CSV_PATH, "text/csv", csv);
    let json = Operation::writing::<AccountPath, PeriodQuery, UsageReportDocument>(
        JSON_PATH,
        "application/json",
        json,
    );
    api.with(
        CSV_PATH,
        get(|site, visitor, path, query| download(site, visitor, path, query, Format::Csv)),
        csv,
    )
    .with(
        JSON_PATH,
        get(|site, visitor, path, query| download(site, visitor, path, query, Format::Json)),
        json,
    )
}

const CSV_PATH: &str = "/v1/accounts/{account_id}/usage.csv";
const JSON_PATH: &str = "/v1/accounts/{account_id}/usage.json";

fn entries(
    reading: &mut Reading,
    path: AccountPath,
    query: EntriesQuery,
) -> Answering<'_, Listed<UsageLine>> {
    Box::pin(async move {
        let EntriesQuery { order, after, limit } = query;
        let after = after.map(|Sequence(after)| after);
        let newest_first = order == Age::Newest;
        let (sequence, page) = reading.entries(&path.account_id, after, newest_first, limit.count()).await?;
        Ok(Answer::at(sequence, page))
    })
}

fn statement(reading: &mut Reading, path: AccountPath, query: MonthQuery) -> Answering<'_, Statement> {
    Box::pin(async move { Ok(reading.statement(&path.account_id, query.month).await?.into()) })
}

fn days(reading: &mut Reading, path: AccountPath, query: PeriodQuery) -> Answering<'_, DaysUsage> {
    Box::pin(async move { Ok(reading.usage_by_day(&path.account_id, query.period()).await?.into()) })
}

fn projects(reading: &mut Reading, path: AccountPath, query: ProjectsQuery) -> Answering<'_, ProjectsUsage> {
    Box::pin(async move {
        let period = Period { from: query.from, to: query.to };
        let limit = query.limit.count();
        let told = match (query.order, query.after) {
            (Order::Id, after) => {
                let after = after.map(|key| key.to_string()).filter(|key| !key.is_empty());
                reading.usage_by_project(&path.account_id, period, after.as_deref(), limit).await?
            }
            (Order::Largest, None) => reading.usage_of_largest(&path.account_id, period, limit).await?,
            (Order::Largest, Some(_)) => {
                let what = "after: the largest come in one page alone; leave it out, or ask for order=id";
                return Err(Problem::new(Kind::Refused, what));
            }
        };
        Ok(told.into())
    })
}

fn assets(reading: &mut Reading, path: AccountPath, query: PeriodQuery) -> Answering<'_, AssetsUsage> {
    Box::pin(async move { Ok(reading.usage_by_asset(&path.account_id, query.period()).await?.into()) })
}

/// A report of any length, at the same use of memory.
async fn download(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: Result<Path<AccountPath>, PathRejection>,
    query: Result<Query<PeriodQuery>, QueryRejection>,
    format: Format,
) -> Result<Response, Problem> {
    let Path(path) = path.map_err(|rejection| wrong_path(&rejection))?;
    let Query(query) = query.map_err(|rejection| wrong_query(&rejection))?;
    let place = site
        .downloads
        .take(visitor.name.as_ref())
        .map_err(|_| Problem::new(Kind::Unavailable, "other reports are being downloaded; ask again soon"))?;
    let reading = site.reports.read(visitor.scope).await?;
    let log_number = reading.log_number();
    let mut report = reading.usage_report(&path.account_id, query.period(), format).await?;
    let headers = head(&report, format, log_number);
    let (pieces_in, pieces) = mpsc::channel(PIECES_WAITING);
    // In a task of its own: who stops reading ends it between two questions to the database, never within one.
    tokio::spawn(async move {
        while let Some(piece) = piece(&mut report).await {
            if pieces_in.send(piece).await.is_err() {
                break;
            }
        }
        drop(place);
    });
    let pieces = stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// The next piece; an error breaks the answer off, so that a part doesn't pass for the whole.
async fn piece(report: &mut WrittenReport) -> Option<io::Result<Bytes>> {
    match report.next_chunk().await {
        Ok(piece) => piece.map(|bytes| Ok(bytes.into())),
        Err(error) => {
            error!(%error, "a usage report broke off");
            Some(Err(io::Error::other("the report broke off")))
        }
    }
}

fn head(report: &WrittenReport, format: Format, log_number: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let file = format!("attachment; filename=\"{}\"", report.file_name());
    let file = HeaderValue::try_from(file).expect("a file's name is of harmless characters");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::CONTENT_DISPOSITION, file);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(LOG_NUMBER, HeaderValue::from(log_number));
    headers
}
