//! The file of tokens: TOML, with a `[[token]]` for each.
//!
//! It holds hashes and no secret, so it may be readable by others: a daemon that runs as a user of its own has
//! to read it, and on HUP to read it again. Who can write it can let themselves in, so a file that everyone can
//! write is refused.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Value};

use super::expiry::{ExpiryError, parse_expiry};
use super::scope::ScopeError;
use super::set::{NameError, TokenEntry, TokenName, TokenSet};
use super::token::{HashError, PREFIX};
use crate::ledger::moment::Timestamp;

/// Room for some six thousand tokens; this only keeps a slip from filling the memory.
const BYTES_MAX: u64 = 1024 * 1024;
/// The permission of everyone to write.
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// A file of tokens that can't be used: where, and why. No token that stands in it by mistake is quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFileError {
    path: PathBuf,
    /// From 1; `None` where it is about the whole file.
    line: Option<usize>,
    what: String,
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what } = self;
        write!(f, "the file of tokens {}", path.display())?;
        match line {
            Some(line) => write!(f, ", line {line}: {what}"),
            None => write!(f, " {what}"),
        }
    }
}

impl Error for TokenFileError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    token: Vec<WrittenToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    name: Spanned<String>,
    scope: Spanned<String>,
    sha256: Spanned<String>,
    expires: Option<Spanned<Value>>,
}

/// What is wrong, and at which byte.
struct Flaw {
    at: usize,
    what: String,
}

/// Reads the file at `path`.
pub fn read(path: &Path) -> Result<TokenSet, TokenFileError> {
    let file = open(path).map_err(|error| unreadable(path, &error))?;
    Ok(read_open(path, &file)?.1)
}

/// Opens the file at `path`. Opening a pipe would wait for somebody to write to it, and the daemon with it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    File::open(path)
}

/// The text and the tokens of the file at `path`, which is open as `file`.
pub(super) fn read_open(path: &Path, file: &File) -> Result<(String, TokenSet), TokenFileError> {
    let whole = |what: String| TokenFileError { path: path.to_owned(), line: None, what };
    let mode = file.metadata().map_err(|error| unreadable(path, &error))?.permissions().mode();
    if mode & WRITABLE_BY_OTHERS != 0 {
        let remedy = format!("`chmod o-w {}` mends that", path.display());
        return Err(whole(format!("can be written by everyone, who could let themselves in; {remedy}")));
    }
    let mut text = String::new();
    let read = file.take(BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(path, &error))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(whole(format!("is larger than {BYTES_MAX} bytes; is it the right file?")));
    }
    match parse(&text) {
        Ok(set) => Ok((text, set)),
        Err(Flaw { at, what }) => {
            let line = text[..at.min(text.len())].matches('\n').count() + 1;
            Err(TokenFileError { path: path.to_owned(), line: Some(line), what: without_tokens(&what) })
        }
    }
}

/// The error of a file that the system doesn't let us read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> TokenFileError {
    let what = match error.kind() {
        io::ErrorKind::NotFound => {
            let remedy = format!("`creditd token new --scope all --file {}` makes it", path.display());
            format!("isn't there; {remedy}")
        }
        io::ErrorKind::PermissionDenied => {
            let remedy = format!("`chmod 644 {}` lets everyone, and it holds no secret", path.display());
            format!(
                "can't be read by this user; {remedy}. Every directory above it must let the user through"
            )
        }
        _ => format!("can't be read: {error}"),
    };
    TokenFileError { path: path.to_owned(), line: None, what }
}

/// Whether `text` is a file of exactly the tokens of `expected`.
pub(super) fn says(text: &str, expected: &TokenSet) -> bool {
    parse(text).is_ok_and(|set| set == *expected)
}

fn parse(text: &str) -> Result<TokenSet, Flaw> {
    let written: WrittenFile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Flaw { at, what: error.message().replace('\n', ": ") }
    })?;
    let places: Vec<_> = written.token.iter().map(|token| token.name.span().start).collect();
    let entries = written.token.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = entries.iter().map(|entry| entry.name.clone()).collect();
    TokenSet::new(entries).map_err(|(place, error)| Flaw {
        at: places[place],
        what: format!("token {}: {error}", names[place]),
    })
}

