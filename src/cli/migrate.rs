//! `creditd migrate`: makes or upgrades the ledger's schema.

use std::path::Path;

use secrecy::SecretString;
use serde_json::json;

use super::CommandError;
use super::output::{print, print_json};
use crate::config::Config;
use crate::store::schema;

pub(super) async fn run(config: Option<&Path>, as_json: bool) -> Result<(), CommandError> {
    let database = Config::load(config)?.database;
    let runtime = SecretString::from(database.url.expose().to_owned());
    let owner = database.owner_url.map(|url| SecretString::from(url.expose().to_owned()));
    let done = schema::migrate(&database.schema, &runtime, owner.as_ref()).await?;
    if as_json {
        return print_json(&json!({
            "schema": done.schema,
            "applied": done.applied,
            "total": done.total,
            "runtime_role": done.runtime_role,
            "role_created": done.role_created,
            "owner_is_runtime": done.owner_is_runtime,
        }));
    }
    print(&format!("schema {}: {} migrations applied, {} in place", done.schema, done.applied, done.total))?;
    let role = &done.runtime_role;
    print(&match (done.owner_is_runtime, done.role_created) {
        (true, _) => format!(
            "user {role} owns the tables, so nothing keeps it from changing entries; \
             set database.owner_url to separate them"
        ),
        (false, true) => format!("user {role} was made, and may read and add entries, not change them"),
        (false, false) => format!("user {role} may read and add entries, not change them"),
    })
}
