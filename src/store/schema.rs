//! The schema: making it, granting the daemon's role and the readers' the least that works, telling a role that may
//! do more, and refusing a schema that is older or newer than this program.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::StoreError;
use super::servers::Servers;

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
    pub runtime: GrantedRole,
    /// The role of those who only read, where there is one.
    pub reader: Option<GrantedRole>,
    /// Whether the schema belongs to the daemon's own role, so that privileges keep nothing from it.
    pub owner_is_runtime: bool,
    /// The ledger's era.
    pub era: i32,
}

/// A role that `migrate` granted what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedRole {
    /// Its name.
    pub name: String,
    /// Whether it was made now.
    pub created: bool,
}

/// As whom the server is reached, each by the URLs of the servers that may have the ledger.
#[derive(Clone, Debug)]
pub struct Users {
    /// The daemon.
    pub runtime: Vec<SecretString>,
    /// Who owns the tables; `None`: the daemon does.
    pub owner: Option<Vec<SecretString>>,
    /// Who only reads, if anybody.
    pub reader: Option<Vec<SecretString>>,
}

/// What is wrong with a daemon's role that may do more, and what to do about it.
pub const EXCESS_REMEDY: &str = "nothing but creditd itself keeps entries from being changed; give the tables an owner \
                                 of their own by database.owner_url, and run `creditd migrate`";

/// What a role may do to entries beyond reading and adding them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Everything: it is a superuser.
    Superuser,
    /// Everything: it owns them, and could switch off the trigger that keeps them.
    Owner,
    /// It was granted to change or remove them, and only the trigger keeps them.
    Granted,
    /// Everything: it owns the schema that they are in, and could remove them with it.
    SchemaOwner,
    /// Everything, in the end: it may make itself a member of whoever owns them, or run programs as the server.
    Powerful,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Excess::Superuser => "is a superuser",
            Excess::Owner => "owns the entries",
            Excess::Granted => "was granted to change or remove entries",
            Excess::SchemaOwner => "owns the schema that the entries are in, and could remove them",
            Excess::Powerful => {
                "may give itself the owner's rights, by CREATEROLE or by the server's files or programs"
            }
        })
    }
}

/// What the role of `connection` may do to entries beyond reading and adding them.
pub(super) async fn excess(connection: &mut PgConnection) -> Result<Option<Excess>, StoreError> {
    let asked = "select rolsuper, pg_has_role(current_user, relowner, 'member'),
                        has_table_privilege(entry.oid, 'update, delete, truncate, trigger')
                            or has_any_column_privilege(entry.oid, 'update'),
                        pg_has_role(current_user, nspowner, 'member'),
                        rolcreaterole and current_setting('server_version_num')::int < 160000
                            or pg_has_role(current_user, 'pg_execute_server_program', 'member')
                            or pg_has_role(current_user, 'pg_write_server_files', 'member')
                   from pg_roles, pg_class entry join pg_namespace on pg_namespace.oid = relnamespace
                  where rolname = current_user and entry.oid = 'entry'::regclass";
    let row = sqlx::query(asked).fetch_one(connection).await?;
    let found = [
        (0, Excess::Superuser),
        (1, Excess::Owner),
        (2, Excess::Granted),
        (3, Excess::SchemaOwner),
        (4, Excess::Powerful),
    ];
    for (column, excess) in found {
        if row.try_get(column)? {
            return Ok(Some(excess));
        }
    }
    Ok(None)
}

