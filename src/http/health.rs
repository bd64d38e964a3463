//! Whether the process is alive and ready, for whoever restarts it or sends it work. Nobody needs a token to ask.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Site;
use crate::vitals::Verdict;

/// `GET /livez`: whether all loops move. One that doesn't is mended by a restart.
pub(super) async fn livez(State(site): State<Arc<Site>>) -> Response {
    let liveness = site.vitals.progress.liveness(Instant::now());
    told(liveness.status, &liveness)
}

/// `GET /readyz`: whether both servers are reached, the schema fits, and messages are consumed here or by the
/// instance that this one stands by for.
pub(super) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let readiness = site.vitals.health.readiness();
    told(readiness.status, &readiness)
}

fn told(verdict: Verdict, report: &impl Serialize) -> Response {
    let status = if verdict.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}
