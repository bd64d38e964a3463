//! What went wrong, as RFC 9457 has it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use tracing::error;

use crate::report::ReadError;

/// The media type of problem details.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";
/// When to ask again where a server is away, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// Which kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request says something that can't be.
    BadRequest,
    /// It says who asks in no way that counts.
    Unauthorized,
    /// It asks for what the whole ledger has, and may see a part of it.
    OutOfScope,
    /// Another site's page asks it.
    Foreign,
    /// It is meant for another host.
    Misdirected,
    /// There is no such thing, or not for who asks.
    Unknown,
    /// There is such a thing, and it is asked in another way.
    Method,
    /// It has too many bytes.
    TooLarge,
    /// It took too long to say what it wants.
    TooSlow,
    /// It is written in a form that isn't read here.
    MediaType,
    /// What it asks makes sense, and can't be said.
    Refused,
    /// A server is away, or too much is asked at once.
    Unavailable,
    /// A mistake of this program.
    Internal,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Kind::BadRequest => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::OutOfScope | Kind::Foreign => StatusCode::FORBIDDEN,
            Kind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Kind::Unknown => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Kind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::BadRequest => "bad-request",
            Kind::Unauthorized => "unauthorized",
            Kind::OutOfScope => "out-of-scope",
            Kind::Foreign => "foreign",
            Kind::Misdirected => "misdirected",
            Kind::Unknown => "unknown",
            Kind::Method => "method",
            Kind::TooLarge => "too-large",
            Kind::TooSlow => "too-slow",
            Kind::MediaType => "media-type",
            Kind::Refused => "refused",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }
}

/// A problem, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    /// What happened, to what, and what to do: for people.
    pub(super) detail: String,
}

/// Problem details (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Details {
    /// Which kind of problem it is, for programs: `urn:creditd:problem:` and a word.
    #[serde(rename = "type")]
    problem_type: String,
    /// The kind in words.
    title: &'static str,
    /// The response's status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What happened, to what, and what to do: for people.
    detail: String,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// A mistake of this program: the log has the reason, who asks has a number to find it by.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        let number = fastrand::u32(..);
        error!(%error, number = format_args!("{number:08x}"), "a request failed");
        Self::new(Kind::Internal, format!("the answer could not be made; the log says why at {number:08x}"))
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unknown { .. } => Self::new(Kind::Unknown, error.to_string()),
            ReadError::OutOfScope(_) => Self::new(Kind::OutOfScope, error.to_string()),
            ReadError::Refused(why) => Self::new(Kind::Refused, why),
            ReadError::WrongSetting(why) => Self::new(Kind::Unavailable, why),
            // Which server, and why, is the operator's to know: /readyz and the log tell.
            ReadError::Away(_) => {
                Self::new(Kind::Unavailable, "the ledger can't be reached at present; ask again soon")
            }
            ReadError::TooSlow(_) => {
                Self::new(Kind::Unavailable, "the ledger took too long to answer; ask again, or for less")
            }
            ReadError::Failed(error) => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let details = Details {
            problem_type: format!("urn:creditd:problem:{}", self.kind.name()),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: self.detail,
        };
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.kind {
            Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER_S);
            }
            Kind::Unauthorized => {
                headers
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"creditd\""));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Zone;
    use crate::report::ReportError;

    #[test]
    fn a_time_zone_that_postgresql_does_not_know_is_no_mistake_of_who_asks() {
        let unknown = ReportError::UnknownZone(Zone::parse("Nope").unwrap());
        let problem = Problem::from(ReadError::from(unknown));
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.detail.contains("report.timezone") && problem.detail.contains("Nope"), "{problem:?}");
    }
}
