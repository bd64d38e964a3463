//! `creditd token`: who may use the HTTP port, and what each sees. No server is asked.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CommandError;
use super::output::{Column, or_dash, print, print_json, table, write};
use crate::access::{self, EditError, Scope, Token, TokenEntry, TokenFileError, TokenName, parse_expiry};
use crate::clock;
use crate::config::Config;
use crate::ledger::moment::Timestamp;

/// What makes the daemon read the file again.
const RELOAD: &str = "`systemctl reload creditd` (HUP)";

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token. It is printed this once; its hash goes into the file of tokens.
    New {
        /// What its holder sees: all, organization:ID, or account:ID (account:pool:ORGANIZATION is a pool).
        #[arg(long)]
        scope: Scope,
        /// What it is called, in the file and in the log; made from its hash, if this is left out.
        #[arg(long)]
        name: Option<String>,
        /// Until when it counts: a date is its last day, in UTC; until it is revoked, if this is left out.
        #[arg(long, value_name = "T", value_parser = parse_expiry)]
        expires: Option<Timestamp>,
        #[command(flatten)]
        place: Place,
    },
    /// All tokens of the file: what each sees, and until when.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Take a token out of the file.
    Revoke {
        /// What it is called.
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Which file of tokens is meant.
#[derive(Args)]
pub(super) struct Place {
    /// The file of tokens; that of http.tokens_file in the settings, if this is left out.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// A new token, for programs.
#[derive(Serialize)]
struct NewToken<'a> {
    token: &'a str,
    #[serde(flatten)]
    entry: &'a TokenEntry,
    /// Where its hash was written; none where no file is named.
    file: Option<&'a Path>,
    /// What the file of tokens has to say of it.
    toml: &'a str,
}

/// A token of the file, for programs.
#[derive(Serialize)]
struct ListedToken<'a> {
    #[serde(flatten)]
    entry: &'a TokenEntry,
    over: bool,
}

/// A token that was taken out, for programs.
#[derive(Serialize)]
struct RevokedToken<'a> {
    revoked: &'a TokenEntry,
    file: &'a Path,
}

impl From<EditError> for CommandError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::File(error) => error.into(),
            refused => CommandError::Refused(refused.to_string()),
        }
    }
}

impl From<TokenFileError> for CommandError {
    fn from(error: TokenFileError) -> Self {
        CommandError::Usage(error.to_string())
    }
}

pub(super) fn run(command: TokenCommand, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    match command {
        TokenCommand::New { scope, name, expires, place } => {
            let name = name.as_deref().map(|name| parse_name("--name", name)).transpose()?;
            make(scope, name, expires, place.file(config)?.as_deref(), json)
        }
        TokenCommand::List { place } => list(&place.needed(config)?, json),
        TokenCommand::Revoke { name, place } => {
            revoke(&parse_name("NAME", &name)?, &place.needed(config)?, json)
        }
    }
}

impl Place {
    fn file(self, config: Option<&Path>) -> Result<Option<PathBuf>, CommandError> {
        match self.file {
            Some(file) => Ok(Some(file)),
            None => Ok(Config::tokens_file(config)?),
        }
    }

    fn needed(self, config: Option<&Path>) -> Result<PathBuf, CommandError> {
        let missing = || {
            let ways = "type --file FILE, or --config FILE with settings that have http.tokens_file";
            CommandError::Usage(format!("no file of tokens is named; {ways}"))
        };
        self.file(config)?.ok_or_else(missing)
    }
}

/// Not left to the parser of arguments, which would repeat a token that was typed in the place of its name.
fn parse_name(argument: &str, text: &str) -> Result<TokenName, CommandError> {
    text.parse().map_err(|error| CommandError::Usage(format!("{argument}: {error}")))
}

fn make(
    scope: Scope,
    name: Option<TokenName>,
    expires: Option<Timestamp>,
    file: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let now = clock::now();
    if let Some(past) = expires.filter(|expires| *expires <= now) {
        let what = format!("--expires: {past} is over already; it is {now}");
        return Err(CommandError::Usage(what));
    }
    let token = Token::draw().map_err(|error| CommandError::Refused(error.to_string()))?;
    let hash = token.hash();
    let name = name.unwrap_or_else(|| TokenName::of(&hash));
    let entry = TokenEntry { name, scope, hash, expires };
    if let Some(file) = file {
        access::add(file, &entry)?;
    }
    let toml = access::entry_text(&entry);
    let printed = if json {
        let new = NewToken { token: token.expose(), entry: &entry, file, toml: &toml };
        serde_json::to_string_pretty(&new).expect("a token's members are texts")
    } else {
        eprintln!("{}", new_text(&entry, file, &toml));
        token.expose().to_owned()
    };
    // Nobody can be told it again: what nobody read had better not count.
    match (write(format!("{printed}\n").as_bytes()), file) {
        (Ok(true), _) | (Ok(false), None) => Ok(()),
        (Err(error), None) => Err(error),
        (Ok(false) | Err(_), Some(file)) => {
            access::remove(file, &entry.name)?;
            Err(CommandError::Refused("the token could not be printed, so it was not kept".to_owned()))
        }
    }
}

/// What a person is told beside the token, which alone goes to standard output.
fn new_text(entry: &TokenEntry, file: Option<&Path>, toml: &str) -> String {
    let TokenEntry { name, scope, expires, .. } = entry;
    let until = expires.map(|expires| format!(" until {expires}")).unwrap_or_default();
    let done = match file {
        Some(file) => {
            format!("token {name} for {scope}{until} is in {}; it counts after {RELOAD}", file.display())
        }
        None => format!(
            "token {name} for {scope}{until} counts once this is in the file that http.tokens_file names, and \
             after {RELOAD}:\n\n{toml}"
        ),
    };
    format!("{done}\nkeep the token itself safe, it is shown this once:")
}

fn list(file: &Path, json: bool) -> Result<(), CommandError> {
    let set = access::read(file)?;
    let now = clock::now();
    if json {
        let listed = |entry| ListedToken { entry, over: entry.is_over(now) };
        return print_json(&set.entries().iter().map(listed).collect::<Vec<_>>());
    }
    let columns =
        [Column::Left("NAME"), Column::Left("SCOPE"), Column::Left("EXPIRES"), Column::Left("STATE")];
    let row = |entry: &TokenEntry| {
        let state = if entry.is_over(now) { "over" } else { "counts" };
        vec![entry.name.to_string(), entry.scope.to_string(), or_dash(entry.expires), state.to_owned()]
    };
    print(&table(&columns, set.entries().iter().map(row)))
}

fn revoke(name: &TokenName, file: &Path, json: bool) -> Result<(), CommandError> {
    let revoked = access::remove(file, name)?;
    if json {
        return print_json(&RevokedToken { revoked: &revoked, file });
    }
    let done = format!("token {name} for {} is no longer in {}", revoked.scope, file.display());
    print(&format!("{done}; after {RELOAD} it counts no more, nor do sessions that it opened"))
}
