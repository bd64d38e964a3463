//! Telling browsers that something changed, by server-sent events.
//!
//! Only that the books changed is told, not what: the page is asked for again like any other, through the same
//! gate, and the browser exchanges it where it differs. So there is one rule for what somebody sees, and one poll
//! serves all who listen. Nothing is polled while nobody does.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::access::TokenName;
use crate::http::places::{Place, Places, Taken};
use crate::http::problem::{Kind, Problem};
use crate::report::Reports;

/// As many streams are open at once; other pages stay as they are until they are loaded again.
const STREAMS_MAX: usize = 64;
/// As many of them by one token, so that no holder keeps all others from theirs.
const STREAMS_OF_TOKEN_MAX: usize = 16;
/// How often the ledger is asked whether it changed.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// A stream is ended after so long. The browser opens another by itself, and the gate looks again at who asks.
const STREAM_MAX: Duration = Duration::from_mins(1);
/// How long a browser waits before that.
const REOPEN_AFTER: Duration = Duration::from_secs(2);
/// Lets proxies, and this end, notice a browser that is gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// What a browser that comes again has heard last.
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// Has a proxy hand on each event as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What is known of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing: it was not asked since somebody listens.
    Unknown,
    /// It is at this version.
    At(i64),
    /// It can't be reached.
    Away,
}

/// Who listens, and what they are told.
pub struct Live {
    state: watch::Sender<State>,
    somebody_came: Notify,
    places: Places,
    stop: CancellationToken,
}

impl Live {
    /// Streams that end with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            state: watch::Sender::new(State::Unknown),
            somebody_came: Notify::new(),
            places: Places::new(STREAMS_MAX, STREAMS_OF_TOKEN_MAX),
            stop,
        }
    }

    /// Asks the ledger again and again, as long as somebody listens, until told to stop.
    pub async fn watch(&self, reports: &Reports) {
        while !self.stop.is_cancelled() {
            if self.state.receiver_count() == 0 {
                // What was known then says nothing about what will be.
                self.state.send_replace(State::Unknown);
                tokio::select! {
                    () = self.somebody_came.notified() => {}
                    () = self.stop.cancelled() => return,
                }
                continue;
            }
            let now = reports.version().await.map_or(State::Away, State::At);
            self.state.send_if_modified(|state| std::mem::replace(state, now) != now);
            tokio::select! {
                () = tokio::time::sleep(POLL_EVERY) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// A stream for one more browser, unless there are too many, in all or of the same token.
    pub(super) fn listen(&self, token: Option<&TokenName>, headers: &HeaderMap) -> Response {
        let place = match self.places.take(token) {
            Ok(place) => place,
            Err(taken) => {
                let what = match taken {
                    Taken::All => format!("{STREAMS_MAX} pages"),
                    Taken::OfToken => format!("{STREAMS_OF_TOKEN_MAX} pages of this token"),
                };
                let what = format!("{what} are kept up to date already; this one can be loaded again");
                return Problem::new(Kind::Unavailable, what).into_response();
            }
        };
        let listener = Listener {
            // What is the state already is told too: the page may be older.
            state: {
                let mut state = self.state.subscribe();
                state.mark_changed();
                state
            },
            told: headers.get(LAST_EVENT).and_then(|id| id.to_str().ok()?.parse().ok()).map(State::At),
            ends_at: Instant::now() + STREAM_MAX,
            stop: self.stop.clone(),
            _place: place,
        };
        self.somebody_came.notify_one();
        let events = stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok::<_, Infallible>(event), listener))
        });
        let events = Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE));
        ([(UNBUFFERED, "no")], events).into_response()
    }
}

/// One browser that listens.
struct Listener {
    state: watch::Receiver<State>,
    /// What it was told last.
    told: Option<State>,
    ends_at: Instant,
    stop: CancellationToken,
    _place: Place,
}

impl Listener {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                changed = self.state.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.ends_at) => return None,
                () = self.stop.cancelled() => return None,
            }
            let state = *self.state.borrow_and_update();
            if state == State::Unknown || self.told == Some(state) {
                continue;
            }
            self.told = Some(state);
            let event = Event::default().retry(REOPEN_AFTER);
            return Some(match state {
                State::At(version) => event.event("ledger").id(version.to_string()).data(version.to_string()),
                State::Away | State::Unknown => event.event("away").data("the ledger can't be reached"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn so_many_listen_and_one_more_may_once_another_has_gone() {
        let live = Live::new(CancellationToken::new());
        let headers = HeaderMap::new();
        let mut listening: Vec<_> = (0..STREAMS_MAX).map(|_| live.listen(None, &headers)).collect();
        assert!(listening.iter().all(|response| response.status() == StatusCode::OK));
        assert_eq!(live.listen(None, &headers).status(), StatusCode::SERVICE_UNAVAILABLE);
        listening.pop();
        assert_eq!(live.listen(None, &headers).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_stream_tells_each_state_once_and_ends_with_the_daemon() {
        let stop = CancellationToken::new();
        let live = Live::new(stop.clone());
        let mut headers = HeaderMap::new();
        headers.insert(LAST_EVENT, "7".parse().unwrap());
        let response = live.listen(None, &headers);
        live.state.send_replace(State::At(7));
        live.state.send_replace(State::At(8));
        let mut body = response.into_body().into_data_stream();
        let told = futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
        let told = String::from_utf8(told.to_vec()).unwrap();
        assert!(told.contains("event: ledger") && told.contains("id: 8"), "{told}");
        stop.cancel();
        assert!(futures_util::StreamExt::next(&mut body).await.is_none());
    }
}
