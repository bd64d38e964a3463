//! An endpoint: one function from what is asked to what is answered. Its types are all there is to say of it, so
//! the routes and the OpenAPI document are made from the same words and can't differ.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::openapi::{self, About, LOG_NUMBER, Operation};
use crate::http::Site;
use crate::http::gate::Visitor;
use crate::http::problem::{Kind, Problem};
use crate::report::Reading;

/// What comes of a question, once it is read.
pub(super) type Answering<'r, A> = Pin<Box<dyn Future<Output = Result<Answer<A>, Problem>> + Send + 'r>>;

/// What is asked about `P`, in the way of `Q`, of one moment of the ledger.
pub(super) type Read<P, Q, A> = for<'r> fn(&'r mut Reading, P, Q) -> Answering<'r, A>;

/// An answer.
pub(super) struct Answer<A> {
    body: A,
    /// What the tag begins with, where the answer is about one account.
    sequence: Option<i64>,
}

impl<A> From<A> for Answer<A> {
    fn from(body: A) -> Self {
        Self { body, sequence: None }
    }
}

impl<A> Answer<A> {
    /// An answer about an account that has come to this entry.
    pub(super) fn at(sequence: i64, body: A) -> Self {
        Self { body, sequence: Some(sequence) }
    }
}

/// A path or a query without anything to say.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// All endpoints: their routes and what is said of them.
#[derive(Default)]
pub(in crate::http) struct Api {
    router: Router<Arc<Site>>,
    operations: Vec<Operation>,
}

impl Api {
    /// A question with nothing in its body.
    pub(super) fn get<P, Q, A>(self, path: &'static str, about: About, read: Read<P, Q, A>) -> Self
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        A: Serialize + JsonSchema + Send + 'static,
    {
        let handler = move |State(site): State<Arc<Site>>, visitor: Visitor, request: Request| async move {
            let (mut parts, _) = request.into_parts();
            let path = Path::from_request_parts(&mut parts, &()).await.map(|Path(path)| path);
            let query = Query::from_request_parts(&mut parts, &()).await.map(|Query(query)| query);
            let (path, query) = (
                path.map_err(|rejection| wrong_path(&rejection))?,
                query.map_err(|rejection| wrong_query(&rejection))?,
            );
            let known = parts.headers.get_all(header::IF_NONE_MATCH);
            let is_known = |tag: &HeaderValue| known.iter().any(|tags| names(tags, tag));
            answer(&site, visitor, is_known, |reading| read(reading, path, query)).await
        };
        let operation = Operation::reading::<P, Q, A>("get", path, about);
        self.with(path, get(handler), operation)
    }

    /// A question that is asked by a body. Like all others it changes nothing.
    pub(super) fn post<P, B, A>(self, path: &'static str, about: About, read: Read<P, B, A>) -> Self
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        B: DeserializeOwned + JsonSchema + Send + 'static,
        A: Serialize + JsonSchema + Send + 'static,
    {
        let handler = move |State(site): State<Arc<Site>>, visitor: Visitor, request: Request| async move {
            let (mut parts, body) = request.into_parts();
            let path = Path::from_request_parts(&mut parts, &()).await.map(|Path(path)| path);
            let path = path.map_err(|rejection| wrong_path(&rejection))?;
            let asked = Json::from_request(Request::from_parts(parts, body), &()).await;
            let Json(asked) = asked.map_err(|rejection| wrong_body(&rejection))?;
            // "Not modified" is an answer to GET and HEAD alone (RFC 9110, 13.1.2).
            answer(&site, visitor, |_| false, |reading| read(reading, path, asked)).await
        };
        let operation = Operation::asking::<P, B, A>("post", path, about);
        self.with(path, post(handler), operation)
    }

    /// A route that answers in its own way, with what is to be said of it.
    pub(super) fn with(
        mut self,
        path: &'static str,
        route: MethodRouter<Arc<Site>>,
        operation: Operation,
    ) -> Self {
        self.router = self.router.route(path, route);
        self.operations.push(operation);
        self
    }

    /// The routes.
    pub(in crate::http) fn router(self) -> Router<Arc<Site>> {
        self.router
    }

    /// The OpenAPI document.
    pub(in crate::http) fn document(&self) -> serde_json::Value {
        openapi::document(&self.operations)
    }
}

/// Reads one moment of the ledger and answers from it.
async fn answer<A: Serialize>(
    site: &Site,
    visitor: Visitor,
    is_known: impl Fn(&HeaderValue) -> bool,
    read: impl for<'r> FnOnce(&'r mut Reading) -> Answering<'r, A>,
) -> Result<Response, Problem> {
    let mut reading = site.reports.read(visitor.scope).await?;
    let answered = read(&mut reading).await;
    let log_number = reading.log_number();
    reading.close().await?;
    let Answer { body, sequence } = answered?;
    let body = serde_json::to_vec(&body).expect("answers have only text for keys");
    let tag = tag(sequence, &body);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(LOG_NUMBER, HeaderValue::from(log_number));
    if is_known(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((headers, Bytes::from(body)).into_response())
}

/// How far the account has come, where it is about one, and what the answer says: members of an account change
/// without an entry as well.
fn tag(sequence: Option<i64>, body: &[u8]) -> HeaderValue {
    let hash = Sha256::digest(body);
    let (first, _) = hash.split_first_chunk().expect("SHA-256 has 32 bytes");
    let digits = u64::from_be_bytes(*first);
    let tag = match sequence {
        Some(sequence) => format!("\"{sequence}-{digits:016x}\""),
        None => format!("\"{digits:016x}\""),
    };
    HeaderValue::try_from(tag).expect("digits and quotes are visible ASCII")
}

/// Whether a list of tags has this one. Weak ones count (RFC 9110, 13.1.2).
fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

pub(super) fn wrong_path(rejection: &PathRejection) -> Problem {
    Problem::new(Kind::Unknown, format!("no such thing is known: {}", rejection.body_text()))
}

pub(super) fn wrong_query(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let what = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    Problem::new(
        Kind::BadRequest,
        format!("the query can't be read: {what}; /openapi.json has what it may say"),
    )
}

fn wrong_body(rejection: &JsonRejection) -> Problem {
    let kind = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::MediaType,
        _ => Kind::BadRequest,
    };
    Problem::new(kind, format!("the body can't be read: {}", without_jargon(&rejection.body_text())))
}

/// What a reader of JSON says, without naming the types of this program.
fn without_jargon(said: &str) -> &str {
    let beginnings = [
        "Failed to deserialize the JSON body into the target type: ",
        "Failed to parse the request body as JSON: ",
    ];
    beginnings.iter().find_map(|beginning| said.strip_prefix(beginning)).unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_itself_in_a_list_and_as_a_weak_one() {
        let tag = tag(Some(7), b"{}");
        let text = tag.to_str().unwrap();
        assert!(text.starts_with("\"7-"), "{text}");
        for known in [text.to_owned(), format!("\"other\", W/{text}"), "*".to_owned()] {
            assert!(names(&HeaderValue::try_from(known.clone()).unwrap(), &tag), "{known}");
        }
        for stranger in ["\"7\"", "\"8-44136fa355b3678a\"", ""] {
            assert!(!names(&HeaderValue::from_static(stranger), &tag), "{stranger}");
        }
    }
}
