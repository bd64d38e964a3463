//! Changes to the file of tokens, by commands.
//!
//! A change reads the file, and replaces it by a whole new one, so that a daemon that reads it meanwhile finds
//! either. The file is locked for that; whoever waited for the lock looks whether it is still the file, since
//! the lock of one that was replaced keeps nobody out. Everything that is no part of the change stays as it was,
//! comments too.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::file::{self, TokenFileError, entry_text};
use super::set::{SetError, TokenEntry, TokenName, TokenSet};

/// What a new file permits: there is no secret in it, and names are for those who administer.
const NEW_MODE: u32 = 0o640;
const HEAD: &str = "\
# Who may use creditd's HTTP port. Only hashes of tokens stand here: the tokens themselves are with their holders.
# `creditd token new` adds one, `creditd token revoke NAME` takes one out; both count after HUP.
";

/// Why a file of tokens was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It can't be used as it is.
    #[error(transparent)]
    File(#[from] TokenFileError),
    /// There is one like it.
    #[error("token {name} can't be added to {path}: {error}", path = path.display())]
    Clash {
        /// The file.
        path: PathBuf,
        /// What was to be added.
        name: TokenName,
        /// What is in the way.
        error: SetError,
    },
    /// There is none to take out.
    #[error("there is no token {name} in {path}; `creditd token list` shows all", path = path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What was to be taken out.
        name: TokenName,
    },
    /// It is written in a way that only a person understands well enough.
    #[error(
        "{path} is written in a way that can't be changed by command; each token has to begin with a line \
         [[token]]. Change it by hand",
        path = path.display()
    )]
    ByHand {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path} can't be written: {what}: {error}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// Adds `entry` to the file at `path`, and makes the file if there is none.
