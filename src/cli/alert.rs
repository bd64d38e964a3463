//! `creditd alert`: what is raised, by which rules, and whether alerts arrive.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::credits::Whose;
use super::giver::Unexplained;
use super::giving::give;
use super::output::{Column, print, print_json, table};
use super::{CommandError, account, document, open_store, organization};
use crate::config::Config;
use crate::contract::arguments;
use crate::ledger::alert::{Rule, Severity};
use crate::ledger::ids::AccountId;
use crate::ledger::input::{AccountFact, AlertTest, Existence, Fact, OrganizationFact};
use crate::ledger::notice::SubjectKind;
use crate::store::{RaisedFilter, RaisedRow, RulesOf, RulesRow, Store};

/// How many subjects of an alert the table names.
const SUBJECTS_SHOWN: usize = 3;

#[derive(Subcommand)]
pub(super) enum AlertCommand {
    /// What is raised now.
    List {
        /// Only for this account; a pool's id is pool: and its organization's id.
        #[arg(long)]
        account: Option<String>,
        /// Only for this organization's pool and accounts.
        #[arg(long)]
        organization: Option<String>,
        /// Only what is this urgent.
        #[arg(long, value_parser = parse_severity)]
        severity: Option<Severity>,
        /// Only what this rule raised.
        #[arg(long, value_name = "RULE")]
        rule: Option<String>,
    },
    /// Which rules are in force, and where they come from; without an account or organization, all lists.
    Rules(RulesArgs),
    /// Have an alert about an account told that is none, to see whether alerts arrive.
    Test {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        how: Unexplained,
    },
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    command: Option<RulesCommand>,
    /// The rules of this account; a pool's id is pool: and its organization's id.
    #[arg(value_name = "ACCOUNT", conflicts_with = "organization")]
    account: Option<String>,
    /// The rules of this organization's accounts and pool, as far as they have none of their own.
    #[arg(long)]
    organization: Option<String>,
}

#[derive(Subcommand)]
enum RulesCommand {
    /// Give an account or an organization rules of its own, in place of all that it has or inherits.
    Set {
        #[command(flatten)]
        whose: Whose,
        /// A list of rules: in JSON, or in TOML (as `rules`) if the file's name ends in .toml.
        #[arg(long, value_name = "FILE")]
        from_file: PathBuf,
        #[command(flatten)]
        how: Unexplained,
    },
}

pub(super) async fn run(
    command: AlertCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    match command {
        AlertCommand::List { account, organization, severity, rule } => {
            let store = open_store(config).await?;
            if let Some(account) = &account {
                account::known(&store, account).await?;
            }
            if let Some(organization) = &organization {
                organization::known(&store, organization).await?;
            }
            let (account, organization) = (account.as_deref(), organization.as_deref());
            let rule = rule.as_deref();
            let filter = RaisedFilter { account, organization, severity, rule, after: None };
            let raised = store.look().await?.raised(&filter, i64::MAX).await?;
            if json { print_json(&raised) } else { print(&list(&raised)) }
        }
        AlertCommand::Rules(RulesArgs { command: Some(command), .. }) => {
            let RulesCommand::Set { whose, from_file, how } = command;
            let fact = rules_fact(whose.account_id(), &from_file)?;
            give(&how.giver()?, Existence::Known, fact, config, json).await?;
            Ok(())
        }
        AlertCommand::Rules(RulesArgs { command: None, account, organization }) => {
            let lists = lists(account.as_deref(), organization.as_deref(), config).await?;
            if json { print_json(&lists) } else { print(&rules(&lists)) }
        }
        AlertCommand::Test { whose, how } => {
            let fact = Fact::AlertTested(AlertTest { account_id: whose.account_id() });
            give(&how.giver()?, Existence::Known, fact, config, json).await?;
            Ok(())
        }
    }
}

fn rules_fact(account_id: AccountId, file: &Path) -> Result<Fact, CommandError> {
    let document = document::member(document::read(file)?, "rules");
    let wrong = |what| CommandError::Usage(format!("--from-file {}: {what}", file.display()));
    let alert_rules = Some(arguments::alert_rules(&document).map_err(wrong)?);
    Ok(match account_id.pool_owner() {
        // A pool goes by its organization's rules.
        Some(organization_id) => Fact::Organization(OrganizationFact {
            organization_id,
            name: None,
            contact: None,
            capacity: None,
            mode: None,
            alert_rules,
        }),
        None => Fact::Account(AccountFact { alert_rules, ..AccountFact::of(account_id) }),
    })
}

