//! What went wrong, as a page.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::home::search;
use super::layout::Page;
use super::wall::WallClock;
use super::words::plain;
use crate::access::Scope;
use crate::http::Site;
use crate::http::gate::Visitor;
use crate::http::problem::{Kind, Problem};

/// When a page that could not be made is tried again, in seconds.
const RETRY_S: HeaderValue = HeaderValue::from_static("10");

/// Whether a browser asks, for a person.
pub(in crate::http) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// A problem as a page of this site.
pub(in crate::http) fn problem_page(site: &Site, problem: &Problem, visitor: Option<&Visitor>) -> Response {
    page(problem, visitor, WallClock::at_hand(&site.reports))
}

fn page(problem: &Problem, visitor: Option<&Visitor>, wall: WallClock) -> Response {
    let (heading, advice) = words(problem.kind);
    let body = html! {
        h1 { (heading) }
        p.lead { (sentence(&problem.detail)) }
        @if let Some(advice) = advice { p { (advice) } }
        @if problem.kind == Kind::Unknown && visitor.is_some_and(|visitor| visitor.scope == Scope::All) {
            (search("", None))
        }
        @if visitor.is_some() { p { a href="/" { "Back to the beginning" } } }
    };
    let mut response = Page::still(heading, body, wall).answer(problem.status(), visitor);
    if problem.kind == Kind::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_S);
        // Browsers load the page again by themselves, with and without scripts.
        response.headers_mut().insert(header::REFRESH, RETRY_S);
    }
    response.into_response()
}

fn words(kind: Kind) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::Unknown => ("Not found", None),
        Kind::OutOfScope | Kind::Unauthorized => ("Not for you to see", None),
        Kind::Foreign => ("Asked by another site", None),
        Kind::Misdirected => ("Not under this name", None),
        Kind::Unavailable => (
            "Not available at present",
            Some("This page loads itself again every ten seconds, until it can be shown."),
        ),
        Kind::Internal => (
            "Something went wrong",
            Some("It is a mistake of the program; whoever runs it finds the reason in its log."),
        ),
        _ => ("That can\u{2019}t be answered", None),
    }
}

/// A problem's detail as a sentence.
fn sentence(detail: &str) -> Markup {
    let detail = plain(detail);
    let mut letters = detail.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    html! { (first) (letters.as_str()) "." }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_from_a_program() {
        let asks = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            wants_page(&headers)
        };
        assert!(asks("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!asks("application/json") && !asks("*/*") && !wants_page(&HeaderMap::new()));
    }

    #[test]
    fn a_page_that_may_come_later_loads_itself_again_and_others_do_not() {
        let refreshes = |kind| {
            let page = page(&Problem::new(kind, "the ledger is away"), None, WallClock::utc());
            page.headers().contains_key(header::REFRESH)
        };
        assert!(refreshes(Kind::Unavailable));
        assert!(!refreshes(Kind::Unknown));
    }
}
