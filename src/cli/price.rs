//! `creditd price`: what a deliverable or an asset costs, and since when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::giver::{Giver, Unexplained};
use super::giving::give;
use super::output::{Column, or_dash, print, print_json, table};
use super::{CommandError, document, open_store, organization};
use crate::clock;
use crate::contract::arguments;
use crate::ledger::ids::OrganizationId;
use crate::ledger::input::{Existence, Fact, PriceLine, PriceListFact, PricesAmended};
use crate::ledger::moment::Timestamp;
use crate::store::PriceListRow;

/// How many changes of a version `price history` shows.
const CHANGES_SHOWN: usize = 8;

#[derive(Subcommand)]
pub(super) enum PriceCommand {
    /// Set prices: the list in force goes on with these in it.
    Set {
        /// What a piece costs, such as video=10.
        #[arg(value_name = "TYPE=CREDITS", value_parser = arguments::price)]
        prices: Vec<PriceLine>,
        /// Prices in a file: an object of credits by type, in JSON, or in TOML if its name ends in .toml.
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
        /// Make this the whole list, without what was in it before.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        list: List,
        #[command(flatten)]
        how: Unexplained,
    },
    /// Take types out of the list: they have no price then, or an organization's have that of the default list.
    Remove {
        /// Which types.
        #[arg(value_name = "TYPE", value_parser = arguments::price_type, required = true)]
        types: Vec<Arc<str>>,
        #[command(flatten)]
        list: List,
        #[command(flatten)]
        how: Unexplained,
    },
    /// What everything costs, an organization's own prices before the default ones.
    List {
        /// For the accounts of this organization.
        #[arg(long, value_parser = arguments::organization_id)]
        organization: Option<OrganizationId>,
        /// At this time; now, if this is left out.
        #[arg(long, value_name = "TIME", value_parser = arguments::timestamp)]
        at: Option<Timestamp>,
    },
    /// All versions of a list, in the order in which they are in force, and what each changed.
    History {
        /// The list of this organization; the default one, if this is left out.
        #[arg(long, value_parser = arguments::organization_id)]
        organization: Option<OrganizationId>,
    },
}

/// Which list is to change, and when.
#[derive(Args)]
pub(super) struct List {
    /// The list of this organization; the default one, if this is left out.
    #[arg(long, value_parser = arguments::organization_id)]
    organization: Option<OrganizationId>,
    /// From when; at once, if this is left out.
    #[arg(long, value_name = "TIME", value_parser = arguments::timestamp)]
    effective: Option<Timestamp>,
}

/// A price in force, as `--json` shows it.
#[derive(Serialize)]
struct InForce<'a> {
    #[serde(rename = "type")]
    what: &'a str,
    credits: i64,
    /// The number of the list that says so.
    list: i64,
    /// Whose list that is.
    organization_id: Option<&'a str>,
}

pub(super) async fn run(
    command: PriceCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    match command {
        PriceCommand::Set { prices, from_file, replace, list, how } => {
            let lines = lines(prices, from_file.as_deref())?;
            let List { organization: organization_id, effective: effective_at } = list.checked()?;
            let fact = if replace {
                Fact::PriceList(PriceListFact { prices: lines, effective_at, organization_id })
            } else {
                let removed = Arc::default();
                Fact::PricesAmended(PricesAmended { set: lines, removed, effective_at, organization_id })
            };
            change(&how.giver()?, fact, config, json).await
        }
        PriceCommand::Remove { types, list, how } => {
            let List { organization: organization_id, effective: effective_at } = list.checked()?;
            let removed = types.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            let set = Arc::default();
            let fact = Fact::PricesAmended(PricesAmended { set, removed, effective_at, organization_id });
            change(&how.giver()?, fact, config, json).await
        }
        PriceCommand::List { organization, at } => {
            let at = at.unwrap_or_else(clock::now);
            list(organization.as_ref(), at, config, json).await
        }
        PriceCommand::History { organization } => history(organization.as_ref(), config, json).await,
    }
}

impl List {
    /// What was is paid for: a list can't begin to be in force in the past.
    fn checked(self) -> Result<Self, CommandError> {
        let now = clock::now();
        match self.effective.filter(|effective| *effective <= now) {
            None => Ok(self),
            Some(past) => {
                let expected = format!("expected a time after {now}, or no --effective for at once");
                Err(CommandError::Usage(format!("--effective {past} is over; {expected}")))
            }
        }
    }
}

/// The prices that were typed and those of the file together, sorted by type, each type once.
fn lines(typed: Vec<PriceLine>, file: Option<&Path>) -> Result<Arc<[PriceLine]>, CommandError> {
    if typed.is_empty() && file.is_none() {
        let what = "which prices? type TYPE=CREDITS, such as video=10, or name a file of them by --from-file";
        return Err(CommandError::Usage(what.to_owned()));
    }
    let mut lines = typed;
    if let Some(path) = file {
        let document = document::member(document::read(path)?, "prices");
        let wrong = |what| CommandError::Usage(format!("--from-file {}: {what}", path.display()));
        lines.extend(arguments::prices(&document).map_err(wrong)?.iter().cloned());
    }
    lines.sort_by(|a, b| a.deliverable_type.cmp(&b.deliverable_type));
    let twice = lines.windows(2).find(|pair| pair[0].deliverable_type == pair[1].deliverable_type);
    match twice {
        None => Ok(lines.into()),
        Some(pair) => {
            let (what, first, second) = (&pair[0].deliverable_type, pair[0].credits, pair[1].credits);
            let found = format!("{what:?} has two prices, {first} and {second}; expected each type once");
            Err(CommandError::Usage(found))
        }
    }
}

