//! URLs of servers: checked without a connection, and never shown with their password.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::{Host, Url};

/// The URL of a server. What it prints is safe to log: the password is replaced by `***`.
#[derive(Clone)]
pub struct ConnectionUrl {
    whole: SecretString,
    shown: String,
    /// Whom and what it is for: the user, and the database or virtual host.
    serves: (String, String),
    /// Whether who answers there must show a certificate that is trusted.
    verifies: bool,
    /// Whether it leads to this machine alone.
    is_here: bool,
    /// Whether a password is in it.
    has_password: bool,
    /// The private keys that creditd shows who it is by.
    key_files: Vec<PathBuf>,
}

/// One service by several servers, of which one is used at a time: at least one URL, in the order in which they are
/// tried. What it prints is safe to log.
#[derive(Clone, Debug)]
pub struct ServerUrls(Vec<ConnectionUrl>);

/// Why a text is no usable URL: what is wrong with it, without any part of it that could be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

/// The parameters of a PostgreSQL URL that name files, for TLS, as PostgreSQL's own clients have them.
const POSTGRES_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];
/// Whether TLS is used, and what is verified; but for `allow`, by which the client never uses it.
const POSTGRES_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
/// The parameters of an AMQP URL that are numbers, and the most that each may be.
const AMQP_NUMBERS: [(&str, u32); 4] = [
    ("heartbeat", 65_535),
    ("channel_max", 65_535),
    ("frame_max", u32::MAX),
    ("connection_timeout", u32::MAX),
];
/// Those that name files, for TLS, as RabbitMQ's own clients have them.
const AMQP_FILES: [&str; 3] = ["cacertfile", "certfile", "keyfile"];
/// Which of PostgreSQL's and of RabbitMQ's name a private key.
const KEY_FILES: [&str; 2] = ["sslkey", "keyfile"];
/// How creditd says who it is: with a password, or by its certificate.
const AMQP_MECHANISMS: [&str; 2] = ["plain", "external"];

impl ServerUrls {
    /// The URLs in `text`, with white space between them, each as [`ConnectionUrl::postgres`] has it: one ledger, so
    /// that user and database are the same on all.
    pub fn postgres(text: &str) -> Result<Self, UrlError> {
        Self::of(text, ConnectionUrl::postgres, "user or another database")
    }

    /// The URLs in `text`, with white space between them, each as [`ConnectionUrl::amqp`] has it: one cluster, so that
    /// user and virtual host are the same on all.
    pub fn amqp(text: &str) -> Result<Self, UrlError> {
        Self::of(text, ConnectionUrl::amqp, "user or another virtual host")
    }

    fn of(
        text: &str,
        read: fn(&str) -> Result<ConnectionUrl, UrlError>,
        other: &str,
    ) -> Result<Self, UrlError> {
        let mut texts: Vec<&str> = text.split_whitespace().collect();
        if texts.is_empty() {
            texts.push(text);
        }
        let several = texts.len() > 1;
        let at = |place: usize, UrlError(what): UrlError| match several {
            true => UrlError(format!("URL {}: {what}", place + 1)),
            false => UrlError(what),
        };
        let read = |(place, text): (usize, &&str)| read(text).map_err(|error| at(place, error));
        let urls: Vec<_> = texts.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let differs = |url: &ConnectionUrl| url.serves != urls[0].serves;
        if let Some(place) = urls.iter().position(differs) {
            return wrong(format!("URL {}: found another {other} than in the first URL", place + 1));
        }
        // Whoever can keep the first one from answering could have the password sent to the other.
        if let Some(place) = urls.iter().position(|url| url.verifies != urls[0].verifies) {
            let what = "found another security than in the first URL, expected certificates to be verified on all or none";
            return wrong(format!("URL {}: {what}", place + 1));
        }
        Ok(Self(urls))
    }

    /// Whether they lead over a network on which nobody must show who they are.
    pub fn are_unverified_elsewhere(&self) -> bool {
        self.0.iter().any(|url| !url.verifies && !url.is_here)
    }

    /// Whether a password is in any of them.
    pub fn have_a_password(&self) -> bool {
        self.0.iter().any(|url| url.has_password)
    }

    /// The private keys by which creditd shows who it is, each once.
    pub fn key_files(&self) -> Vec<PathBuf> {
        let files: BTreeSet<_> = self.0.iter().flat_map(|url| url.key_files.iter().cloned()).collect();
        files.into_iter().collect()
    }

