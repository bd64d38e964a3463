//! What a browser shows and is told: the cookie of its session, which no script can read and no other site's page
//! can send, and the way to the login and back.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::{CookieValue, SESSION_S};

/// The cookie's name.
const COOKIE: &str = "creditd_session";
/// What of a path stays as it is in a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_');

/// A login that failed, and from where it goes on all the same.
pub(super) fn path_of_retry(next: &str) -> String {
    format!("/login?wrong&next={}", utf8_percent_encode(next, IN_QUERY))
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
    sessions(headers).next()
}

/// All that it has: one, unless somebody else's page of the same name set another.
pub(super) fn sessions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// What every browser is to do with the cookie. Behind a proxy with TLS it also never goes without.
fn attributes(headers: &HeaderMap) -> &'static str {
    let by_tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    if by_tls { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
}

/// Goes on to a page with a session that was opened.
pub(super) fn with_session(value: &CookieValue, asked: &HeaderMap, to: Redirect) -> Response {
    with_cookie(to, &format!("{COOKIE}={}; Max-Age={SESSION_S}; {}", value.expose(), attributes(asked)))
}

/// Goes on to a page with no session any more.
pub(super) fn without_session(asked: &HeaderMap, to: Redirect) -> Response {
    with_cookie(to, &format!("{COOKIE}=; Max-Age=0; {}", attributes(asked)))
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
        headers.append(header::COOKIE, HeaderValue::from_static("creditd_session=def"));
        assert_eq!(sessions(&headers).collect::<Vec<_>>(), ["abc", "def"]);
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
