//! The dashboard: pages for people, made here and sent whole. They work without a script, and a little one keeps them
//! up to date. What each shows is read from one moment of the ledger, seen through the scope of who asks.

mod account;
mod attention;
mod bar;
mod chart;
mod errors;
mod facts;
mod files;
mod history;
mod home;
mod layout;
mod links;
mod live;
mod login;
mod names;
mod organization;
mod prices;
mod project;
mod projects;
mod quote;
mod reports;
mod search;
mod statement;
mod table;
mod waiting;
mod wall;
mod words;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use self::layout::Page;
use self::wall::WallClock;
use super::Site;
use super::gate::Visitor;
use super::problem::{Kind, Problem};
use crate::access::Scope;
use crate::report::Reading;

pub(super) use errors::{problem_page, wants_page};
pub use live::Live;

/// What comes of a page, once it is asked for.
type Reads<'r, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'r>>;

/// All pages that show the ledger.
pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(home))
        .route("/search", get(search))
        .route("/prices", get(prices))
        .route("/organizations/{organization_id}", get(organization))
        .route("/accounts/{account_id}", get(account))
        .route("/accounts/{account_id}/quote", get(quote))
        .route("/accounts/{account_id}/statement", get(statement))
        .route("/projects/{project_id}", get(project))
        .route("/events", get(events))
}

/// The files that pages are made with. The page to sign in needs them, so they are for everybody.
pub(super) fn open_routes() -> Router<Arc<Site>> {
    files::routes()
}

#[derive(Default, Deserialize)]
pub(super) struct Login {
    wrong: Option<String>,
    next: Option<String>,
}

/// The page to sign in; where no token is needed, the page to go on to.
pub(super) async fn login(State(site): State<Arc<Site>>, query: QueryOf<Login>) -> Response {
    let Login { wrong, next } = place_of(query);
    if site.access.tokens.is_none() {
        return Redirect::to("/").into_response();
    }
    let problem = wrong.map(|_| "this token is not known, or is over; check that all of it was pasted");
    login::page(problem, next.as_deref(), WallClock::at_hand(&site.reports))
}

/// Reads one moment of the ledger.
async fn read<T>(
    site: &Site,
    visitor: &Visitor,
    asked: impl for<'r> FnOnce(&'r mut Reading) -> Reads<'r, T>,
) -> Result<T, Problem> {
    let mut reading = site.reports.read(visitor.scope.clone()).await?;
    let answered = asked(&mut reading).await;
    if answered.is_err() {
        // The page that says what went wrong tells its time by them too, where they can be read.
        reading.clocks().await.ok();
    }
    reading.close().await?;
    answered
}

/// A page, or what went wrong as a page.
fn shown(site: &Site, page: Result<Page, Problem>, visitor: &Visitor) -> Response {
    match page {
        Ok(page) => page.answer(StatusCode::OK, Some(visitor)),
        Err(problem) => problem_page(site, &problem, Some(visitor)),
    }
}

type PathOf = Result<Path<String>, PathRejection>;
type QueryOf<Q> = Result<Query<Q>, QueryRejection>;

fn id_of(path: PathOf) -> Result<String, Problem> {
    let unreadable = |_| Problem::new(Kind::Unknown, "no such thing is known: its id can't be read");
    path.map(|Path(id)| id).map_err(unreadable)
}

/// Which stretch of a list is asked for: its beginning, where that can't be read.
fn place_of<Q: Default>(query: QueryOf<Q>) -> Q {
    query.map(|Query(place)| place).unwrap_or_default()
}

async fn home(State(site): State<Arc<Site>>, visitor: Visitor, query: QueryOf<home::Place>) -> Response {
    match &visitor.scope {
        Scope::All => {}
        Scope::Organization(id) => return Redirect::to(&links::organization(id.as_str())).into_response(),
        Scope::Account(id) => return Redirect::to(&links::account(id.as_str())).into_response(),
    }
    let place = place_of(query);
    let page = read(&site, &visitor, |reading| Box::pin(home::page(reading, place))).await;
    shown(&site, page, &visitor)
}

#[derive(Default, Deserialize)]
struct Sought {
    #[serde(default)]
    id: String,
}

async fn search(State(site): State<Arc<Site>>, visitor: Visitor, query: QueryOf<Sought>) -> Response {
    let Sought { id } = place_of(query);
    let (id, sought) = (id.trim(), id.trim().to_owned());
    match read(&site, &visitor, |reading| Box::pin(async move { search::find(reading, &sought).await })).await
    {
        Ok(found) => search::answer(&found, id, &visitor, WallClock::at_hand(&site.reports)),
        Err(problem) => problem_page(&site, &problem, Some(&visitor)),
    }
}

async fn prices(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let page = read(&site, &visitor, |reading| Box::pin(prices::page(reading))).await;
    shown(&site, page, &visitor)
}

async fn organization(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: PathOf,
    query: QueryOf<organization::Place>,
) -> Response {
    let place = place_of(query);
    let page = match id_of(path) {
        Ok(id) => {
            read(&site, &visitor, |reading| {
                Box::pin(async move { organization::page(reading, &id, place).await })
            })
            .await
        }
        Err(problem) => Err(problem),
    };
    shown(&site, page, &visitor)
}

async fn account(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: PathOf,
    query: QueryOf<account::Place>,
) -> Response {
    let place = place_of(query);
    let page = match id_of(path) {
        Ok(id) => {
            read(&site, &visitor, |reading| Box::pin(async move { account::page(reading, &id, place).await }))
                .await
        }
        Err(problem) => Err(problem),
    };
    shown(&site, page, &visitor)
}

async fn project(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: PathOf,
    query: QueryOf<project::Place>,
) -> Response {
    let place = place_of(query);
    let page = match id_of(path) {
        Ok(id) => {
            read(&site, &visitor, |reading| Box::pin(async move { project::page(reading, &id, place).await }))
                .await
        }
        Err(problem) => Err(problem),
    };
    shown(&site, page, &visitor)
}

async fn quote(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: PathOf,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let page = match id_of(path) {
        Ok(id) => {
            read(&site, &visitor, |reading| Box::pin(async move { quote::page(reading, &id, &query).await }))
                .await
        }
        Err(problem) => Err(problem),
    };
    shown(&site, page, &visitor)
}

#[derive(Default, Deserialize)]
struct OfMonth {
    month: Option<String>,
}

async fn statement(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: PathOf,
    query: QueryOf<OfMonth>,
) -> Response {
    let OfMonth { month } = place_of(query);
    let page = match id_of(path) {
        Ok(id) => {
            let asked = month.unwrap_or_default();
            read(&site, &visitor, |reading| {
                Box::pin(async move { statement::page(reading, &id, &asked).await })
            })
            .await
        }
        Err(problem) => Err(problem),
    };
    shown(&site, page, &visitor)
}

/// A stream of what changes. Only who may see something may listen.
async fn events(State(site): State<Arc<Site>>, visitor: Visitor, headers: HeaderMap) -> Response {
    site.live.listen(visitor.name.as_ref(), &headers)
}
