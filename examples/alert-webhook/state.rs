//! What must outlive this process: a file for each account with how far it has come and what came early, and one
//! file with what could not be delivered. They are for people too: JSON, to be looked at and mended.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use tracing::error;

use super::alert::ALERT_TYPE;
use super::sequence::Stream;

/// What could not be delivered or read: a JSON object a line.
const ASIDE_FILE: &str = "aside.jsonl";
const LOCK_FILE: &str = "lock";
/// The accounts' files.
const STREAM_EXTENSION: &str = "json";

/// The directory that it is all in. No other process uses it meanwhile.
pub(crate) struct State {
    directory: PathBuf,
    /// Locked as long as it is open, and so at most as long as the process lives.
    _lock: File,
}

/// An account's file.
#[derive(Serialize, Deserialize)]
struct Kept {
    account_id: String,
    #[serde(rename = "type")]
    event_type: String,
    stream: Stream,
}

/// What is set aside.
#[derive(Serialize)]
pub(crate) struct Aside<'a> {
    /// Where it could not be delivered to; `None` for what could not be read.
    pub(crate) destination: Option<&'static str>,
    pub(crate) key: Option<String>,
    pub(crate) account_id: Option<&'a str>,
    pub(crate) sequence: Option<i64>,
    pub(crate) reason: &'a str,
    /// The event as it came.
    pub(crate) event: &'a str,
}

#[derive(Serialize)]
struct AsideLine<'a> {
    /// Seconds since 1970.
    at: u64,
    #[serde(flatten)]
    what: &'a Aside<'a>,
}

impl State {
    /// Opens the directory, makes it if need be, and locks it: two processes that both keep the order of an account
    /// keep none.
    pub(crate) fn open(directory: &Path) -> Result<Self, String> {
        let unusable = |error: io::Error| format!("--state {}: {error}", directory.display());
        fs::create_dir_all(directory).map_err(unusable)?;
        let lock = File::create(directory.join(LOCK_FILE)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
            Err(TryLockError::WouldBlock) => Err(format!(
                "--state {}: another process uses it; give each a directory and a queue of its own",
                directory.display()
            )),
        }
    }

    /// How far an account has come; `None` where nothing is known of it.
    pub(crate) fn load(&self, account: &str) -> io::Result<Option<Stream>> {
        match read(&self.path_of(account)) {
            Ok(kept) => Ok(Some(kept.stream)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces an account's file as a whole: after a crash either the old or the new one is there.
    pub(crate) fn save(&self, account: &str, stream: &Stream) -> io::Result<()> {
        let kept = Kept {
            account_id: account.to_owned(),
            event_type: ALERT_TYPE.to_owned(),
            stream: stream.clone(),
        };
        let mut file = NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer_pretty(&mut file, &kept)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(self.path_of(account))?;
        // The new name is on the disk only once the directory is.
        File::open(&self.directory)?.sync_all()
    }

    /// All accounts that something is known of. A file that can't be read is said and left out: what its account
    /// needs of it waits until it is mended, and nobody else's does.
    pub(crate) fn streams(&self) -> Vec<(String, Stream)> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) => {
                error!("the state can't be read: {}: {error}", self.directory.display());
                return Vec::new();
            }
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let of_accounts =
            paths.filter(|path| path.extension().is_some_and(|found| found == STREAM_EXTENSION));
        let read_or_said = |path: PathBuf| match read(&path) {
            Ok(kept) => Some((kept.account_id, kept.stream)),
            Err(error) => {
                error!("the state can't be read: {error}");
                None
            }
        };
        of_accounts.filter_map(read_or_said).collect()
    }

    /// Adds a line to what is set aside.
    pub(crate) fn set_aside(&self, what: &Aside<'_>) -> io::Result<()> {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut line = serde_json::to_vec(&AsideLine { at, what })?;
        line.push(b'\n');
        let mut file = File::options().create(true).append(true).open(self.directory.join(ASIDE_FILE))?;
        file.write_all(&line)?;
        file.sync_all()
    }

    /// Account ids have `/` and `:` in them.
    fn path_of(&self, account: &str) -> PathBuf {
        let name = utf8_percent_encode(account, NON_ALPHANUMERIC);
        self.directory.join(format!("{name}.{STREAM_EXTENSION}"))
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let text = fs::read(path)?;
    serde_json::from_slice(&text)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::sequence::Begin;
    use super::*;

    #[test]
    fn accounts_are_kept_apart_whatever_is_in_their_ids() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let accounts = ["a/b", "a.b", "pool:a", "..", "A/b"];
        for (place, account) in (1..).zip(accounts) {
            assert_eq!(state.load(account).unwrap(), None);
            state.save(account, &Stream::new(Begin::Seen, 1, place)).unwrap();
        }
        for (place, account) in (1..).zip(accounts) {
            assert_eq!(state.load(account).unwrap(), Some(Stream::new(Begin::Seen, 1, place)));
        }
        let mut known: Vec<_> = state.streams().into_iter().map(|(account, _)| account).collect();
        known.sort();
        assert_eq!(known, ["..", "A/b", "a.b", "a/b", "pool:a"]);
    }

    #[test]
    fn a_file_that_is_damaged_is_an_error_and_not_a_new_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        fs::write(directory.path().join("studio.json"), "{\"last\": ").unwrap();
        let error = state.load("studio").unwrap_err().to_string();
        assert!(error.contains("studio.json: EOF"), "{error}");
        let mut stream = Stream::new(Begin::First, 1, 2);
        stream.hold(2, "{}".to_owned());
        state.save("film", &stream).unwrap();
        assert_eq!(state.streams(), [("film".to_owned(), stream)], "others are read all the same");
    }

    #[test]
    fn a_directory_serves_one_process_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let refused = State::open(directory.path()).err().unwrap();
        assert!(refused.contains("another process uses it"), "{refused}");
        drop(state);
        assert!(State::open(directory.path()).is_ok());
    }
}
