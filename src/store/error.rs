//! What can go wrong with PostgreSQL, sorted by what is to be done about it.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use crate::tls;

/// What to do about an error of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The server is away or out of means: keep what is in hand, wait, try again.
    Wait,
    /// This transaction lost against another: try it again.
    Retry,
    /// What a message leads to is refused: find the message and park it.
    Bisect,
    /// Trying again would not help: the schema or the program is wrong. Stop and say so.
    Stop,
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An error of the database or of the way to it.
    #[error("{}", describe_alone(.0))]
    Database(#[source] sqlx::Error),
    /// No connection could be had.
    #[error("PostgreSQL at {server}: {}", describe(.error))]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What came of it.
        #[source]
        error: sqlx::Error,
    },
    /// Of several servers none takes writes.
    #[error("no server takes writes: {}", .0.join("; "))]
    NoneWritable(
        /// What came of each.
        Vec<String>,
    ),
    /// What was decided without the ledger's lock was not written: another transaction came first, or it needs the
    /// lock.
    #[error("the ledger changed before what was decided could be written; it is decided again")]
    Overtaken,
    /// A migration failed.
    #[error("the schema could not be migrated: {0}")]
    Migrate(#[from] MigrateError),
    /// The schema is not what this program needs.
    #[error("{0}")]
    Schema(String),
    /// A stored row can't be read.
    #[error("a row of {table} can't be read ({column}: {what}); run `creditd verify`")]
    Row {
        /// In which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::Database(error)
    }
}

impl StoreError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            StoreError::Database(error) | StoreError::Unreachable { error, .. } => remedy(error),
            StoreError::NoneWritable(_) => Remedy::Wait,
            StoreError::Overtaken => Remedy::Retry,
            StoreError::Migrate(_) | StoreError::Schema(_) | StoreError::Row { .. } => Remedy::Stop,
        }
    }

    /// Whether something of that name or key is there already.
    pub(super) fn is_duplicate(&self) -> bool {
        let StoreError::Database(error) = self else { return false };
        let code = error.as_database_error().and_then(DatabaseError::code);
        matches!(code.as_deref(), Some("42710" | "23505"))
    }

    /// Whether the server ended a statement that took longer than one may.
    pub fn is_out_of_time(&self) -> bool {
        let StoreError::Database(error) = self else { return false };
        let code = error.as_database_error().and_then(DatabaseError::code);
        code.as_deref() == Some("57014")
    }

    /// Whether the schema, or what this role may do in it, is not what this program needs: no message is at fault.
    pub fn is_of_the_schema(&self) -> bool {
        match self {
            StoreError::Migrate(_) | StoreError::Schema(_) => true,
            StoreError::Database(error) | StoreError::Unreachable { error, .. } => {
                let code = error.as_database_error().and_then(DatabaseError::code);
                code.is_some_and(|code| code.starts_with("42") || code.starts_with("3F"))
            }
            StoreError::NoneWritable(_) | StoreError::Overtaken | StoreError::Row { .. } => false,
        }
    }

    /// Whether the server can't be reached or can't serve.
    pub fn is_away(&self) -> bool {
        self.remedy() == Remedy::Wait
    }
}

/// By SQLSTATE: classes 22, 23 and 54 are the message's fault, lost races are tried again, class 42 is a schema
/// that doesn't fit, and whatever is left is a server that is away or in trouble.
fn remedy(error: &sqlx::Error) -> Remedy {
    let code = error.as_database_error().and_then(DatabaseError::code);
    match code.as_deref() {
        Some("40001" | "40P01" | "55P03" | "57014") => Remedy::Retry,
        Some(code) if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Remedy::Bisect,
        // Wrong password, no such role, no such database: an operator may be about to mend it.
        Some(code) if code.starts_with("28") || code.starts_with("3D") => Remedy::Wait,
        Some(code) if code.starts_with("42") || code.starts_with("3F") => Remedy::Stop,
        Some(_) => Remedy::Wait,
        None => match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            // A file for TLS that can't be read, and may be about to be written.
            | sqlx::Error::Configuration(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Remedy::Wait,
            _ => Remedy::Stop,
        },
    }
}

/// The same where nobody says which server it is about.
fn describe_alone(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => format!("PostgreSQL: {}", describe(error)),
        sqlx::Error::Io(error) if tls::cause(error).is_none() => format!("lost PostgreSQL: {error}"),
        other => describe(other),
    }
}

fn describe(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(refusal) => {
            let code = refusal.code().unwrap_or_default().into_owned();
            format!("PostgreSQL says: {} (SQLSTATE {code})", refusal.message())
        }
        None => match error {
            sqlx::Error::PoolTimedOut => "no connection could be had in time".to_owned(),
            sqlx::Error::Io(error) => match tls::cause(error) {
                Some(cause) => describe_tls(cause),
                None => error.to_string(),
            },
            sqlx::Error::Tls(error) => match error.downcast_ref() {
                Some(cause) => describe_tls(cause),
                None if error.is::<rustls::pki_types::pem::Error>() => UNUSABLE_FILES.to_owned(),
                None => format!("TLS: {error}"),
            },
            // What is wrong with a file for TLS quotes the file, which may be a key.
            sqlx::Error::Configuration(_) => UNUSABLE_FILES.to_owned(),
            other => other.to_string(),
        },
    }
}

const UNUSABLE_FILES: &str = "a certificate or a key that the URL names can't be used";

fn describe_tls(error: &rustls::Error) -> String {
    match tls::certificate_flaw(error, "sslrootcert in the URL") {
        Some(flaw) => format!("it shows a certificate that cannot be trusted: {flaw}"),
        None => format!("TLS: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_way_to_the_server_is_waited_out() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(StoreError::from(sqlx::Error::Io(refused)).is_away());
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_away());
    }

    #[test]
    fn every_error_of_the_way_to_the_server_names_it() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for error in [sqlx::Error::PoolTimedOut, sqlx::Error::Io(reset)] {
            let told = StoreError::from(error).to_string();
            assert!(told.contains("PostgreSQL"), "{told}");
        }
    }

    #[test]
    fn an_error_of_the_program_stops_it() {
        let error = StoreError::from(sqlx::Error::ColumnNotFound("x".into()));
        assert_eq!(error.remedy(), Remedy::Stop);
    }
}