fn entry(written: &WrittenToken) -> Result<TokenEntry, Flaw> {
    let WrittenToken { name: written_name, scope, sha256, expires } = written;
    let name: TokenName = written_name.get_ref().parse().map_err(|error: NameError| {
        let at = written_name.span().start;
        Flaw { at, what: error.to_string() }
    })?;
    let flaw = |at: Range<usize>, member: &str, error: &dyn Error| {
        let what = format!("token {name}: {member}: {error}");
        Flaw { at: at.start, what }
    };
    let at = scope.span();
    let scope = scope.get_ref().parse().map_err(|error: ScopeError| flaw(at, "scope", &error))?;
    let at = sha256.span();
    let hash = sha256.get_ref().parse().map_err(|error: HashError| flaw(at, "sha256", &error))?;
    let expires = match expires {
        None => None,
        Some(time) => Some(expiry(time.get_ref()).map_err(|error| flaw(time.span(), "expires", &error))?),
    };
    Ok(TokenEntry { name, scope, hash, expires })
}

/// TOML has times of its own, which need no quotes.
fn expiry(written: &Value) -> Result<Timestamp, ExpiryError> {
    match written {
        Value::String(text) => parse_expiry(text),
        Value::Datetime(time) => parse_expiry(&time.to_string()),
        _ => Err(ExpiryError),
    }
}

/// A message without the tokens that it may quote from a file where they don't belong.
fn without_tokens(message: &str) -> String {
    let mut parts = message.split(PREFIX);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_secret = |c: char| c.is_ascii_alphanumeric();
        let rest = part.trim_start_matches(is_secret);
        shown.push_str(PREFIX);
        shown.push_str(if rest.len() == part.len() { "" } else { "***" });
        shown.push_str(rest);
    }
    shown
}

