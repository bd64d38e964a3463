//! A browser's login: a form that exchanges a token for a cookie, which no script can read and no other site's
//! page can send.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tracing::info;

use super::{Site, gate};
use crate::access::{SESSION_S, Token};
use crate::clock;

/// The cookie's name.
const COOKIE: &str = "creditd_session";
/// What of a path stays as it is in a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_');

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Login {
    /// Not to be printed, so the whole has no `Debug`.
    token: String,
    /// Where to go then.
    next: Option<String>,
}

/// The login's address, from where it goes on to what was asked for.
pub(super) fn path_back_to(asked: &Uri) -> String {
    let path = asked.path_and_query().map_or("/", |path| path.as_str());
    format!("/login?next={}", utf8_percent_encode(path, IN_QUERY))
}

/// Where a login goes on to: a path of this port, and never another site.
pub(super) fn next_page(next: Option<&str>) -> &str {
    let is_path = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.chars().all(|c| c.is_ascii_graphic() && c != '\\')
    };
    next.filter(is_path).unwrap_or("/")
}

/// The session that a browser shows.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// `POST /login`.
pub(super) async fn log_in(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    form: Result<Form<Login>, FormRejection>,
) -> Response {
    if let Err(problem) = gate::is_meant_for_us(&site.access, &Method::POST, &headers) {
        return problem.into_response();
    }
    let Ok(Form(Login { token, next })) = form else { return Redirect::to("/login?wrong").into_response() };
    let next = next_page(next.as_deref()).to_owned();
    let Some(tokens) = &site.access.tokens else { return Redirect::to(&next).into_response() };
    let now = clock::now();
    let token = Token::parse(token.trim()).ok();
    let Some(grant) = token.and_then(|token| tokens.current().grant(&token, now)) else {
        let back = format!("/login?wrong&next={}", utf8_percent_encode(&next, IN_QUERY));
        return Redirect::to(&back).into_response();
    };
    info!(token = %grant.name, "logged in");
    let value = site.access.sessions.open(&grant, now);
    let cookie = format!("{COOKIE}={}; Max-Age={SESSION_S}; {}", value.expose(), attributes(&headers));
    with_cookie(Redirect::to(&next), &cookie)
}

/// `POST /logout`.
pub(super) async fn log_out(headers: HeaderMap) -> Response {
    let cookie = format!("{COOKIE}=; Max-Age=0; {}", attributes(&headers));
    with_cookie(Redirect::to("/login"), &cookie)
}

/// What every browser is to do with the cookie. Behind a proxy with TLS it also never goes without.
fn attributes(headers: &HeaderMap) -> &'static str {
    let by_tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    if by_tls { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
}

fn with_cookie(to: Redirect, cookie: &str) -> Response {
    let mut cookie = HeaderValue::try_from(cookie).expect("a session's value is visible ASCII");
    cookie.set_sensitive(true);
    ([(header::SET_COOKIE, cookie)], to).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_on_to_a_page_of_this_port_and_nowhere_else() {
        assert_eq!(next_page(Some("/accounts/a%2Fb?page=2")), "/accounts/a%2Fb?page=2");
        for foreign in [
            None,
            Some(""),
            Some("//example.com"),
            Some("https://example.com"),
            Some("/\\example.com"),
            Some("/a\r\nb"),
        ] {
            assert_eq!(next_page(foreign), "/", "{foreign:?}");
        }
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("theme=dark; creditd_session=abc"));
        assert_eq!(session(&headers), Some("abc"));
        headers.clear();
        headers.append(header::COOKIE, HeaderValue::from_static("xcreditd_session=abc"));
        assert_eq!(session(&headers), None);
    }

    #[test]
    fn what_was_asked_for_survives_the_way_through_the_login() {
        let asked = Uri::from_static("/accounts/a%2Fb?from=2026-01-01&to=2026-01-31");
        assert_eq!(
            path_back_to(&asked),
            "/login?next=/accounts/a%252Fb%3Ffrom%3D2026-01-01%26to%3D2026-01-31"
        );
    }
}
