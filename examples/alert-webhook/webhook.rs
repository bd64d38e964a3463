//! The webhook: a POST of the event as it was published, signed.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use url::Url;

use super::alert::Alert;
use super::courier::Attempt;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// From connecting to the end of the answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// No answer makes us wait longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);
/// How much of a refusal's text is kept.
const REFUSAL_CHARS_MAX: usize = 300;

/// Where events are posted to.
pub(crate) struct Webhook {
    client: Client,
    url: Url,
    secret: SecretString,
}

impl Webhook {
    /// A webhook at `url`, signed with `secret`.
    pub(crate) fn new(url: Url, secret: SecretString) -> Result<Self, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "--webhook-url begins with {}:, and only https: or http: will do",
                url.scheme()
            ));
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(REQUEST_LIMIT)
            // What is signed for one place is not for another.
            .redirect(redirect::Policy::none())
            .user_agent("creditd-alert-webhook")
            .build()
            .map_err(|error| format!("can't make an HTTP client: {error}"))?;
        Ok(Self { client, url, secret })
    }

    /// Posts an alert once.
    pub(crate) async fn attempt(&self, alert: &Alert) -> Attempt {
        let timestamp =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("idempotency-key", alert.key())
            .header("creditd-timestamp", timestamp)
            .header("creditd-signature", signature(&self.secret, timestamp, &alert.body))
            .body(alert.body.clone());
        if let Some(traceparent) = &alert.event.traceparent {
            request = request.header("traceparent", traceparent);
        }
        match request.send().await {
            Ok(response) => judged(response).await,
            Err(error) if error.is_builder() => Attempt::Refused(told(error)),
            Err(error) => Attempt::NotNow(told(error), Duration::ZERO),
        }
    }
}

/// `v1=` and the HMAC-SHA256 of the timestamp, a point and the body, in hex. The timestamp is signed too, so that
/// nobody who listened in can send it again next week.
fn signature(secret: &SecretString, timestamp: u64, body: &str) -> String {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of any length");
    hmac.update(format!("{timestamp}.").as_bytes());
    hmac.update(body.as_bytes());
    format!("v1={:x}", hmac.finalize().into_bytes())
}

/// Success is taken, what time may mend is tried again, and all else is a refusal: another try would be refused too.
async fn judged(mut response: Response) -> Attempt {
    let status = response.status();
    let may_pass = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    match status {
        _ if status.is_success() => Attempt::Taken,
        _ if may_pass => Attempt::NotNow(format!("it answered {status}"), retry_after(&response)),
        _ => {
            let text = response.chunk().await.ok().flatten().unwrap_or_default();
            let text: String = String::from_utf8_lossy(&text).chars().take(REFUSAL_CHARS_MAX).collect();
            Attempt::Refused(format!("it answered {status}: {text}"))
        }
    }
}

/// How long the other side asks us to wait, where it says so in seconds.
fn retry_after(response: &Response) -> Duration {
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(0);
    Duration::from_secs(seconds).min(RETRY_AFTER_MAX)
}

/// An error with its causes, and without the URL, which may have a token in it.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_openssl_makes_of_the_timestamp_and_the_body() {
        // printf '%s.%s' 1767225600 '{"id":"1"}' | openssl dgst -sha256 -hmac 'top secret'
        let signed = signature(&SecretString::from("top secret"), 1_767_225_600, r#"{"id":"1"}"#);
        assert_eq!(signed, "v1=18bd412841e2dc3eceedeabb4f31ab9c2eeae76ea3448569c5759b07e2d20222");
        let later = signature(&SecretString::from("top secret"), 1_767_225_601, r#"{"id":"1"}"#);
        assert_ne!(later, signed);
    }
}