    /// The whole URLs, passwords included: for the client that connects, and for nothing else.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ConnectionUrl::expose)
    }

    /// The same as secrets, which print nothing.
    pub fn secrets(&self) -> Vec<SecretString> {
        self.0.iter().map(|url| url.whole.clone()).collect()
    }
}

impl fmt::Display for ServerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.0.iter().map(|url| url.shown.as_str()).collect();
        f.write_str(&shown.join(" "))
    }
}

impl ConnectionUrl {
    /// A PostgreSQL URL with a user, one host and a database, whose parameters the client understands.
    pub fn postgres(text: &str) -> Result<Self, UrlError> {
        let expected = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        let url = parse(text, &["postgres", "postgresql"], expected)?;
        if url.username().is_empty() {
            return wrong(format!("found no user name, expected {expected}"));
        }
        if url.host_str().is_some_and(|host| host.contains(',')) {
            return wrong(format!("found several hosts, expected a URL for each server: {expected}"));
        }
        let database = url.path().trim_start_matches('/');
        if database.is_empty() || database.contains('/') {
            return wrong(format!("found no single database name after the host, expected {expected}"));
        }
        check_postgres_security(&url)?;
        // What else is wrong the client knows. Its errors may quote anything.
        if PgConnectOptions::from_str(text).is_err() {
            return wrong(format!("user, host, port or database can't be used, expected {expected}"));
        }
        Ok(Self::of(text, url))
    }

