//! The files that pages are made with, from the binary itself: nothing is fetched from anywhere else.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::words::fingerprint;

/// The look of all pages.
const STYLE: &str = include_str!("style.css");
/// What keeps a page up to date.
const SCRIPT: &str = include_str!("script.js");
/// The small picture of a browser's tab.
const ICON: &str = include_str!("favicon.svg");

/// Where the files are. They say nothing of the ledger, so anybody may have them: the page to sign in needs them.
pub(super) const PATHS: [&str; 3] = ["/style.css", "/script.js", "/favicon.svg"];

/// The routes to them.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let [style, script, icon] = PATHS;
    Router::new()
        .route(
            style,
            get(|headers: HeaderMap| async move { file(&headers, "text/css; charset=utf-8", STYLE) }),
        )
        .route(
            script,
            get(|headers: HeaderMap| async move { file(&headers, "text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route(icon, get(|headers: HeaderMap| async move { file(&headers, "image/svg+xml", ICON) }))
}

/// A file, unless the browser has it already. It asks each time, for another version may be running by then.
fn file(asked: &HeaderMap, media_type: &'static str, text: &'static str) -> Response {
    let tag = format!("\"{}\"", fingerprint(text));
    let known = asked.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_known = known.is_some_and(|known| known.contains(&tag));
    let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, "public, no-cache".to_owned())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, media_type)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let first = file(&HeaderMap::new(), "text/css", STYLE);
        assert_eq!(first.status(), StatusCode::OK);
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(file(&asked, "text/css", STYLE).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(file(&asked, "text/css", SCRIPT).status(), StatusCode::OK);
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("@import"));
        }
    }
}
