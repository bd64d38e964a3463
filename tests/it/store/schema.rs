//! `migrate`, what the daemon's role may do, and ledgers beside each other.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::support::{Message, World, blocking};

/// How PostgreSQL refuses a statement of who connects by `url`: the SQLSTATE, the message and the hint. The
/// statement is undone where it is not refused.
pub(super) fn refusal(url: &str, statement: &str) -> Option<(String, String, String)> {
    blocking(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let statement = AssertSqlSafe(format!("set local search_path = creditd; {statement}"));
        let error = sqlx::raw_sql(statement).execute(&mut *transaction).await.err()?;
        let refusal = error.as_database_error().unwrap().downcast_ref::<PgDatabaseError>();
        let hint = refusal.hint().unwrap_or_default().to_owned();
        Some((refusal.code().to_owned(), refusal.message().to_owned(), hint))
    })
}

pub(super) const PRIVILEGE: &str = "42501";

/// An entry that PostgreSQL has no reason to refuse.
pub(super) const INSERT_ENTRY: &str =
    "insert into entry (log_number, account_id, sequence, at, kind, from_side, to_side,
        credits, total, held, consumed, cause_source, cause_id, cause_type, layout, digest)
    values (1, 'a', 1, now(), 'plan', 'outside', 'available', 5, 5, 0, 0, '/test', '1', 't', 1,
        decode(repeat('00', 32), 'hex'))";

#[test]
fn the_daemons_role_can_read_and_add_entries_and_remove_only_what_retention_does() {
    let world = World::new();
    let allowed = [
        INSERT_ENTRY,
        "select * from entry",
        "select * from notice",
        "select * from parked",
        "delete from notice",
        "delete from inbox",
        "delete from parked",
    ];
    for allowed in allowed {
        assert_eq!(refusal(&world.database_url, allowed), None, "{allowed}");
    }
    let refused = [
        "update entry set credits = 1",
        "delete from entry",
        "truncate entry",
        "update notice set body = '{}'",
        "truncate notice",
        "delete from account",
        "delete from project",
        "delete from organization",
        "delete from ledger",
        "delete from retention",
        "insert into retention default values",
        "insert into ledger default values",
        "delete from relay",
        "truncate account, project, inbox, parked",
        "insert into _sqlx_migrations select * from _sqlx_migrations",
        "update _sqlx_migrations set success = false",
        "delete from _sqlx_migrations",
        "drop table entry",
        "alter table entry disable trigger all",
        "alter table entry add column more text",
        "drop trigger entries_are_append_only on entry",
        "drop function refuse_to_change_entries() cascade",
        "create or replace function refuse_to_change_entries() returns trigger language plpgsql
            as 'begin return null; end'",
        "create table more (id int)",
        "drop schema creditd cascade",
        "set local session_replication_role = replica",
        "set local role creditd_owner",
    ];
    for statement in refused {
        let (code, message, _) = refusal(&world.database_url, statement)
            .unwrap_or_else(|| panic!("the daemon's role is allowed to {statement}"));
        assert_eq!(code, PRIVILEGE, "{statement}: {message}");
    }
}

#[test]
fn the_owners_slips_are_stopped_by_the_trigger_which_says_what_to_do_instead() {
    let world = World::new();
    for statement in ["update entry set credits = credits", "delete from entry", "truncate entry"] {
        let statement = format!("{INSERT_ENTRY}; {statement}");
        let (code, message, hint) = refusal(&world.owner_url, &statement).expect("it is refused");
        assert_eq!(code, "23000", "{message}");
        assert!(message.starts_with("entries are append-only:"), "{message}");
        assert!(hint.contains("credits.adjusted"), "{hint}");
    }
}

#[test]
fn a_second_migrate_changes_nothing_and_says_so() {
    let world = World::unmigrated();
    let (code, said) = world.failure(&["account", "list"]);
    assert_eq!(code, 1);
    assert!(said.contains("there is no ledger in schema \"creditd\": run `creditd migrate` first"), "{said}");

    let first = world.json(&["migrate"]);
    assert_eq!(first["schema"], "creditd");
    assert_eq!(first["applied"], first["total"]);
    assert_eq!(first["owner_is_runtime"], false);
    let second = world.json(&["migrate"]);
    assert_eq!(second["applied"], 0);
    assert_eq!(second["total"], first["total"]);
    assert_eq!(second["role_created"], false);
    let said = world.text(&["migrate"]);
    let total = &first["total"];
    assert!(said.contains(&format!("schema creditd: 0 migrations applied, {total} in place")), "{said}");
    assert!(said.contains("user creditd may read and add entries, not change them"), "{said}");
}

/// A world whose daemon's user is another one, not made yet.
fn with_runtime_user(user: &str, encoded_password: &str) -> World {
    let mut world = World::unmigrated();
    let address = world.database_url.rsplit_once('@').unwrap().1.to_owned();
    world.database_url = format!("postgres://{user}:{encoded_password}@{address}");
    world.set("CREDITD__DATABASE__URL", &world.database_url.clone());
    world
}