/// The lists in force for an account or for an organization, the built-in rules last; or all lists.
async fn lists(
    account: Option<&str>,
    organization: Option<&str>,
    config: Option<&Path>,
) -> Result<Vec<RulesRow>, CommandError> {
    let store = open_store(config).await?;
    let (of_settings, built_in) = from_settings(&store, config).await?;
    let inherits_from = match (account, organization) {
        (Some(account), _) => account::known(&store, account).await?.organization_id,
        (None, Some(organization)) => Some(organization::known(&store, organization).await?.organization_id),
        (None, None) => {
            let own = store.look().await?.own_rules(None).await?;
            return Ok([vec![of_settings], own, vec![built_in]].concat());
        }
    };
    // Farther first: the nearest is the last.
    let own = store.look().await?.own_rules(Some((account, inherits_from.as_deref()))).await?;
    let nearest = own.into_iter().next_back().unwrap_or(of_settings);
    Ok(vec![nearest, built_in])
}

/// What the settings say: those of the ledger, or while no daemon has set any, the file's.
async fn from_settings(store: &Store, config: Option<&Path>) -> Result<(RulesRow, RulesRow), CommandError> {
    let settings = match store.settings().await?.0 {
        Some(settings) => settings,
        None => Config::load(config)?.ledger_settings(),
    };
    let of_settings = RulesRow { of: RulesOf::Settings, id: None, rules: settings.alert_rules.to_vec() };
    let built_in = RulesRow { of: RulesOf::BuiltIn, id: None, rules: settings.built_in_rules().collect() };
    Ok((of_settings, built_in))
}

fn parse_severity(text: &str) -> Result<Severity, String> {
    let found =
        [Severity::Info, Severity::Warning, Severity::Critical].into_iter().find(|one| name(*one) == text);
    found.ok_or_else(|| "expected info, warning or critical".to_owned())
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn list(raised: &[RaisedRow]) -> String {
    let columns = [
        Column::Left("ACCOUNT"),
        Column::Left("RULE"),
        Column::Left("SEVERITY"),
        Column::Left("SINCE"),
        Column::Left("ABOUT"),
    ];
    let row = |row: &RaisedRow| {
        let (severity, since) = (name(row.severity).to_owned(), row.since.to_string());
        vec![row.account_id.clone(), row.rule.clone(), severity, since, about(row)]
    };
    table(&columns, raised.iter().map(row))
}

/// What an alert is about, in short.
fn about(raised: &RaisedRow) -> String {
    let subject = |subject: &SubjectKind| match subject {
        SubjectKind::Project { project_id, status, held, .. } => {
            let status = status.as_deref().unwrap_or("no status");
            format!("{project_id} ({status}, holds {held})")
        }
        SubjectKind::Grant { grant, credits_left, expires_at } => {
            format!("grant {grant} ({credits_left} left until {expires_at})")
        }
    };
    let mut named: Vec<_> = raised.subjects.iter().take(SUBJECTS_SHOWN).map(subject).collect();
    if named.is_empty() {
        return "-".to_owned();
    }
    let more = raised.subjects_in_all - i64::try_from(named.len()).unwrap_or(i64::MAX);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

fn rules(lists: &[RulesRow]) -> String {
    let columns = [
        Column::Left("FROM"),
        Column::Left("RULE"),
        Column::Left("MEASURE"),
        Column::Right("LEVEL"),
        Column::Right("MARGIN"),
        Column::Left("SEVERITY"),
    ];
    let row = |list: &RulesRow, rule: Option<&Rule>| {
        let id = list.id.as_deref().unwrap_or_default();
        let from = match list.of {
            RulesOf::Settings => "settings".to_owned(),
            RulesOf::Organization => format!("organization {id}"),
            RulesOf::Account => format!("account {id}"),
            RulesOf::BuiltIn => "built in".to_owned(),
        };
        let Some(rule) = rule else { return vec![from, "none".to_owned()] };
        vec![
            from,
            rule.name.to_string(),
            rule.measure.to_string(),
            rule.level.to_string(),
            rule.margin.to_string(),
            name(rule.severity).to_owned(),
        ]
    };
    let rows = lists.iter().flat_map(|list| match list.rules.as_slice() {
        [] => vec![row(list, None)],
        rules => rules.iter().map(|rule| row(list, Some(rule))).collect(),
    });
    table(&columns, rows)
}