/// Makes or upgrades the schema as the owner, and grants the daemon's role and the readers', made if missing, the
/// least that works. With `restored`, the ledger was restored from a backup: it begins a new era.
pub async fn migrate(schema: &str, users: &Users, restored: bool) -> Result<Migrated, StoreError> {
    let runtime = NewRole::of(&users.runtime)?;
    let reader = users.reader.as_deref().map(NewRole::of).transpose()?;
    let servers = Servers::of(users.owner.as_deref().unwrap_or(&users.runtime), |options| {
        options.options([("search_path", schema)])
    })?;
    let owner = servers.first().get_username();
    let is_taken = |name: &&str| *name == runtime.name || *name == owner;
    if let Some(name) = reader.as_ref().map(|reader| reader.name.as_str()).filter(is_taken) {
        let why = "it would lose what it needs, or read and change";
        return Err(StoreError::Schema(format!(
            "database.reader_url names user {name}, which another URL names too: {why}; give the readers a user of \
             their own"
        )));
    }
    let owner_is_runtime = owner == runtime.name;
    let (_, mut connection) = servers.connect().await?;

    let quoted = quote(schema);
    execute(&mut connection, format!("create schema if not exists {quoted}")).await?;
    refuse_newer(applied(&mut connection).await?.as_deref().unwrap_or_default())?;
    let before = applied(&mut connection).await?.map_or(0, |list| list.len());
    MIGRATOR.run(&mut connection).await?;
    let total = applied(&mut connection).await?.map_or(0, |list| list.len());

    if restored {
        begin_era(&mut connection).await?;
    }
    let era = sqlx::query("select era from ledger").fetch_one(&mut connection).await?.try_get(0)?;

    let runtime = match owner_is_runtime {
        true => GrantedRole { name: runtime.name, created: false },
        false => granted(&mut connection, &quoted, runtime, &GRANTS).await?,
    };
    let reader = match reader {
        Some(reader) => {
            let grants = GRANTS.map(|(table, _)| (table, "select"));
            Some(granted(&mut connection, &quoted, reader, &grants).await?)
        }
        None => None,
    };
    connection.close().await?;
    let schema = schema.to_owned();
    Ok(Migrated { schema, applied: total - before, total, runtime, reader, owner_is_runtime, era })
}

/// Begins a new era of a ledger that nobody works on.
///
/// No era comes again, though the same backup be restored twice: it is not counted in what was restored alone, but by the
/// clock, in seconds since 2025. Nor does a version or an epoch, so that a daemon which still has what it knew before the
/// restoration notices: those of an era go on from the era itself, by so much that none before could come to it.
async fn begin_era(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let begun = "with next as (
                     select greatest(era + 1, extract(epoch from now() - '2025-01-01Z')::integer) as era from ledger
                 )
                 update ledger set era = next.era, version = greatest(version + 1, next.era::bigint << 32)
                   from next returning next.era";
    let era: i32 = sqlx::query(begun).fetch_one(&mut *transaction).await?.try_get(0)?;
    let taken = "update relay set epoch = greatest(epoch + 1, $1::bigint << 32), owner = null,
                                  lease_until = '-infinity', published = least(published, (select log_last from ledger))
                  where owner is null or lease_until < now()";
    if sqlx::query(taken).bind(era).execute(&mut *transaction).await?.rows_affected() == 0 {
        let what = "a daemon publishes this ledger's events; stop all daemons of it first, or wait ten seconds if \
                    none is left";
        return Err(StoreError::Schema(what.to_owned()));
    }
    transaction.commit().await?;
    Ok(())
}

/// A role as its URLs have it: they name the same one, and it is made on one server with the first one's password.
struct NewRole {
    name: String,
    password: Option<String>,
}

impl NewRole {
    fn of(urls: &[SecretString]) -> Result<Self, StoreError> {
        let url = urls.first().map(ExposeSecret::expose_secret).unwrap_or_default();
        let name = PgConnectOptions::from_str(url)?.get_username().to_owned();
        Ok(Self { name, password: password_of(url) })
    }
}

/// Makes the role if it is missing, and grants it nothing but `grants`.
async fn granted(
    connection: &mut PgConnection,
    schema: &str,
    role: NewRole,
    grants: &[(&str, &str)],
) -> Result<GrantedRole, StoreError> {
    let NewRole { name, password } = role;
    let created = create_role(connection, &name, password).await?;
    grant(connection, schema, &quote(&name), grants).await?;
    Ok(GrantedRole { name, created })
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

async fn grant(
    connection: &mut PgConnection,
    schema: &str,
    role: &str,
    grants: &[(&str, &str)],
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, format!("revoke create on schema {schema} from {role}")).await?;
    execute(&mut transaction, format!("grant usage on schema {schema} to {role}")).await?;
    for (table, privileges) in grants {
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
