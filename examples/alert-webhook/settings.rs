//! What can be set: by flags, and by the environment where a flag would show a secret in the list of processes.

use std::path::PathBuf;

use clap::{ArgGroup, Parser};
use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

use super::sequence::Begin;

/// Takes creditd's alerts from RabbitMQ and turns each into a webhook, a mail, or both.
#[derive(Parser)]
#[command(name = "alert-webhook", group = ArgGroup::new("destination").required(true).multiple(true))]
pub(crate) struct Settings {
    /// amqp://user:password@host:port/vhost, or amqps:// for TLS.
    #[arg(long, env = "ALERT_BROKER_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) broker_url: SecretString,
    /// The exchange that creditd publishes to (its `broker.events_exchange`).
    #[arg(long, default_value = "creditd.events", value_name = "NAME", value_parser = name)]
    pub(crate) exchange: String,
    /// The queue of this program's own; made and bound if it is not there.
    #[arg(long, default_value = "alert-webhook", value_name = "NAME", value_parser = name)]
    pub(crate) queue: String,
    /// Where it is kept how far each account has come, and what could not be delivered.
    #[arg(long, env = "ALERT_STATE", value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Where an account begins that nothing is known of: with the first alert that is seen of it, or with its
    /// alert 1, for which later ones then wait.
    #[arg(long, value_enum, default_value_t = Begin::Seen, value_name = "WHERE")]
    pub(crate) begin: Begin,
    /// How long a destination is tried that is away or fails, before the alert is set aside.
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) give_up_after_s: u64,

    /// Posts each event here, as it was published.
    #[arg(long, value_name = "URL", group = "destination", requires = "webhook_secret_file")]
    pub(crate) webhook_url: Option<Url>,
    /// The file with the secret that signs each post. Line ends around it don't count.
    #[arg(long, env = "ALERT_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub(crate) webhook_secret_file: Option<PathBuf>,

    /// Mails each alert by this server: smtps://user:password@host, smtp://host?tls=required, or, where
    /// nobody listens in between, smtp://localhost.
    #[arg(long, env = "ALERT_MAIL_SERVER", hide_env_values = true, value_name = "URL")]
    #[arg(group = "destination", requires = "mail_from", requires = "mail_to")]
    pub(crate) mail_server: Option<SecretString>,
    /// Who sends the mails.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mail_from: Option<Mailbox>,
    /// Who gets them; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mail_to: Vec<Mailbox>,
}

/// AMQP's names are at most 255 bytes, and lapin panics on longer ones.
fn name(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(format!("it has {} bytes, and a name in RabbitMQ has 1 to 255", text.len()))
}
