//! The mail: plain text, to people who can act.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::response::Category;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::alert::Alert;
use super::courier::Attempt;
use super::text;

/// For each exchange of lines with the server.
const SMTP_LIMIT: Duration = Duration::from_secs(10);

/// By what mails are sent, and to whom.
pub(crate) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    /// Mails by the server at this URL.
    pub(crate) fn new(server: &SecretString, from: Mailbox, to: Vec<Mailbox>) -> Result<Self, String> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server.expose_secret())
            .map_err(|error| format!("--mail-server can't be used: {error}"))?
            .timeout(Some(SMTP_LIMIT))
            .build();
        Ok(Self { transport, from, to })
    }

    /// Sends an alert once.
    pub(crate) async fn attempt(&self, alert: &Alert) -> Attempt {
        let message = match message(alert, &self.from, &self.to) {
            Ok(message) => message,
            Err(error) => return Attempt::Refused(format!("no mail can be made of it: {error}")),
        };
        match self.transport.send(message).await {
            Ok(_) => Attempt::Taken,
            Err(error) if error.is_permanent() && !is_about_us(&error) => Attempt::Refused(error.to_string()),
            Err(error) => Attempt::NotNow(error.to_string(), Duration::ZERO),
        }
    }
}

/// Whether the server refuses whoever we say we are (53x), rather than this mail: that is mended in our settings, and
/// no reason to set all alerts aside.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| code.category == Category::Unspecified3)
}

/// What people read. Its id is that of the event, so that a repetition is the same mail.
fn message(alert: &Alert, from: &Mailbox, to: &[Mailbox]) -> Result<Message, lettre::error::Error> {
    let id = format!("<{}@{}>", plain(&alert.key()), from.email.domain());
    let mut builder = Message::builder()
        .from(from.clone())
        .message_id(Some(id))
        // Nobody's holiday notice is to answer (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .subject(text::subject(alert))
        .header(ContentType::TEXT_PLAIN);
    for recipient in to {
        builder = builder.to(recipient.clone());
    }
    builder.body(text::body(alert))
}

/// What may stand in a message's id as it is; all else becomes a point.
fn plain(key: &str) -> String {
    key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::alert::tests::examples;
    use super::*;

    fn mailed(alert: &Alert) -> String {
        let from = "creditd <creditd@example.com>".parse().unwrap();
        let to = ["ann@example.com".parse().unwrap(), "bo@example.com".parse().unwrap()];
        String::from_utf8(message(alert, &from, &to).unwrap().formatted()).unwrap()
    }

    fn head(mail: &str) -> Vec<&str> {
        mail.split("\r\n\r\n").next().unwrap().lines().collect()
    }

    #[test]
    fn a_mail_has_the_events_id_and_asks_for_no_automatic_answer() {
        let alerts = examples();
        let mail = mailed(&alerts[0]);
        for line in [
            "From: creditd <creditd@example.com>",
            "To: ann@example.com, bo@example.com",
            "Message-ID: <creditd.creditd.1043@example.com>",
            "Subject: [warning] studio.north: 30 of 100 credits available",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(head(&mail).contains(&line), "{line} is not in {mail}");
        }
        // Long lines are folded on the way, and unfolded by whoever shows them.
        let text = mail.replace("=\r\n", "").replace("\r\n", "\n");
        assert!(text.ends_with(&text::body(&alerts[0])), "{mail}");
    }

    #[test]
    fn nothing_in_an_event_becomes_a_header_of_its_own() {
        let mut alert = examples().remove(0);
        let evil = "x\r\nBcc: eve@example.com\r\n\r\nhello\u{2028}";
        alert.event.id = evil.to_owned();
        alert.event.data.account_id = evil.to_owned();
        alert.event.data.severity = Some(evil.to_owned());
        let mail = mailed(&alert);
        assert!(!head(&mail).iter().any(|line| line.to_lowercase().starts_with("bcc:")), "{mail}");
        let names = |mail: &str| {
            let lines = head(mail).into_iter().filter(|line| !line.starts_with([' ', '\t']));
            lines.map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&mail), names(&mailed(&examples()[0])));
    }
}
