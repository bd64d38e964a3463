//! `/metrics`, for Prometheus; and how this port itself does.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Site;
use super::gate::Visitor;
use super::problem::{Kind, Problem};
use crate::access::Scope;
use crate::vitals::TEXT_FORMAT;

/// What is counted as the route of a request that has none: paths are a stranger's words, and would each be a series.
const NO_ROUTE: &str = "none";

/// `GET /metrics`.
pub(super) async fn metrics(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    if visitor.scope != Scope::All {
        let what = "metrics belong to the whole ledger, which this token's scope doesn't reach";
        return Problem::new(Kind::OutOfScope, what).into_response();
    }
    site.figures.refresh().await;
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], site.vitals.metrics.render()).into_response()
}

/// Counts and times what is answered.
pub(super) async fn count(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    site.vitals.metrics.answered(route, response.status().as_u16(), began.elapsed());
    response
}
