//! `creditd migrate`: makes or upgrades the ledger's schema.

use std::path::Path;

use serde_json::json;

use super::CommandError;
use super::output::{print, print_json};
use crate::config::Config;
use crate::store::schema::{self, GrantedRole};

pub(super) async fn run(config: Option<&Path>, restored: bool, as_json: bool) -> Result<(), CommandError> {
    let database = Config::load(config)?.database;
    let done = schema::migrate(&database.schema, &database.users(), restored).await?;
    if as_json {
        return print_json(&json!({
            "schema": done.schema,
            "applied": done.applied,
            "total": done.total,
            "runtime_role": done.runtime.name,
            "role_created": done.runtime.created,
            "owner_is_runtime": done.owner_is_runtime,
            "reader_role": done.reader.as_ref().map(|role| &role.name),
            "reader_created": done.reader.as_ref().map(|role| role.created),
            "era": done.era,
        }));
    }
    print(&format!("schema {}: {} migrations applied, {} in place", done.schema, done.applied, done.total))?;
    if restored {
        print(&format!(
            "era {} began: have consumers start over (`creditd events snapshot`), and upstream send again what came \
             after the backup (`creditd reconcile` tells what is missing)",
            done.era
        ))?;
    }
    let made = |role: &GrantedRole| if role.created { "was made, and " } else { "" };
    let role = &done.runtime;
    print(&match done.owner_is_runtime {
        true => format!(
            "user {} owns the tables, so nothing keeps it from changing entries; \
             set database.owner_url to separate them",
            role.name
        ),
        false => format!("user {} {}may read and add entries, not change them", role.name, made(role)),
    })?;
    match &done.reader {
        Some(role) => {
            print(&format!("user {} {}may read everything, and change nothing", role.name, made(role)))
        }
        None => Ok(()),
    }
}
