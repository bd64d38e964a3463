//! `creditd contract`: the files that tell other programs what the contract is.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::CommandError;
use super::output::{Column, print, print_json, table};
use crate::contract::published::{PublishedFile, SCHEMAS_FOLDER, files};
use crate::http;

#[derive(Subcommand)]
pub(super) enum ContractCommand {
    /// Write the AsyncAPI and OpenAPI documents, the JSON Schemas, and the examples of events.
    Write {
        /// The directory for asyncapi.yaml, openapi.json, schemas/ and examples/, such as docs.
        directory: PathBuf,
    },
    /// Say which of those files are not what `write` would write.
    Check {
        /// The directory that has them, such as docs.
        directory: PathBuf,
    },
}

/// How a file stands to what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Current,
    Differs,
    Missing,
    /// No type has it.
    Stray,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Current => "current",
            State::Differs => "differs",
            State::Missing => "missing",
            State::Stray => "stray",
        }
    }
}

/// A file of the contract, as it was found.
#[derive(Serialize)]
struct Found {
    path: PathBuf,
    state: State,
}

pub(super) fn run(command: &ContractCommand, json: bool) -> Result<(), CommandError> {
    match command {
        ContractCommand::Write { directory } => write(directory, json),
        ContractCommand::Check { directory } => check(directory, json),
    }
}

/// What is told of messages and events, and of the HTTP port.
fn generated() -> Vec<PublishedFile> {
    let mut text = serde_json::to_string_pretty(&http::openapi()).expect("documents have only text for keys");
    text.push('\n');
    let openapi = PublishedFile { path: "openapi.json".to_owned(), text };
    files().into_iter().chain([openapi]).collect()
}

/// Writes what isn't current. A stray file is somebody's to delete: it is only told.
fn write(directory: &Path, json: bool) -> Result<(), CommandError> {
    let generated = generated();
    let found = compare(directory, &generated)?;
    for (file, Found { path, state }) in generated.iter().zip(&found) {
        if *state == State::Current {
            continue;
        }
        let folder = path.parent().unwrap_or(directory);
        fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))?;
        fs::write(path, &file.text).map_err(|error| failed("write", path, &error))?;
    }
    if json {
        return print_json(&found);
    }
    let strays = list(&found, |state| state == State::Stray);
    let is_written = |found: &&Found| matches!(found.state, State::Differs | State::Missing);
    let (written, all) = (found.iter().filter(is_written).count(), generated.len());
    print(&format!("wrote {written} of {all} files below {}; the others were current", directory.display()))?;
    if strays.is_empty() {
        return Ok(());
    }
    print(&format!("\nbelongs to no type, so delete it:\n{strays}"))
}

fn check(directory: &Path, json: bool) -> Result<(), CommandError> {
    let generated = generated();
    let found = compare(directory, &generated)?;
    if json {
        print_json(&found)?;
    }
    let is_current = found.iter().all(|found| found.state == State::Current);
    match (is_current, json) {
        (true, true) => Ok(()),
        (true, false) => {
            print(&format!("all {} files below {} are current", found.len(), directory.display()))
        }
        (false, true) => Err(CommandError::Said),
        (false, false) => {
            print(&list(&found, |state| state != State::Current))?;
            let remedy =
                format!("run `creditd contract write {}`, and delete what is stray", directory.display());
            Err(CommandError::Refused(format!("these files are not what the types say; {remedy}")))
        }
    }
}

/// How each generated file stands, in their order, and then what else is among the schemas.
fn compare(directory: &Path, generated: &[PublishedFile]) -> Result<Vec<Found>, CommandError> {
    if !directory.is_dir() {
        let directory = directory.display();
        return Err(CommandError::Refused(format!(
            "{directory} is not a directory; make it, or name another"
        )));
    }
    let mut found = Vec::with_capacity(generated.len());
    for file in generated {
        let path = directory.join(&file.path);
        let state = match fs::read(&path) {
            Ok(text) if text == file.text.as_bytes() => State::Current,
            Ok(_) => State::Differs,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::Missing,
            Err(error) => return Err(failed("read", &path, &error)),
        };
        found.push(Found { path, state });
    }
    let expected: BTreeSet<PathBuf> = found.iter().map(|found| found.path.clone()).collect();
    let present = schemas_in(&directory.join(SCHEMAS_FOLDER))?;
    let strays = present.difference(&expected);
    found.extend(strays.map(|path| Found { path: path.clone(), state: State::Stray }));
    Ok(found)
}

/// What is in the folder of the schemas; nothing where it isn't there yet.
fn schemas_in(folder: &Path) -> Result<BTreeSet<PathBuf>, CommandError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed("read", folder, &error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().map_err(|error| failed("read", folder, &error))
}

fn list(found: &[Found], which: impl Fn(State) -> bool) -> String {
    let rows = found.iter().filter(|found| which(found.state));
    let row = |found: &Found| vec![found.path.display().to_string(), found.state.as_str().to_owned()];
    let mut rows = rows.map(row).peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    table(&[Column::Left("FILE"), Column::Left("STATE")], rows)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> CommandError {
    CommandError::Refused(format!("can't {verb} {}: {error}", path.display()))
}
