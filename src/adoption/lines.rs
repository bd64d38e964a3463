//! A file of lines, read from its beginning as often as needed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::contract::line::LINE_BYTES_MAX;

/// A file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused it.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// It can be read only once.
    #[error("{}: not a regular file; it is read more than once, so write it to one first", .0.display())]
    NotRegular(PathBuf),
    /// It was read before and said something else then.
    #[error(
        "{}: line {line} is not what it was when the file was checked; leave the file alone and run this again",
        .path.display()
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
    },
}

/// A regular file of one JSON object a line.
#[derive(Clone, Debug)]
pub struct LineFile {
    path: PathBuf,
    bytes: u64,
}

/// A line that says something.
pub(super) enum Line<'l> {
    /// Its bytes, without its end.
    Text(&'l [u8]),
    /// It is longer than a message may be.
    TooLong,
}

/// Why a line was too long, for people.
pub(super) fn too_long() -> String {
    format!("longer than {LINE_BYTES_MAX} bytes, the most that a message may have; is it one object a line?")
}

impl LineFile {
    /// The file at `path`, if it is one that can be read again and again.
    pub fn at(path: &Path) -> Result<Self, FileError> {
        let failed = |error| FileError::Io { path: path.to_owned(), error };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(FileError::NotRegular(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), bytes: metadata.len() })
    }

    /// Its name without directories.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// How long it was.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn changed(&self, line: u64) -> FileError {
        FileError::Changed { path: self.path.clone(), line }
    }

    pub(super) fn read(&self) -> Result<Lines, FileError> {
        let failed = |error| FileError::Io { path: self.path.clone(), error };
        let file = File::open(&self.path).map_err(failed)?;
        let reader = BufReader::with_capacity(READ_BYTES, file);
        Ok(Lines { path: self.path.clone(), reader, line: Vec::new(), number: 0, bytes: 0 })
    }
}

const READ_BYTES: usize = 1 << 16;
/// Some programs begin UTF-8 with it.
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// The lines of a file, one after the other, in memory that doesn't grow with it.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Lines {
    /// The next line that isn't blank, with its number from 1.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Line<'_>)>, FileError> {
        loop {
            self.line.clear();
            let whole = self.fill().map_err(|error| FileError::Io { path: self.path.clone(), error })?;
            let Some(whole) = whole else { return Ok(None) };
            self.number += 1;
            if !whole {
                return Ok(Some((self.number, Line::TooLong)));
            }
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Text(self.line.trim_ascii()))));
            }
        }
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads up to the end of a line. Says whether all of it is kept; `None` at the end of the file.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        let (mut whole, mut began) = (true, false);
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(began.then_some(whole));
            }
            began = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            whole = whole && self.line.len() + piece.len() <= LINE_BYTES_MAX + BYTE_ORDER_MARK.len();
            if whole {
                self.line.extend_from_slice(piece);
            }
            let read = piece.len() + usize::from(end.is_some());
            self.reader.consume(read);
            self.bytes += read as u64;
            if end.is_some() {
                return Ok(Some(whole));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Vec<(u64, Option<String>)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        std::fs::write(&path, content).unwrap();
        let mut lines = LineFile::at(&path).unwrap().read().unwrap();
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            let text = match line {
                Line::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
                Line::TooLong => None,
            };
            found.push((number, text));
        }
        assert_eq!(lines.bytes(), content.len() as u64);
        found
    }

    fn text(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does_and_blank_ones_say_nothing() {
        assert_eq!(read(b""), []);
        assert_eq!(read(b"\n \n\r\n"), []);
        assert_eq!(read(b"a\n\nb\r\n c"), [text(1, "a"), text(3, "b"), text(4, "c")]);
        assert_eq!(read(b"\xEF\xBB\xBFa\n"), [text(1, "a")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_read() {
        let mut content = vec![b'x'; 3 * LINE_BYTES_MAX];
        content.extend_from_slice(b"\nb\n");
        assert_eq!(read(&content), [(1, None), text(2, "b")]);
        let longest = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read(&longest)[0].1.as_ref().map(String::len), Some(LINE_BYTES_MAX));
    }

    #[test]
    fn what_can_be_read_only_once_is_refused() {
        assert!(matches!(LineFile::at(Path::new("/dev/null")), Err(FileError::NotRegular(_))));
        assert!(matches!(LineFile::at(Path::new("/none/such")), Err(FileError::Io { .. })));
    }
}
