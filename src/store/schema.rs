//! The schema: making it, granting the daemon's role the least that works, and refusing one that is older
//! or newer than this program.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::{StoreError, connect, unreachable};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// What the daemon's role may do, table by table.
///
/// Entries can only be read and added: they are the ledger. Notices can't be changed either; retention removes
/// them, and old rows of `inbox` and `parked`. The rows of the ledger, the relay and retention are there already.
const GRANTS: [(&str, &str); 15] = [
    ("ledger", "select, update"),
    ("relay", "select, update"),
    ("retention", "select, update"),
    ("organization", "select, insert, update"),
    ("account", "select, insert, update"),
    ("project", "select, insert, update"),
    ("credit_grant", "select, insert, update"),
    ("price_list", "select, insert, update"),
    ("asset", "select, insert"),
    ("entry", "select, insert"),
    ("notice", "select, insert, delete"),
    ("inbox", "select, insert, update, delete"),
    ("parked", "select, insert, update, delete"),
    ("suspect", "select, insert, update, delete"),
    ("_sqlx_migrations", "select"),
];

/// What `migrate` found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema.
    pub schema: String,
    /// Migrations that were applied now.
    pub applied: usize,
    /// Migrations that are in place.
    pub total: usize,
    /// The daemon's role.
    pub runtime_role: String,
    /// Whether that role was made now.
    pub role_created: bool,
    /// Whether the schema belongs to the daemon's own role, so that privileges keep nothing from it.
    pub owner_is_runtime: bool,
}

/// Makes or upgrades the schema as `owner_url`, else as `runtime_url`, and grants the role of `runtime_url`,
/// made if missing, the least that works.
pub async fn migrate(
    schema: &str,
    runtime_url: &SecretString,
    owner_url: Option<&SecretString>,
) -> Result<Migrated, StoreError> {
    let runtime = PgConnectOptions::from_str(runtime_url.expose_secret())?;
    let runtime_role = runtime.get_username().to_owned();
    let owner = PgConnectOptions::from_str(owner_url.unwrap_or(runtime_url).expose_secret())?;
    let owner_is_runtime = owner.get_username() == runtime_role;
    let owner = owner.options([("search_path", schema)]);
    let mut connection = connect(&owner).await.map_err(|error| unreachable(&owner, error))?;

    let quoted = quote(schema);
    execute(&mut connection, format!("create schema if not exists {quoted}")).await?;
    refuse_newer(applied(&mut connection).await?.as_deref().unwrap_or_default())?;
    let before = applied(&mut connection).await?.map_or(0, |list| list.len());
    MIGRATOR.run(&mut connection).await?;
    let total = applied(&mut connection).await?.map_or(0, |list| list.len());

    let password = password_of(runtime_url.expose_secret());
    let role_created = !owner_is_runtime && create_role(&mut connection, &runtime_role, password).await?;
    if !owner_is_runtime {
        grant(&mut connection, &quoted, &quote(&runtime_role)).await?;
    }
    connection.close().await?;
    let schema = schema.to_owned();
    Ok(Migrated { schema, applied: total - before, total, runtime_role, role_created, owner_is_runtime })
}

/// Refuses a schema that is missing, older or newer than this program, and says what to do.
pub(super) async fn check(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    let Some(applied) = applied(connection).await? else {
        let hint = "run `creditd migrate` first, or check database.schema and the role's rights";
        return Err(StoreError::Schema(format!("there is no ledger in schema {schema:?}: {hint}")));
    };
    refuse_newer(&applied)?;
    let missing = MIGRATOR.iter().filter(|known| !applied.contains(&known.version)).count();
    if missing > 0 {
        return Err(StoreError::Schema(format!(
            "schema {schema:?} is older than this program: {missing} of its migrations are missing; \
             stop all daemons of this ledger and run `creditd migrate`"
        )));
    }
    Ok(())
}

fn refuse_newer(applied: &[i64]) -> Result<(), StoreError> {
    let unknown = |version: &&i64| !MIGRATOR.iter().any(|known| known.version == **version);
    match applied.iter().find(unknown) {
        None => Ok(()),
        Some(version) => Err(StoreError::Schema(format!(
            "the schema is newer than this program: it has migration {version}, which creditd {} does not \
             know; use the version that made it, or a later one",
            env!("CARGO_PKG_VERSION")
        ))),
    }
}

/// The versions of the migrations that are in place; `None` where there is no ledger that this role sees.
async fn applied(connection: &mut PgConnection) -> Result<Option<Vec<i64>>, StoreError> {
    let exists = "select to_regclass('_sqlx_migrations') is not null";
    let exists: bool = sqlx::query(exists).fetch_one(&mut *connection).await?.try_get(0)?;
    if !exists {
        return Ok(None);
    }
    let rows = sqlx::query("select version from _sqlx_migrations where success order by version");
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok(Some(row.try_get::<i64, _>(0)?))).collect()
}

async fn create_role(
    connection: &mut PgConnection,
    role: &str,
    password: Option<String>,
) -> Result<bool, StoreError> {
    let exists = "select exists (select from pg_roles where rolname = $1)";
    if sqlx::query(exists).bind(role).fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(false);
    }
    let password = password.map_or_else(String::new, |password| format!(" password {}", literal(&password)));
    // `log_statement` could write the password to the server's log.
    execute(connection, "set log_statement = 'none'".to_owned()).await.ok();
    match execute(connection, format!("create role {} login{password}", quote(role))).await {
        Ok(()) => Ok(true),
        // Roles are the whole server's: the migrate of another ledger made it since we looked.
        Err(error) if error.is_duplicate() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn grant(connection: &mut PgConnection, schema: &str, role: &str) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, format!("grant usage on schema {schema} to {role}")).await?;
    for (table, privileges) in GRANTS {
        execute(&mut transaction, format!("revoke all on {schema}.{table} from {role}")).await?;
        execute(&mut transaction, format!("grant {privileges} on {schema}.{table} to {role}")).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), StoreError> {
    // Names can't be bound as parameters; every one that gets here is quoted by `quote` or `literal`.
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    // E'' reads backslashes the same way whatever standard_conforming_strings says.
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The password of a URL that sqlx has read before.
fn password_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1;
    let userinfo = authority.split('/').next()?.rsplit_once('@')?.0;
    let password = userinfo.split_once(':')?.1;
    Some(decode_percent(password))
}

fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = match after {
            [high, low, ..] if first == b'%' => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_from_its_url_as_it_was_meant() {
        let read = |url| password_of(url).unwrap();
        assert_eq!(read("postgres://creditd:s3cret@db/creditd"), "s3cret");
        assert_eq!(read("postgres://creditd:a%40b%25%27c@db:5432/creditd"), "a@b%'c");
        assert_eq!(read("postgres://creditd:100%@db/creditd"), "100%");
        assert_eq!(password_of("postgres://creditd@db/creditd"), None);
    }

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        assert_eq!(quote("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(literal("it's \\"), "E'it''s \\\\'");
    }
}
