//! Finding something by its id, without a script.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::home::{balances, search};
use super::layout::Page;
use super::links;
use super::wall::WallClock;
use crate::http::gate::Visitor;
use crate::http::problem::Problem;
use crate::report::{self, AccountRow, ReadError, Reading};

/// As many accounts are offered whose ids begin with what was typed.
const OFFERED: i64 = 20;

/// What a search found.
pub(super) enum Found {
    /// The one thing that was meant, and where it is.
    At(String),
    /// Nothing of that id, but accounts whose ids begin so.
    Accounts(Vec<AccountRow>),
}

/// Looks for an account, an organization or a project of that id.
pub(super) async fn find(reading: &mut Reading, id: &str) -> Result<Found, Problem> {
    if known(reading.account(id).await)?.is_some() {
        return Ok(Found::At(links::account(id)));
    }
    if known(reading.organization_in_short(id).await)?.is_some() {
        return Ok(Found::At(links::organization(id)));
    }
    if let Some(project) = known(reading.project(id).await)? {
        return Ok(Found::At(links::project(&project.project_id)));
    }
    // An id that begins so comes right after it. What can't be the beginning of an id is no question to the ledger.
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(Found::Accounts(Vec::new()));
    }
    let page = report::Page { after: Some(id.to_owned()), limit: OFFERED };
    let mut next = reading.accounts(None, &page).await?.items;
    next.retain(|account| account.account_id.starts_with(id));
    Ok(Found::Accounts(next))
}

/// What was found, or nothing where nothing is known of it.
pub(super) fn known<T>(asked: Result<T, ReadError>) -> Result<Option<T>, Problem> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(ReadError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The answer to a search.
pub(super) fn answer(found: &Found, id: &str, visitor: &Visitor, wall: WallClock) -> Response {
    let accounts = match found {
        Found::At(place) => return Redirect::to(place).into_response(),
        Found::Accounts(accounts) => accounts,
    };
    let wrong = match accounts.is_empty() {
        true => "nothing of this id is known; ids are written exactly, capitals and all",
        false => "nothing has exactly this id; these accounts begin with it",
    };
    let body = html! {
        h1 { "Find" }
        (search(id, Some(wrong)))
        @if !accounts.is_empty() { section.card aria-label="Accounts that begin so" { (balances(accounts)) } }
    };
    let status = if accounts.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Page::still("Find", body, wall).answer(status, Some(visitor))
}