/// The lines that make `entry` known. Names, scopes, digits and times have nothing in them that TOML would want
/// escaped.
pub fn entry_text(entry: &TokenEntry) -> String {
    let TokenEntry { name, scope, hash, expires } = entry;
    let until = expires.map(|expires| format!("expires = \"{expires}\"\n")).unwrap_or_default();
    format!("[[token]]\nname = \"{name}\"\nscope = \"{scope}\"\nsha256 = \"{hash}\"\n{until}")
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::access::Token;

    const HASH: &str = "c4500451aa1ade2b8e40f039cc6b1d6768685a15338ec7eaecf4fcf9850a7a40";

    fn read_text(text: &str) -> Result<TokenSet, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        fs::write(&path, text).unwrap();
        let place = format!("the file of tokens {}", path.display());
        read(&path).map_err(|error| error.to_string().replace(&place, "FILE"))
    }

    #[test]
    fn what_is_written_of_an_entry_reads_as_the_same() {
        let hash = Token::draw().unwrap().hash();
        let expires = Some(Timestamp::parse("2027-03-01T12:00:00.5Z").unwrap());
        let entry = |name: &str, scope: &str, expires| TokenEntry {
            name: name.parse().unwrap(),
            scope: scope.parse().unwrap(),
            hash,
            expires,
        };
        for entry in [entry("a@b_c.d-e", "account:pool:a/b:c@d", expires), entry("all", "all", None)] {
            assert_eq!(read_text(&entry_text(&entry)).unwrap().entries(), [entry]);
        }
    }

    #[test]
    fn a_file_without_tokens_and_times_in_every_form_are_taken() {
        assert_eq!(read_text("# nobody\n"), Ok(TokenSet::default()));
        let of = |expires: &str| {
            let text = format!(
                "[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"{HASH}\"\nexpires = {expires}\n"
            );
            read_text(&text).unwrap().entries()[0].expires.unwrap().to_string()
        };
        for written in ["2027-02-28", "\"2027-02-28\"", "2027-03-01T00:00:00Z", "2027-03-01 01:00:00+01:00"] {
            assert_eq!(of(written), "2027-03-01T00:00:00Z");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_the_name_of_the_token() {
        let first = format!("[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"{HASH}\"\n");
        let other = HASH.replace('c', "d");
        let with = |text: &str| read_text(&format!("{first}\n{text}")).unwrap_err();
        let cases = [
            (
                format!("[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"{other}\""),
                7,
                "token a: there is",
            ),
            (
                format!("[[token]]\nname = \"b\"\nscope = \"all\"\nsha256 = \"{HASH}\""),
                7,
                "token b: it is the",
            ),
            (
                format!("[[token]]\nname = \"b\"\nscope = \"most\"\nsha256 = \"{other}\""),
                8,
                "token b: scope: ",
            ),
            ("[[token]]\nname = \"b\"\nscope = \"all\"\nsha256 = \"ab\"".to_owned(), 9, "token b: sha256: "),
            (format!("[[token]]\nname = \"\"\nscope = \"all\"\nsha256 = \"{other}\""), 7, "1 to 64"),
            (
                format!("[[token]]\nname = \"b\"\nscope = \"all\"\nsha = \"{other}\""),
                9,
                "unknown field `sha`",
            ),
            ("[[token]]\nname = \"b\"\nscope = \"all\"".to_owned(), 6, "missing field `sha256`"),
            ("[[tokens]]\nname = \"b\"".to_owned(), 6, "unknown field `tokens`"),
            ("[[token".to_owned(), 6, "unclosed"),
        ];
        for (text, line, reason) in cases {
            let error = with(&text);
            assert!(error.starts_with(&format!("FILE, line {line}: ")) && error.contains(reason), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        for expires in ["5", "true", "\"soon\"", "2027-03-01T00:00:00", "12:00:00"] {
            let text = format!("{first}expires = {expires}\n");
            let error = read_text(&text).unwrap_err();
            assert!(
                error.starts_with("FILE, line 5: token a: expires: expected an RFC 3339 time"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_other_systems_editors_leave_in_a_file_does_no_harm() {
        let text = format!("[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"{HASH}\"\n");
        let read = read_text(&text).unwrap();
        assert_eq!(read_text(&text.replace('\n', "\r\n")).unwrap(), read, "line ends");
        assert_eq!(read_text(&format!("\u{feff}{text}")).unwrap(), read, "a byte order mark");
        assert!(read_text(&text.replace('\n', "\r")).is_err());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        fs::write(&path, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).unwrap();
        assert!(super::read(&path).is_err(), "UTF-16");
    }

    #[test]
    fn a_file_that_is_cut_off_within_a_token_is_refused() {
        let [a, b] = ["a", "b"].map(|name| {
            let hash = Token::draw().unwrap().hash();
            format!("[[token]]\nname = \"{name}\"\nscope = \"all\"\nsha256 = \"{hash}\"\n")
        });
        let whole = format!("{a}{b}");
        for end in a.len() + 1..whole.len() - 1 {
            assert!(read_text(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        assert_eq!(read_text(&whole).unwrap().entries().len(), 2);
    }

    #[test]
    fn a_token_in_the_file_is_refused_and_not_shown() {
        let token = Token::draw().unwrap();
        let (secret, digits) = (token.expose(), &token.expose()[PREFIX.len()..]);
        let texts = [
            format!("[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"{secret}\"\n"),
            format!("[[token]]\nname = \"{secret}\"\nscope = \"all\"\nsha256 = \"{HASH}\"\n"),
            format!("[[token]]\nname = \"a\"\nscope = \"{secret}\"\nsha256 = \"{HASH}\"\n"),
            format!("[[token]]\n{secret} = 1\n"),
            format!("token = \"{secret}\"\n"),
            format!("token = [\"{secret}\"]\n"),
            secret.to_owned(),
        ];
        for text in texts {
            let error = read_text(&text).unwrap_err();
            assert!(!error.contains(&digits[..8]), "{error}");
        }
        assert!(read_text(&format!("[[token]]\n{secret} = 1\n")).unwrap_err().contains("`creditd_***`"));
    }

    #[test]
    fn a_file_that_everyone_can_write_is_refused_and_one_that_everyone_can_read_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(&path), Ok(TokenSet::default()));
        fs::set_permissions(&path, Permissions::from_mode(0o646)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("can be written by everyone") && error.contains("chmod o-w"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_one_is_refused_by_name() {
        let absent = read(Path::new("/nonexistent/tokens.toml")).unwrap_err().to_string();
        assert!(absent.starts_with("the file of tokens /nonexistent/tokens.toml isn't there; "), "{absent}");
        let directory = read(Path::new("/")).unwrap_err().to_string();
        assert_eq!(directory, "the file of tokens / can't be read: it is no ordinary file");
        let denied = unreadable(Path::new("/t.toml"), &io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(denied.contains("by this user; `chmod 644 /t.toml` lets everyone"), "{denied}");
        let large = "#".repeat(1024 * 1024 + 1);
        assert!(read_text(&large).unwrap_err().contains("larger than 1048576 bytes"));
    }
}