#[test]
fn migrate_makes_the_daemons_role_with_the_urls_password_and_keeps_one_that_exists() {
    let user = format!("runtime_{}", fastrand::u32(..));
    let mut world = with_runtime_user(&user, "p%40ss%20%25%27%5C%22wo%2Frd%3A");
    assert_eq!(world.json(&["migrate"])["role_created"], true);
    assert_eq!(world.json(&["account", "list"]), json!([]), "the password is the role's");

    let right = world.database_url.clone();
    let wrong = right.replace("wo%2Frd", "other");
    world.set("CREDITD__DATABASE__URL", &wrong);
    let again = world.json(&["migrate"]);
    assert_eq!((&again["role_created"], &again["runtime_role"]), (&json!(false), &json!(user)));
    let (code, said) = world.failure(&["account", "list"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&format!("password authentication failed for user \"{user}\"")), "{said}");
    world.set("CREDITD__DATABASE__URL", &right);
    assert_eq!(world.json(&["account", "list"]), json!([]), "the role has its first password still");
}

#[test]
fn a_role_that_another_migrate_makes_at_the_same_moment_is_kept() {
    let user = format!("shared_{}", fastrand::u32(..));
    let world = with_runtime_user(&user, "secret");
    let mut command = world.command(&["migrate", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = blocking(async {
        let mut other = PgConnection::connect(&world.superuser_url).await.unwrap();
        let mut onlooker = PgConnection::connect(&world.superuser_url).await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        let create = AssertSqlSafe(format!("create role {user} login password 'secret'"));
        sqlx::raw_sql(create).execute(&mut *transaction).await.unwrap();
        let migrating = command.spawn().unwrap();
        let waiting = "select exists (select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query like 'create role%')";
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut onlooker).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        transaction.commit().await.unwrap();
        migrating.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(done["role_created"], false);
    assert_eq!(world.json(&["account", "list"]), json!([]));
}

#[test]
fn without_an_owner_migrate_says_that_nothing_keeps_the_user_from_changing_entries() {
    let mut world = World::unmigrated();
    world.set("CREDITD__DATABASE__URL", &world.owner_url.clone());
    world.set("CREDITD__DATABASE__OWNER_URL", "");
    let said = world.text(&["migrate"]);
    assert!(said.contains("owns the tables, so nothing keeps it from changing entries"), "{said}");
    assert!(said.contains("set database.owner_url"), "{said}");
    assert_eq!(world.json(&["migrate"])["owner_is_runtime"], true);
}

#[test]
fn a_schema_of_another_version_is_refused_with_what_to_do() {
    let world = World::new();
    world.as_superuser(
        "insert into creditd._sqlx_migrations (version, description, success, checksum, execution_time)
         values (99990101000000, 'from the future', true, '\\x00', 1)",
    );
    for command in [&["account", "list"][..], &["migrate"], &["run"]] {
        let (code, said) = world.failure(command);
        assert_eq!(code, 1, "{command:?}: {said}");
        assert!(said.contains("the schema is newer than this program"), "{command:?}: {said}");
        assert!(said.contains("use the version that made it, or a later one"), "{command:?}: {said}");
    }
    world.as_superuser("delete from creditd._sqlx_migrations");
    for command in [&["account", "list"][..], &["run"]] {
        let (code, said) = world.failure(command);
        assert_eq!(code, 1, "{command:?}: {said}");
        assert!(said.contains("is older than this program"), "{command:?}: {said}");
        assert!(said.contains("run `creditd migrate`"), "{command:?}: {said}");
    }
}

#[test]
fn two_ledgers_in_one_database_do_not_disturb_each_other() {
    let default = World::new();
    let other = default.beside("north_2");
    other.migrate();
    let (first, second) = (default.daemon(), other.daemon());
    let account = |capacity| Message::account("a", "studio", 1, json!({ "capacity": capacity }));
    default.publish(&[account(100), Message::project("p", "brief", "studio", 1, "started", 30)]);
    other.publish(&[account(500), Message::project("p", "brief", "studio", 1, "started", 300)]);
    default.wait_for_messages(&["p"]);
    other.wait_for_messages(&["p"]);
    other.publish(&[Message::project("p2", "brief", "studio", 2, "finalized", 300)]);
    other.wait_for_messages(&["p2"]);

    assert_eq!(default.balance("studio"), Some((100, 30, 0, 70)));
    assert_eq!(other.balance("studio"), Some((500, 0, 0, 500)));
    let (code, _) = default.failure(&["explain", "message", "/test", "p2"]);
    assert_eq!(code, 1, "what one ledger took, the other does not know");
    let mut logs = [&default, &other].map(|world| world.json(&["verify"])["entries"].as_u64().unwrap());
    logs.sort_unstable();
    assert_eq!(logs, [2, 3]);
    assert!(first.stop().success());
    assert!(second.stop().success());
}
