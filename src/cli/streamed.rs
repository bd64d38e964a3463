//! Printing what may be too much to hold: rows and documents that are written as their parts come.

use std::io::{BufWriter, ErrorKind, Stdout, Write};

use serde::Serialize;

use super::CommandError;
use super::output::Column;

/// Standard output, until nobody reads it any more.
pub(super) struct Out {
    writer: BufWriter<Stdout>,
    closed: bool,
}

impl Out {
    pub(super) fn new() -> Self {
        Self { writer: BufWriter::new(std::io::stdout()), closed: false }
    }

    /// Whether whoever read has read enough, as `head` has. Then there is no point in going on.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a text.
    pub(super) fn write(&mut self, text: &str) -> Result<(), CommandError> {
        if self.closed {
            return Ok(());
        }
        let written = self.writer.write_all(text.as_bytes());
        self.note(written)
    }

    /// Writes a line.
    pub(super) fn line(&mut self, text: &str) -> Result<(), CommandError> {
        self.write(text)?;
        self.write("\n")
    }

    /// Lets everything written so far be seen.
    pub(super) fn flush(&mut self) -> Result<(), CommandError> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.writer.flush();
        self.note(flushed)
    }

    fn note(&mut self, done: std::io::Result<()>) -> Result<(), CommandError> {
        match done {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            done => done.map_err(|error| CommandError::System { what: "printing", error }),
        }
    }
}

/// So many rows decide how wide the columns are.
const ROWS_MEASURED: usize = 500;

/// A table like [`super::output::table`] for any number of rows: the first of them set the columns' widths, and
/// what is wider later on pushes the rest of its line aside.
pub(super) struct Rows {
    columns: Vec<Column>,
    widths: Vec<usize>,
    first: Vec<Vec<String>>,
    /// Whether the head is printed, and so the widths are set.
    begun: bool,
}

impl Rows {
    pub(super) fn new(columns: &[Column]) -> Self {
        let widths = columns.iter().map(|column| column.name().chars().count()).collect();
        Self { columns: columns.to_vec(), widths, first: Vec::new(), begun: false }
    }

    /// Prints a row, or keeps it to measure it.
    pub(super) fn push(&mut self, out: &mut Out, row: Vec<String>) -> Result<(), CommandError> {
        if self.begun {
            return out.line(&self.shown(&row));
        }
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.chars().count().max(*width);
        }
        self.first.push(row);
        if self.first.len() == ROWS_MEASURED { self.begin(out) } else { Ok(()) }
    }

    /// Prints what was kept, and the head if there was nothing.
    pub(super) fn begin(&mut self, out: &mut Out) -> Result<(), CommandError> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let head = self.columns.iter().map(|column| column.name().to_owned()).collect();
        for row in std::iter::once(head).chain(std::mem::take(&mut self.first)) {
            out.line(&self.shown(&row))?;
        }
        Ok(())
    }

    fn shown(&self, row: &[String]) -> String {
        let cells = row.iter().zip(&self.columns).zip(&self.widths);
        let cells = cells.map(|((cell, column), &width)| match column {
            Column::Left(_) => format!("{cell:width$}"),
            Column::Right(_) => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// A JSON object of which one member at a time is written, each on a line; the elements of its lists too.
pub(super) struct Document<'o> {
    out: &'o mut Out,
    members: usize,
    elements: usize,
}

impl<'o> Document<'o> {
    pub(super) fn begin(out: &'o mut Out) -> Result<Self, CommandError> {
        out.write("{")?;
        Ok(Self { out, members: 0, elements: 0 })
    }

    /// Writes a member.
    pub(super) fn member(&mut self, name: &str, value: &impl Serialize) -> Result<(), CommandError> {
        self.name(name)?;
        self.out.write(&to_json(value))
    }

    /// Begins a list; what follows are its elements, until [`Document::end_list`].
    pub(super) fn list(&mut self, name: &str) -> Result<(), CommandError> {
        self.name(name)?;
        self.elements = 0;
        self.out.write("[")
    }

    /// Writes an element of the list.
    pub(super) fn element(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        let comma = if self.elements == 0 { "" } else { "," };
        self.elements += 1;
        self.out.write(&format!("{comma}\n    {}", to_json(value)))
    }

    pub(super) fn end_list(&mut self) -> Result<(), CommandError> {
        self.out.write(if self.elements == 0 { "]" } else { "\n  ]" })
    }

    pub(super) fn end(self) -> Result<(), CommandError> {
        self.out.write("\n}\n")?;
        self.out.flush()
    }

    /// Whether there is no point in going on.
    pub(super) fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    fn name(&mut self, name: &str) -> Result<(), CommandError> {
        let comma = if self.members == 0 { "" } else { "," };
        self.members += 1;
        self.out.write(&format!("{comma}\n  {}: ", to_json(&name)))
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("reports have only text for keys")
}
