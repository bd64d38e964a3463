//! The servers that may have the ledger. One at a time takes writes, and which one that is can change: a standby is
//! promoted where the primary was lost.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Row};
use tracing::info;
use url::Url;

use super::{CONNECT_TIMEOUT, StoreError, TRUSTED_FOR};
use crate::tls;

/// The parameters of a URL that name files, for TLS, as PostgreSQL's own clients have them.
const POSTGRES_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// At least one server, in the order in which they are tried, and who is connected to the one that was found.
#[derive(Debug)]
pub(super) struct Servers {
    options: Vec<PgConnectOptions>,
    /// The files for TLS that the URLs name, with the parameters that do.
    files: Vec<(String, PathBuf)>,
    pools: Mutex<Vec<PgPool>>,
}

impl Servers {
    /// The servers at `urls`, each with what `with` makes of its options. Nothing is asked yet.
    pub(super) fn of(
        urls: &[SecretString],
        with: impl Fn(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<Self, StoreError> {
        let read = |url: &SecretString| Ok(with(PgConnectOptions::from_str(url.expose_secret())?));
        let options: Vec<_> = urls.iter().map(read).collect::<Result<_, StoreError>>()?;
        if options.is_empty() {
            return Err(StoreError::Schema("no server of PostgreSQL is named".to_owned()));
        }
        let files = urls.iter().flat_map(|url| files(url.expose_secret())).collect();
        Ok(Self { options, files, pools: Mutex::default() })
    }

    /// What all of them have in common, user and database, by the first.
    pub(super) fn first(&self) -> &PgConnectOptions {
        &self.options[0]
    }

    /// A pool of connections to the server that takes writes: the first until another one is found.
    pub(super) fn pool(&self, options: PgPoolOptions) -> PgPool {
        let several = self.options.len() > 1;
        let pool = options
            .acquire_timeout(CONNECT_TIMEOUT)
            // A question to a connection that was used a moment ago takes as long as what it is wanted for.
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                Box::pin(async move {
                    match meta.idle_for >= TRUSTED_FOR {
                        // Where it takes no more writes, another one does or will.
                        true if several => is_writable(connection).await,
                        true => connection.ping().await.map(|()| true),
                        false => Ok(true),
                    }
                })
            })
            .connect_lazy_with(self.first().clone());
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool.clone());
        pool
    }

    /// Looks for the first server that takes writes, where there are several, and has the pools connect to that
    /// one from now on.
    pub(super) async fn find(&self) -> Result<(), StoreError> {
        if self.options.len() == 1 {
            return Ok(());
        }
        let (options, connection) = self.connect().await?;
        connection.close().await.ok();
        for pool in &*self.pools.lock().unwrap_or_else(PoisonError::into_inner) {
            pool.set_connect_options(options.clone());
        }
        Ok(())
    }

    /// Why each of the servers that give no connection gives none. Whether they take writes is not asked.
    pub(super) async fn unreachable_ones(&self) -> Vec<StoreError> {
        let mut refusals = Vec::new();
        for options in &self.options {
            match connect(options).await {
                Ok(connection) => drop(connection.close().await),
                Err(error) => refusals.push(self.unreachable(options, error)),
            }
        }
        refusals
    }

    /// A connection of its own to the first server that takes writes; where there is but one, to that one.
    pub(super) async fn connect(&self) -> Result<(&PgConnectOptions, PgConnection), StoreError> {
        let mut refusals = Vec::new();
        for options in &self.options {
            let several = self.options.len() > 1;
            let writable = async {
                let mut connection = options.connect().await?;
                if !several || is_writable(&mut connection).await? {
                    return Ok(Some(connection));
                }
                connection.close().await?;
                Ok(None)
            };
            match in_time(writable).await {
                Ok(Some(connection)) => {
                    for refusal in refusals {
                        info!("passed over: {refusal}");
                    }
                    return Ok((options, connection));
                }
                Ok(None) => refusals.push(format!("PostgreSQL at {} only reads", address(options))),
                Err(error) if self.options.len() == 1 => return Err(self.unreachable(options, error)),
                Err(error) => refusals.push(self.unreachable(options, error).to_string()),
            }
        }
        Err(StoreError::NoneWritable(refusals))
    }

    /// No connection could be had by `options`. Where a file for TLS is at fault the client doesn't say which, and
    /// quotes what is in it: that is told by its name alone.
    pub(super) fn unreachable(&self, options: &PgConnectOptions, error: sqlx::Error) -> StoreError {
        let may_be_of_a_file =
            matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Configuration(_));
        let flaw =
            self.files.iter().filter(|_| may_be_of_a_file).find_map(|(parameter, path)| {
                match parameter.as_str() {
                    "sslkey" => tls::key(parameter, path).err(),
                    _ => tls::certificates(parameter, path).err(),
                }
            });
        let error = flaw.map_or(error, |flaw| std::io::Error::other(flaw).into());
        StoreError::Unreachable { server: address(options), error }
    }
}

/// Whether the server takes writes: it is no standby, and isn't set to read only. That a role of it is says nothing
/// about the server.
async fn is_writable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = "select not pg_is_in_recovery() and not exists (
        select from pg_settings where name = 'default_transaction_read_only' and setting = 'on'
                                  and source in ('configuration file', 'command line', 'environment variable'))";
    sqlx::query(asked).fetch_one(connection).await?.try_get(0)
}

/// Connects, or says that the server gave no answer.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    in_time(options.connect()).await
}

/// What is given up here is no more than an attempt to connect, of which no pool and no transaction knows.
async fn in_time<T>(connecting: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| {
        let what = format!("it gave no answer within {} s", CONNECT_TIMEOUT.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, what).into())
    })
}

/// The files for TLS that a URL names.
fn files(url: &str) -> Vec<(String, PathBuf)> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let of_tls = url.query_pairs().filter(|(name, _)| POSTGRES_FILES.contains(&&**name));
    of_tls.map(|(name, path)| (name.into_owned(), PathBuf::from(path.into_owned()))).collect()
}

fn address(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_default();
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}
