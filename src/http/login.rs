//! A browser's login: a form that exchanges a token for the cookie of a session.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tracing::info;

use super::{Site, browser, gate};
use crate::access::Token;
use crate::clock;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Login {
    /// Not to be printed, so the whole has no `Debug`.
    token: String,
    /// Where to go then.
    next: Option<String>,
}

/// `POST /login`.
pub(super) async fn log_in(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Response {
    if let Err(problem) = gate::is_meant_for_us(&site.access, &Method::POST, &headers) {
        return gate::told(&site, problem, &headers);
    }
    let Ok(Form(Login { token, next })) = form else { return Redirect::to("/login?wrong").into_response() };
    let next = browser::next_page(next.as_deref()).to_owned();
    let Some(tokens) = &site.access.tokens else { return Redirect::to(&next).into_response() };
    let now = clock::now();
    let token = Token::parse(token.trim()).ok();
    let Some(grant) = token.and_then(|token| tokens.current().grant(&token, now)) else {
        return Redirect::to(&browser::path_of_retry(&next)).into_response();
    };
    info!(token = %grant.name, "logged in");
    end_session(&site, &headers);
    browser::with_session(&site.access.sessions.open(&grant, now), &headers, Redirect::to(&next))
}

/// `POST /logout`.
pub(super) async fn log_out(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if let Err(problem) = gate::is_meant_for_us(&site.access, &Method::POST, &headers) {
        return gate::told(&site, problem, &headers);
    }
    end_session(&site, &headers);
    browser::without_session(&headers, Redirect::to("/login"))
}

/// Ends the session that the browser has so far: somebody may have kept a copy of its cookie.
fn end_session(site: &Site, headers: &HeaderMap) {
    for value in browser::sessions(headers) {
        site.access.sessions.end(value, clock::now());
    }
}
