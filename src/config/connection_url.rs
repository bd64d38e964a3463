//! URLs of servers: checked without a connection, and never shown with their password.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::{Host, Url};

/// The URL of a server. What it prints is safe to log: the password is replaced by `***`.
#[derive(Clone)]
pub struct ConnectionUrl {
    whole: SecretString,
    shown: String,
}

/// Why a text is no usable URL: what is wrong with it, without any part of it that could be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

/// The parameters of an AMQP URL that are numbers, and the most that each may be.
const AMQP_NUMBERS: [(&str, u32); 4] = [
    ("heartbeat", 65_535),
    ("channel_max", 65_535),
    ("frame_max", u32::MAX),
    ("connection_timeout", u32::MAX),
];

impl ConnectionUrl {
    /// A PostgreSQL URL with a user, one host and a database, whose parameters the client understands.
    pub fn postgres(text: &str) -> Result<Self, UrlError> {
        let expected = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        let url = parse(text, &["postgres", "postgresql"], expected)?;
        if url.username().is_empty() {
            return wrong(format!("found no user name, expected {expected}"));
        }
        if url.host_str().is_some_and(|host| host.contains(',')) {
            return wrong(format!("found several hosts, expected one: {expected}"));
        }
        let database = url.path().trim_start_matches('/');
        if database.is_empty() || database.contains('/') {
            return wrong(format!("found no single database name after the host, expected {expected}"));
        }
        // sslmode and its like are the client's to judge. Its errors quote parameters, but no password.
        if let Err(error) = PgConnectOptions::from_str(text) {
            let reason = error.to_string().replace("error with configuration: ", "");
            return wrong(format!("a parameter after the ? can't be used: {reason}"));
        }
        Ok(Self::of(text, url))
    }

    /// An AMQP URL with a host; its path, if any, is a virtual host.
    pub fn amqp(text: &str) -> Result<Self, UrlError> {
        let expected = "amqp://USER:PASSWORD@HOST:PORT/VHOST";
        let url = parse(text, &["amqp", "amqps"], expected)?;
        // The client takes no address in brackets, and would silently connect to localhost instead.
        if matches!(url.host(), Some(Host::Ipv6(_))) {
            return wrong("found an IPv6 address, expected a host name or an IPv4 address".to_owned());
        }
        // To the client a lone slash is the virtual host with the empty name, which hardly anyone has.
        let virtual_host = url.path().strip_prefix('/');
        if virtual_host.is_some_and(|name| name.is_empty() || name.contains('/')) {
            let ways = "nothing for the default virtual host, or one name with each / in it written %2F";
            return wrong(format!("found a bare / after the host, expected {ways}"));
        }
        for (parameter, most) in AMQP_NUMBERS {
            let value = url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value);
            if value.is_some_and(|value| value.parse::<u32>().map_or(true, |number| number > most)) {
                return wrong(format!("parameter {parameter}: expected a whole number, 0 to {most}"));
            }
        }
        Ok(Self::of(text, url))
    }

    fn of(text: &str, mut url: Url) -> Self {
        let whole = SecretString::from(text);
        if url.password().is_some() {
            url.set_password(Some("***")).expect("a URL that was parsed with a host can have a password");
        }
        let without_secret = |(name, value): (String, String)| {
            let shown = if is_secret(&name) { "***".to_owned() } else { value };
            (name, shown)
        };
        let parameters: Vec<_> = url.query_pairs().into_owned().map(without_secret).collect();
        if !parameters.is_empty() {
            url.query_pairs_mut().clear().extend_pairs(parameters);
        }
        Self { whole, shown: url.into() }
    }

    /// The whole URL, password included: for the client that connects, and for nothing else.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }
}

/// PostgreSQL's client takes a password as a parameter too.
fn is_secret(parameter: &str) -> bool {
    parameter.to_ascii_lowercase().contains("pass")
}

fn parse(text: &str, schemes: &[&str], expected: &str) -> Result<Url, UrlError> {
    // The parser's errors are fixed sentences and quote nothing.
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            let hint = "in a user name or password, write @ : / ? # % as %40 %3A %2F %3F %23 %25";
            return wrong(format!("not a URL: {error}; expected {expected} ({hint})"));
        }
    };
    if !schemes.contains(&url.scheme()) {
        return wrong(format!("found another scheme, expected {}://", schemes.join(":// or ")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return wrong(format!("found no host, expected {expected}"));
    }
    if url.fragment().is_some() {
        return wrong(format!("found a #, which must be written %23 in a password; expected {expected}"));
    }
    Ok(url)
}

fn wrong<T>(what: String) -> Result<T, UrlError> {
    Err(UrlError(what))
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_shows_user_host_and_database_but_no_password() {
        let text = "postgres://creditd:s3cret@db.example:5433/ledger?sslmode=require&password=s3cret";
        let url = ConnectionUrl::postgres(text).unwrap();
        assert_eq!(url.expose(), text);
        assert_eq!(
            url.to_string(),
            "postgres://creditd:***@db.example:5433/ledger?sslmode=require&password=***"
        );
        assert!(!format!("{url:?}").contains("s3cret"));
    }

    #[test]
    fn a_url_that_cannot_work_is_refused_without_its_password() {
        let refused = [
            ("postgres://u:s3cret@h", "database"),
            ("postgres://u:s3cret@h/", "database"),
            ("postgres://u:s3cret@h/a/b", "database"),
            ("postgres://:s3cret@h/db", "user name"),
            ("postgres://u:s3cret@h1,h2/db", "several hosts"),
            ("postgres://u:s3cret#@h/db", "%23"),
            ("postgres://u:s3cret@h/db#s3cret", "%23"),
            ("postgres://u:s3cret/@h/db", "not a URL"),
            ("postgres://u:s3cret@h/db?sslmode=always", "\"always\""),
            ("mysql://u:s3cret@h/db", "postgres:// or postgresql://"),
            ("u:s3cret", "another scheme"),
            ("s3cret", "not a URL"),
            ("", "not a URL"),
        ];
        for (text, reason) in refused {
            let error = ConnectionUrl::postgres(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{text}: {error}");
        }
    }

    #[test]
    fn both_names_of_each_scheme_are_known() {
        for text in ["postgres://u@h/db", "postgresql://u:p@h:5432/db", "postgres://u@%2Frun%2Fpg/db"] {
            ConnectionUrl::postgres(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for text in ["amqp://h", "amqps://u:p@h:5671/tenant", "amqp://u:p@h/%2F?heartbeat=10"] {
            ConnectionUrl::amqp(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn broker_urls_that_the_client_would_misread_are_refused() {
        let refused = [
            ("amqp://u:s3cret@h/", "%2F"),
            ("amqp://u:s3cret@h//", "%2F"),
            ("amqp://u:s3cret@h/a/b", "%2F"),
            ("amqp://u:s3cret@[::1]:5672", "IPv6"),
            ("amqp://u:s3cret@h?heartbeat=often", "heartbeat"),
            ("http://u:s3cret@h", "amqp:// or amqps://"),
        ];
        for (text, reason) in refused {
            let error = ConnectionUrl::amqp(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{text}: {error}");
        }
    }
}