    /// An AMQP URL with a host; its path, if any, is a virtual host.
    pub fn amqp(text: &str) -> Result<Self, UrlError> {
        let expected = "amqp://USER:PASSWORD@HOST:PORT/VHOST";
        let url = parse(text, &["amqp", "amqps"], expected)?;
        // The client takes no address in brackets, and would silently connect to localhost instead. It looks for them
        // where a password could have them.
        if matches!(url.host(), Some(Host::Ipv6(_))) || text.contains("@[") {
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
        check_amqp_security(&url)?;
        Ok(Self::of(text, url))
    }

    fn of(text: &str, mut url: Url) -> Self {
        let whole = SecretString::from(text);
        let serves = serves(&url);
        let (verifies, is_here) = (verifies(&url), is_here(&url));
        let is_key = |name: &str| KEY_FILES.contains(&name);
        let key_files = url.query_pairs().filter(|(name, _)| is_key(name));
        let key_files = key_files.map(|(_, path)| PathBuf::from(path.into_owned())).collect();
        let has_password = url.password().is_some();
        if has_password {
            url.set_password(Some("***")).expect("a URL that was parsed with a host can have a password");
        }
        Self { whole, shown: url.into(), serves, verifies, is_here, has_password, key_files }
    }

    /// The whole URL, password included: for the client that connects, and for nothing else.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }
}

/// What a PostgreSQL URL says about TLS, and that it says nothing else: the client passes over what it doesn't know, and
/// a slip could turn all verification off unseen.
fn check_postgres_security(url: &Url) -> Result<(), UrlError> {
    let known = [&["sslmode"][..], &POSTGRES_FILES].concat();
    for (name, value) in url.query_pairs() {
        let Some(name) = known.iter().find(|known| **known == name) else {
            let known = known.join(", ");
            return wrong(format!("found a parameter that has no place here, expected one of {known}"));
        };
        if url.query_pairs().filter(|(found, _)| found == name).count() > 1 {
            return wrong(format!("parameter {name}: expected once"));
        }
        if *name == "sslmode" && !POSTGRES_MODES.contains(&&*value) {
            return wrong(format!("parameter {name}: expected one of {}", POSTGRES_MODES.join(", ")));
        }
        if *name != "sslmode" && !Path::new(&*value).is_absolute() {
            return wrong(format!("parameter {name}: expected the file's path from the root (/)"));
        }
    }
    let has = |name: &str| url.query_pairs().any(|(found, _)| found == name);
    if has("sslrootcert") && !verifies(url) {
        let expected = "expected sslmode=verify-full beside it, or verify-ca, else nothing is verified";
        return wrong(format!("parameter sslrootcert: {expected}"));
    }
    if has("sslcert") != has("sslkey") {
        return wrong("parameters sslcert and sslkey: expected both or neither".to_owned());
    }
    Ok(())
}

/// Whether who answers at a URL must show a certificate that is trusted.
fn verifies(url: &Url) -> bool {
    let verifying =
        |(name, value): (Cow<'_, str>, Cow<'_, str>)| name == "sslmode" && value.starts_with("verify-");
    url.scheme() == "amqps" || url.query_pairs().any(verifying)
}

/// What an AMQP URL says about TLS and about who creditd is, and that it says nothing that has no effect: a slip
/// there could go unnoticed for long.
fn check_amqp_security(url: &Url) -> Result<(), UrlError> {
    let numbers = AMQP_NUMBERS.map(|(name, _)| name);
    for (name, value) in url.query_pairs() {
        let (name, value) = (&*name, &*value);
        match name {
            "auth_mechanism" if !AMQP_MECHANISMS.contains(&value.to_ascii_lowercase().as_str()) => {
                return wrong(format!("parameter {name}: expected {}", AMQP_MECHANISMS.join(" or ")));
            }
            "auth_mechanism" => {}
            _ if AMQP_FILES.contains(&name) => {
                if url.scheme() != "amqps" {
                    return wrong(format!("parameter {name}: is for TLS, expected amqps:// then"));
                }
                if !Path::new(value).is_absolute() {
                    return wrong(format!("parameter {name}: expected the file's path from the root (/)"));
                }
            }
            _ if numbers.contains(&name) => {}
            "verify" => {
                return wrong(
                    "parameter verify: creditd always verifies the certificate; remove it".to_owned(),
                );
            }
            _ => {
                let known = [numbers.as_slice(), &AMQP_FILES, &["auth_mechanism"]].concat().join(", ");
                return wrong(format!("found a parameter that has no effect, expected one of {known}"));
            }
        }
    }
    let has = |name: &str| url.query_pairs().any(|(found, _)| found == name);
    if has("certfile") != has("keyfile") {
        return wrong("parameters certfile and keyfile: expected both or neither".to_owned());
    }
    let by_certificate = |(name, value): (_, _)| name == "auth_mechanism" && value == "external";
    let lowercase = url.query_pairs().map(|(name, value)| (name.into_owned(), value.to_ascii_lowercase()));
    if lowercase.into_iter().any(by_certificate) && !has("certfile") {
        return wrong("parameter auth_mechanism: external needs certfile and keyfile".to_owned());
    }
    Ok(())
}

/// The user, and the database or virtual host, however they are written. A broker's default one is `/`.
fn serves(url: &Url) -> (String, String) {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let name = match url.path().trim_start_matches('/') {
        "" if url.scheme().starts_with("amqp") => "%2F",
        name => name,
    };
    (decoded(url.username()), decoded(name))
}

/// Whether a URL leads to this machine alone: by a name or address of it, or by a socket's directory.
fn is_here(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or_else(
        |_| host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().starts_with("%2f"),
        |address| address.is_loopback(),
    )
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
    if !schemes.contains(&text.split_once(':').map_or("", |(scheme, _)| scheme)) {
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
        let text = "postgres://creditd:s3cret@db.example:5433/ledger?sslmode=require";
        let url = ConnectionUrl::postgres(text).unwrap();
        assert_eq!(url.expose(), text);
        assert_eq!(url.to_string(), "postgres://creditd:***@db.example:5433/ledger?sslmode=require");
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
            ("postgres://u:s3cret@h/db?sslmode=always", "verify-full"),
            ("postgres://u:s3cret@h/db?sslmode=allow", "verify-full"),
            ("postgres://u:s3cret@h/db?ssl_mode=verify-full&sslrootcert=/ca", "has no place here"),
            ("postgres://u:s3cret@h/db?password=s3cret", "has no place here"),
            ("postgres://u:s3cret@h/db?user=postgres", "has no place here"),
            ("postgres://u:s3cret@h/db?sslmode=verify-full&sslmode=disable", "expected once"),
            ("postgres://u:s3cret@h/db?sslmode=require&sslrootcert=/ca", "nothing is verified"),
            ("postgres://u:s3cret@h/db?sslrootcert=/ca", "nothing is verified"),
            ("postgres://u:s3cret@h/db?sslmode=verify-full&sslrootcert=ca", "from the root"),
            ("postgres://u:s3cret@h/db?sslmode=verify-full&sslcert=/c", "both or neither"),
            (
                "postgres://u@h/db?sslmode=verify-full&sslcert=/c&sslkey=-----BEGIN s3cret",
                "sslkey: expected the file's path",
            ),
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
        let by_certificate = "amqps://h/v?cacertfile=/a&certfile=/b&keyfile=/c&auth_mechanism=EXTERNAL";
        for text in ["amqp://h", "amqps://u:p@h:5671/tenant", "amqp://u:p@h/%2F?heartbeat=10", by_certificate]
        {
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
            ("AMQP://u:s3cret@h", "another scheme"),
            ("amqp://u:s3cret@[@h", "IPv6"),
            ("amqp://u:s3cret@h?cacertfile=/ca.pem", "amqps://"),
            ("amqps://u:s3cret@h?cacertfile=ca.pem", "cacertfile"),
            ("amqps://u:s3cret@h?certfile=/c.pem", "both or neither"),
            ("amqps://u:s3cret@h?verify=verify_none", "always verifies"),
            ("amqps://u:s3cret@h?auth_mechanism=external", "needs certfile"),
            ("amqps://u:s3cret@h?auth_mechanism=gssapi", "plain or external"),
            ("amqps://u:s3cret@h?hartbeat=5", "no effect"),
            ("http://u:s3cret@h", "amqp:// or amqps://"),
        ];
        for (text, reason) in refused {
            let error = ConnectionUrl::amqp(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{text}: {error}");
        }
    }

    #[test]
    fn several_servers_of_one_ledger_are_several_urls() {
        let text = "postgres://u:s3cret@one/db\n  postgres://u:other@two:5433/db\n";
        let urls = ServerUrls::postgres(text).unwrap();
        assert_eq!(urls.expose().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(urls.to_string(), "postgres://u:***@one/db postgres://u:***@two:5433/db");
        assert!(!format!("{urls:?}").contains("s3cret"));
    }

    #[test]
    fn a_mistake_in_a_list_tells_its_place() {
        let refused = [
            ("postgres://u:s3cret@one/db postgres://u:s3cret@two", "URL 2: found no single database"),
            ("postgres://u:s3cret@one/db postgres://u:s3cret@two/other", "URL 2: found another user or"),
            ("postgres://u:s3cret@one/db postgres://v:s3cret@two/db", "URL 2: found another user or"),
            (" \n", "not a URL"),
        ];
        for (text, reason) in refused {
            let error = ServerUrls::postgres(text).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("s3cret"), "{text}: {error}");
        }
        let error = ServerUrls::amqp("amqp://u:p@one/a amqp://u:p@two/b").unwrap_err().to_string();
        assert!(error.contains("virtual host"), "{error}");
    }

    #[test]
    fn servers_of_one_list_may_be_written_in_several_ways() {
        for text in ["amqp://u@a amqp://u@b/%2F amqp://u@c/%2f", "postgres://u@a/db postgres://%75@b/d%62"] {
            let urls =
                if text.starts_with("amqp") { ServerUrls::amqp(text) } else { ServerUrls::postgres(text) };
            urls.unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        assert!(ServerUrls::amqp("amqp://u@a amqp://u@b/v").is_err());
    }

    #[test]
    fn a_list_is_as_safe_as_its_least_safe_member() {
        let error = ServerUrls::amqp("amqps://u:p@one amqp://u:p@two").unwrap_err().to_string();
        assert!(error.contains("URL 2: found another security"), "{error}");
        let error = ServerUrls::postgres("postgres://u@one/db postgres://u@two/db?sslmode=verify-full");
        assert!(error.unwrap_err().to_string().contains("URL 2: found another security"));
    }

    #[test]
    fn what_leads_elsewhere_unverified_is_known() {
        let unverified = |urls: Result<ServerUrls, UrlError>| urls.unwrap().are_unverified_elsewhere();
        for elsewhere in ["postgres://u@db.example/db", "postgres://u@10.0.0.1/db?sslmode=require"] {
            assert!(unverified(ServerUrls::postgres(elsewhere)), "{elsewhere}");
        }
        for fine in [
            "postgres://u@localhost/db",
            "postgres://u@[::1]/db",
            "postgres://u@%2Frun%2Fpg/db",
            "postgres://u@db.example/db?sslmode=verify-full",
        ] {
            assert!(!unverified(ServerUrls::postgres(fine)), "{fine}");
        }
        assert!(unverified(ServerUrls::amqp("amqp://u:p@mq.example")));
        assert!(!unverified(ServerUrls::amqp("amqp://u:p@127.0.0.1:5672/v")));
        assert!(!unverified(ServerUrls::amqp("amqps://u:p@mq.example")));
    }
}
