//! Who asks, and how far that one may see. Every request but those for health, the document and the login comes
//! through here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::problem::{Kind, Problem};
use super::{Site, browser, dashboard};
use crate::access::{Grant, Scope, Sessions, Token, TokenName, Tokens};
use crate::clock;

/// Who is let in.
pub struct Access {
    /// The tokens that count. `None`: whoever reaches the port sees everything, so it must be one that only this
    /// machine reaches.
    pub tokens: Option<Tokens>,
    /// The sessions of browsers.
    pub sessions: Sessions,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    /// How far that one may see.
    pub(super) scope: Scope,
    /// What the token is called, where one was needed.
    pub(super) name: Option<TokenName>,
    /// Whether it is a browser that logged in, and may log out.
    pub(super) has_session: bool,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // A route that the gate doesn't guard must not answer as one that it does.
        parts.extensions.get::<Visitor>().cloned().ok_or_else(needs_a_token)
    }
}

/// Lets in whom the tokens let in, and says who it is.
pub(super) async fn admit(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = is_meant_for_us(&site.access, request.method(), request.headers()) {
        return told(&site, problem, request.headers());
    }
    match site.access.visitor(request.headers()) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        // A login helps more than a problem.
        Err(_) if request.method() == Method::GET && dashboard::wants_page(request.headers()) => {
            Redirect::to(&browser::path_back_to(request.uri())).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Lets everybody in whom no foreign page sends: what it leads to says nothing of the books, but names servers.
pub(super) async fn admit_all(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    match is_meant_for_us(&site.access, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => told(&site, problem, request.headers()),
    }
}

/// Checks that no foreign page makes a browser ask: neither by a form of its own, nor by a name of its own that it
/// lets lead to this machine, where nobody is asked for a token.
pub(super) fn is_meant_for_us(access: &Access, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes);
    if !method.is_safe() && site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(Problem::new(
            Kind::Foreign,
            "another site's page asked this; open the page here instead",
        ));
    }
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    match host {
        Some(host) if access.tokens.is_none() && !is_loopback(host) => {
            let what = "this port answers to names of this machine alone, such as localhost, as long as no tokens \
                        are configured; `creditd token new` makes one";
            Err(Problem::new(Kind::Misdirected, what))
        }
        _ => Ok(()),
    }
}

/// Whether `host`, with its port, names this machine and nothing that somebody else could give an address to.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// A problem to whoever asked: a page for a person at a browser.
pub(super) fn told(site: &Site, problem: Problem, asked: &HeaderMap) -> Response {
    match dashboard::wants_page(asked) {
        true => dashboard::problem_page(site, &problem, None),
        false => problem.into_response(),
    }
}

fn needs_a_token() -> Problem {
    Problem::new(Kind::Unauthorized, "a token is needed: Authorization: Bearer TOKEN, or a login at /login")
}

impl Access {
    /// Who asks. A header counts before a cookie, so that a program's token is never mixed up with a session.
    fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, Problem> {
        let Some(tokens) = &self.tokens else {
            return Ok(Visitor { scope: Scope::All, name: None, has_session: false });
        };
        let (tokens, now) = (tokens.current(), clock::now());
        // A proxy in front may have looked at the other one.
        if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
            return Err(Problem::new(
                Kind::Unauthorized,
                "one Authorization header is expected, found several",
            ));
        }
        let (grant, has_session) = match headers.get(header::AUTHORIZATION) {
            Some(said) => {
                (said.to_str().ok().and_then(bearer).and_then(|token| tokens.grant(&token, now)), false)
            }
            None => {
                (browser::session(headers).and_then(|cookie| self.sessions.check(cookie, &tokens, now)), true)
            }
        };
        let Grant { name, scope, .. } = grant.ok_or_else(|| match has_session {
            true => needs_a_token(),
            false => Problem::new(Kind::Unauthorized, "this token is not known, or is over"),
        })?;
        Ok(Visitor { scope, name: Some(name), has_session })
    }
}

fn bearer(said: &str) -> Option<Token> {
    let (scheme, token) = said.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Token::parse(token.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_lead_here_without_a_token() {
        for own in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "[::1]"] {
            assert!(is_loopback(own), "{own}");
        }
        for foreign in [
            "",
            "example.com",
            "localhost.example.com:80",
            "10.0.0.1:8080",
            "[::2]:80",
            "127.0.0.1.nip.io",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }
}
