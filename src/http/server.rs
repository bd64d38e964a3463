//! Listening, with a limit on everything that somebody outside could make large or long.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::problem::{Kind, Problem};
use super::{Site, metrics, routes};

/// Above what a person's browsers and a few programs open.
const CONNECTIONS_MAX: usize = 256;
/// How many requests are answered at once; others are told to come again.
const REQUESTS_MAX: usize = 64;
/// The longest a request's head may take to come, an idle connection's next one too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a connection that takes one of the last places: those who say nothing give them up soon.
const HEAD_TIMEOUT_OF_LAST: Duration = Duration::from_secs(2);
/// So many places are the last.
const LAST_CONNECTIONS: usize = CONNECTIONS_MAX / 4;
/// The longest a request's body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest a reader may take nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A request's head, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// A request's body, in bytes: a thousand deliverables fit.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// How long answers on their way may take when the daemon stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after the operating system had no file for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Pages are made of what this port serves, and of nothing else; nothing runs that is not in a file of it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Why the port can't be served.
#[derive(Debug, thiserror::Error)]
#[error("http.listen: {address} can't be listened on: {error}; {remedy}", remedy = remedy(error))]
pub struct ServerError {
    address: SocketAddr,
    error: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is another daemon there already?",
        io::ErrorKind::AddrNotAvailable => {
            "it must be an address of this machine, or 0.0.0.0 or [::] for all"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for the privileged: take a higher one, and let a proxy have that"
        }
        _ => "another address or port may do",
    }
}

/// Listens on `address`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|error| ServerError { address, error })
}

/// Answers until `stop`, and then for as long as it takes to finish what was asked, within a few seconds.
pub async fn serve(listener: TcpListener, site: Arc<Site>, stop: CancellationToken) {
    let watched = site.clone();
    tokio::spawn(async move { watched.live.watch(&watched.reports).await });
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    let app = routes(site.clone())
        .layer(middleware::from_fn_with_state(site, metrics::count))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(move |request, next| to_the_end(requests.clone(), request, next)))
        .layer(middleware::map_response(secured));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let open = GracefulShutdown::new();
    let over = CancellationToken::new();
    loop {
        // Where all places are taken, the stop must not wait for one either.
        let next = async { (connections.clone().acquire_owned().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let Ok(place) = place else { break };
        match accepted {
            Ok((stream, _)) => {
                let is_last = connections.available_permits() < LAST_CONNECTIONS;
                let head_timeout = if is_last { HEAD_TIMEOUT_OF_LAST } else { HEAD_TIMEOUT };
                converse(stream, head_timeout, place, app.clone(), &open, over.clone());
            }
            // A connection that was gone before it was taken says so here as well.
            Err(error) => {
                warn!(%error, "an HTTP connection was not taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, open.shutdown()).await.is_err() {
        debug!("HTTP connections were closed before their answers were read");
    }
    // A report that somebody reads slowly would keep its connection to the database, and the daemon would wait.
    over.cancel();
}

/// Answers on one connection, in a task of its own.
fn converse(
    stream: TcpStream,
    head_timeout: Duration,
    place: OwnedSemaphorePermit,
    app: axum::Router,
    open: &GracefulShutdown,
    over: CancellationToken,
) {
    // Small answers should not wait for more of them.
    stream.set_nodelay(true).ok();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answered = app.clone().oneshot(request.map(axum::body::Body::new));
        async move { answered.await.map_err(|never: Infallible| never) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let connection = open.watch(connection);
    tokio::spawn(async move {
        if let Some(Err(error)) = over.run_until_cancelled(connection).await {
            debug!(%error, "an HTTP connection ended");
        }
        drop(place);
    });
}

/// Answers so many at once, each in a task that nobody ends half-way: a reader who leaves must not leave a
/// transaction open, and keeps the place until the answer is made. The body is read before, within its time, so
/// that those who are slow to ask take no places.
async fn to_the_end(requests: Arc<Semaphore>, request: Request, next: Next) -> Response {
    // Whoever would restart the process must not take it for dead because many ask.
    if matches!(request.uri().path(), "/livez" | "/readyz" | "/metrics") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, BODY_BYTES_MAX);
    let body = match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let what = format!("the body has more than {BODY_BYTES_MAX} bytes, or broke off");
            return Problem::new(Kind::TooLarge, what).into_response();
        }
        Err(_) => {
            let what = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
            return Problem::new(Kind::TooSlow, what).into_response();
        }
    };
    let Ok(place) = requests.try_acquire_owned() else {
        let what = format!("{REQUESTS_MAX} requests are being answered; ask again soon");
        return Problem::new(Kind::Unavailable, what).into_response();
    };
    let request = Request::from_parts(parts, body.into());
    let answer = async move {
        let response = next.run(request).await;
        drop(place);
        response
    };
    match tokio::spawn(answer).await {
        Ok(response) => response,
        Err(panic) => Problem::internal(&panic).into_response(),
    }
}

/// What each answer says to a browser.
async fn secured(mut response: Response) -> Response {
    let said = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in said {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