pub fn add(path: &Path, entry: &TokenEntry) -> Result<(), EditError> {
    loop {
        let Some(file) = locked(path)? else {
            let text = format!("{HEAD}\n{}", entry_text(entry));
            match create(path, &text) {
                // Somebody else made it meanwhile.
                Err(EditError::Write { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
                    continue;
                }
                done => return done,
            }
        };
        let (mut text, set) = file::read_open(path, &file)?;
        let entries = [set.entries(), std::slice::from_ref(entry)].concat();
        let clash = |(_, error)| EditError::Clash { path: path.to_owned(), name: entry.name.clone(), error };
        let expected = TokenSet::new(entries).map_err(clash)?;
        if !text.is_empty() {
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        text.push_str(&entry_text(entry));
        return replace(path, &file, &text, &expected);
    }
}

/// Takes the token called `name` out of the file at `path`, and returns what was said of it.
pub fn remove(path: &Path, name: &TokenName) -> Result<TokenEntry, EditError> {
    let absent = || file::unreadable(path, &io::ErrorKind::NotFound.into());
    let file = locked(path)?.ok_or_else(absent)?;
    let (text, set) = file::read_open(path, &file)?;
    let Some(place) = set.entries().iter().position(|entry| entry.name == *name) else {
        return Err(EditError::Unknown { path: path.to_owned(), name: name.clone() });
    };
    let mut entries = set.entries().to_vec();
    let removed = entries.remove(place);
    let expected =
        TokenSet::new(entries).expect("a part of a set has no more names and hashes than the whole");
    let by_hand = || EditError::ByHand { path: path.to_owned() };
    let text = without_block(&text, place).ok_or_else(by_hand)?;
    replace(path, &file, &text, &expected)?;
    Ok(removed)
}

/// The file at `path`, locked until it is dropped; `None` where there is none.
fn locked(path: &Path) -> Result<Option<File>, EditError> {
    let unreadable = |error| file::unreadable(path, &error);
    loop {
        let file = match file::open(path) {
            Ok(file) => file,
            // Neither there nor free to be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
                return Err(write_error(path, "it is a link, and what it leads to isn't there", error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error).into()),
        };
        file.lock().map_err(unreadable)?;
        let ours = file.metadata().map_err(unreadable)?;
        match fs::metadata(path) {
            Ok(present) if (present.dev(), present.ino()) == (ours.dev(), ours.ino()) => {
                return Ok(Some(file));
            }
            // Replaced while we waited.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(error).into()),
        }
    }
}

/// `text` without the block of the token at `place`. Comments around it stay: whose they are, a person knows.
fn without_block(text: &str, place: usize) -> Option<String> {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let content = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    let is_blank = |line: &str| line.trim().is_empty();
    let is_head = |line: &str| content(line).replace([' ', '\t'], "") == "[[token]]";
    let mut heads = (0..lines.len()).filter(|line| is_head(lines[*line]));
    let mut start = heads.nth(place)?;
    let after = (start + 1..lines.len()).find(|line| content(lines[*line]).starts_with("[["));
    let block_end = after.unwrap_or(lines.len());
    let last = (start..block_end).rfind(|line| !content(lines[*line]).is_empty())?;
    let mut end = last + 1;
    while end < lines.len() && is_blank(lines[end]) {
        end += 1;
    }
    // At the end of the file, the blank line before the block goes with it.
    while end == lines.len() && start > 0 && is_blank(lines[start - 1]) {
        start -= 1;
    }
    Some([&lines[..start], &lines[end..]].concat().concat())
}

fn create(path: &Path, text: &str) -> Result<(), EditError> {
    let complete = complete(path, text, None)?;
    let failed = |error| write_error(path, "putting the new file in its place", error);
    complete.persist_noclobber(path).map_err(|error| failed(error.error))?;
    sync_directory(path)
}

/// Replaces the locked `file` at `path`, unless `text` doesn't say what is meant: it was put together without
/// understanding all that TOML allows.
fn replace(path: &Path, file: &File, text: &str, expected: &TokenSet) -> Result<(), EditError> {
    if !file::says(text, expected) {
        return Err(EditError::ByHand { path: path.to_owned() });
    }
    let failed = |what| move |error| write_error(path, what, error);
    // A link stays one, to the new file.
    let target = fs::canonicalize(path).map_err(failed("finding where it is"))?;
    let like = file.metadata().map_err(failed("reading its permissions"))?;
    let complete = complete(&target, text, Some(&like))?;
    complete.persist(&target).map_err(|error| failed("replacing it")(error.error))?;
    sync_directory(&target)
}

/// A file with `text` beside `path`, with the owner and permissions of the one that it is to replace.
fn complete(path: &Path, text: &str, like: Option<&Metadata>) -> Result<NamedTempFile, EditError> {
    let failed = |what| move |error| write_error(path, what, error);
    let made = tempfile::Builder::new().prefix(".creditd-tokens-").tempfile_in(directory_of(path));
    let mut new = made.map_err(failed("making a new file beside it"))?;
    new.write_all(text.as_bytes()).map_err(failed("writing a new file beside it"))?;
    let ours = new.as_file().metadata().map_err(failed("reading the new file's permissions"))?;
    if let Some(like) = like.filter(|like| (like.uid(), like.gid()) != (ours.uid(), ours.gid())) {
        let what = "giving the new file the same owner (are you root, or the owner?)";
        fchown(new.as_file(), Some(like.uid()), Some(like.gid())).map_err(failed(what))?;
    }
    let mode = like.map_or(NEW_MODE, |like| like.permissions().mode());
    let permissions = new.as_file().set_permissions(Permissions::from_mode(mode));
    permissions.map_err(failed("giving the new file its permissions"))?;
    new.as_file().sync_all().map_err(failed("writing it to the disk"))?;
    Ok(new)
}

/// Without it, a machine that loses power could come up with the earlier file, and a revoked token in it.
fn sync_directory(path: &Path) -> Result<(), EditError> {
    let synced = File::open(directory_of(path)).and_then(|directory| directory.sync_all());
    synced.map_err(|error| write_error(path, "writing its directory to the disk", error))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

fn write_error(path: &Path, what: &'static str, error: io::Error) -> EditError {
    EditError::Write { path: path.to_owned(), what, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Token, read};

    fn entry(name: &str) -> TokenEntry {
        let hash = Token::draw().unwrap().hash();
        TokenEntry { name: name.parse().unwrap(), scope: "all".parse().unwrap(), hash, expires: None }
    }

    fn names(path: &Path) -> Vec<String> {
        read(path).unwrap().entries().iter().map(|entry| entry.name.to_string()).collect()
    }

    #[test]
    fn what_is_added_and_removed_again_leaves_the_file_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        add(&path, &entry("a")).unwrap();
        let before = fs::read_to_string(&path).unwrap();
        add(&path, &entry("b")).unwrap();
        assert_eq!(names(&path), ["a", "b"]);
        let removed = remove(&path, &"b".parse().unwrap()).unwrap();
        assert_eq!(removed.name.as_str(), "b");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing lies beside it: {left:?}");
    }

    #[test]
    fn a_change_keeps_comments_other_tokens_and_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let [a, b, c] = ["a", "b", "c"].map(|name| entry_text(&entry(name)));
        let with_b = format!("# ours\n{a}# the next is Bob's\n\n{b}\n# Carol's, until spring\n{c}");
        fs::write(&path, with_b).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        remove(&path, &"b".parse().unwrap()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("# ours\n{a}# the next is Bob's\n\n# Carol's, until spring\n{c}"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o604);
        remove(&path, &"a".parse().unwrap()).unwrap();
        assert_eq!(names(&path), ["c"]);
    }

    #[test]
    fn a_file_that_lacks_its_last_newline_or_all_content_can_be_added_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        fs::write(&path, "").unwrap();
        add(&path, &entry("a")).unwrap();
        fs::write(&path, fs::read_to_string(&path).unwrap().trim_end()).unwrap();
        add(&path, &entry("b")).unwrap();
        assert_eq!(names(&path), ["a", "b"]);
    }

    #[test]
    fn a_file_in_another_form_is_left_to_a_person() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let hash = entry("a").hash;
        let inline = format!("token = [{{ name = \"a\", scope = \"all\", sha256 = \"{hash}\" }}]\n");
        fs::write(&path, &inline).unwrap();
        assert!(matches!(add(&path, &entry("b")), Err(EditError::ByHand { .. })));
        assert!(matches!(remove(&path, &"a".parse().unwrap()), Err(EditError::ByHand { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), inline);
        // Quotes are TOML as well. Taken for no head, the first token would have the second go in its place.
        let quoted = [entry("a"), entry("b")].map(|entry| entry_text(&entry)).concat();
        let quoted = quoted.replacen("[[token]]", "[[\"token\"]]", 1);
        fs::write(&path, &quoted).unwrap();
        assert!(matches!(remove(&path, &"a".parse().unwrap()), Err(EditError::ByHand { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), quoted);
    }

    #[test]
    fn a_file_of_another_systems_editor_is_changed_like_any_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let text = [entry("a"), entry("b")].map(|entry| entry_text(&entry)).concat().replace('\n', "\r\n");
        fs::write(&path, &text).unwrap();
        add(&path, &entry("c")).unwrap();
        remove(&path, &"b".parse().unwrap()).unwrap();
        assert_eq!(names(&path), ["a", "c"]);
        // With a byte order mark the first head isn't found, and nothing else may be taken for it.
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
        assert!(matches!(remove(&path, &"a".parse().unwrap()), Err(EditError::ByHand { .. })));
        add(&path, &entry("c")).unwrap();
        assert_eq!(names(&path), ["a", "b", "c"]);
    }

    #[test]
    fn a_link_stays_one_and_a_link_to_nowhere_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link.toml"), directory.path().join("tokens.toml"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(add(&link, &entry("a")), Err(EditError::Write { .. })));
        assert!(matches!(remove(&link, &"a".parse().unwrap()), Err(EditError::Write { .. })));
        add(&target, &entry("a")).unwrap();
        add(&link, &entry("b")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(names(&target), ["a", "b"]);
    }

    #[test]
    fn of_many_who_add_at_once_none_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let everyone: Vec<_> = (0..16).map(|number| format!("t{number:02}")).collect();
        std::thread::scope(|scope| {
            for name in &everyone {
                scope.spawn(|| add(&path, &entry(name)).unwrap());
            }
        });
        let mut found = names(&path);
        found.sort();
        assert_eq!(found, everyone);
    }
}