/// Gives a command about a list, and says what became of the list.
async fn change(giver: &Giver, fact: Fact, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let (organization, effective_at) = match &fact {
        Fact::PriceList(fact) => (fact.organization_id.clone(), fact.effective_at),
        Fact::PricesAmended(fact) => (fact.organization_id.clone(), fact.effective_at),
        _ => unreachable!("only commands about prices come here"),
    };
    let given = give(giver, Existence::Any, fact, config, json).await?;
    let organization = organization.as_ref().map(OrganizationId::as_str);
    let versions = given.store.look().await?.price_lists(organization).await?;
    let mine = versions.iter().position(|version| version.id == *given.key.id);
    if let (Some(place), false) = (mine, json) {
        let changes = changes(&versions, place);
        let PriceListRow { number, starts_at, .. } = versions[place];
        print(&format!("\nprice list {number}, in force from {starts_at}: {}", changes.join(", ")))?;
    }
    let starts_at = effective_at.unwrap_or_else(clock::now);
    let is_mine = |version: &PriceListRow| version.id == *given.key.id;
    for version in versions.iter().filter(|version| version.starts_at > starts_at && !is_mine(version)) {
        let PriceListRow { number, starts_at, .. } = version;
        let what = format!("price list {number}, announced before, takes over at {starts_at} as it is");
        eprintln!("creditd: {what}; --effective changes what is in force from then");
    }
    Ok(())
}

async fn list(
    organization: Option<&OrganizationId>,
    at: Timestamp,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    let default = store.look().await?.price_lists(None).await?;
    let own = match organization {
        Some(id) => {
            organization::known(&store, id.as_str()).await?;
            store.look().await?.price_lists(Some(id.as_str())).await?
        }
        None => Vec::new(),
    };
    let mut prices = BTreeMap::new();
    // The nearer list last: it goes over the other.
    for list in [in_force(&default, at), in_force(&own, at)].into_iter().flatten() {
        let organization_id = list.organization_id.as_deref();
        for (what, credits) in &list.prices {
            let price = InForce { what, credits: *credits, list: list.number, organization_id };
            prices.insert(what.as_str(), price);
        }
    }
    let prices: Vec<_> = prices.into_values().collect();
    if json {
        return print_json(
            &serde_json::json!({ "at": at, "organization_id": organization, "prices": prices }),
        );
    }
    let columns = [Column::Left("TYPE"), Column::Right("CREDITS"), Column::Right("LIST"), Column::Left("OF")];
    let row = |price: &InForce| {
        let of = price.organization_id.unwrap_or("everyone").to_owned();
        vec![price.what.to_owned(), price.credits.to_string(), price.list.to_string(), of]
    };
    print(&table(&columns, prices.iter().map(row)))
}

/// Of `versions` in the order in which they are in force, the one that is at `at`.
fn in_force(versions: &[PriceListRow], at: Timestamp) -> Option<&PriceListRow> {
    versions.iter().rev().find(|version| version.starts_at <= at)
}

async fn history(
    organization: Option<&OrganizationId>,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    if let Some(id) = organization {
        organization::known(&store, id.as_str()).await?;
    }
    let versions = store.look().await?.price_lists(organization.map(OrganizationId::as_str)).await?;
    if json {
        return print_json(&versions);
    }
    let columns = [
        Column::Right("LIST"),
        Column::Left("FROM"),
        Column::Left("ARRIVED"),
        Column::Left("STATE"),
        Column::Left("BY"),
        Column::Left("REASON"),
        Column::Left("CHANGES"),
    ];
    let now = in_force(&versions, clock::now()).map(|list| list.number);
    let row = |(place, list): (usize, &PriceListRow)| {
        let state = match Some(list.number) == now {
            true => "in force",
            false if list.starts_at > clock::now() => "announced",
            false => "over",
        };
        let changes = changes(&versions, place);
        vec![
            list.number.to_string(),
            list.starts_at.to_string(),
            list.arrived_at.to_string(),
            state.to_owned(),
            list.actor.clone().unwrap_or_else(|| list.source.clone()),
            or_dash(list.reason.as_ref()),
            changes.join(", "),
        ]
    };
    print(&table(&columns, versions.iter().enumerate().map(row)))
}

/// What the version at `place` changed against the one that is in force before it.
fn changes(versions: &[PriceListRow], place: usize) -> Vec<String> {
    let none = BTreeMap::new();
    let before = place.checked_sub(1).map_or(&none, |before| &versions[before].prices);
    let after = &versions[place].prices;
    let types: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for what in types {
        changes.extend(match (before.get(what), after.get(what)) {
            (Some(old), Some(new)) if old != new => Some(format!("{what} {old} -> {new}")),
            (None, Some(new)) => Some(format!("{what} {new}")),
            (Some(_), None) => Some(format!("no {what}")),
            _ => None,
        });
    }
    if changes.is_empty() {
        changes.push("no changes".to_owned());
    }
    let more = changes.len().saturating_sub(CHANGES_SHOWN);
    if more > 0 {
        changes.truncate(CHANGES_SHOWN);
        changes.push(format!("and {more} more"));
    }
    changes
}
