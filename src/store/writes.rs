//! Writes to several tables that go to the server as one statement, which is one round trip, and a transaction by
//! itself where nobody began one.
//!
//! Each is a part of one `with`, beside a guard: an update whose row, where it finds one, lets all others through.
//! The parts don't see each other's rows, so no row may be written by two of them.
//!
//! Rows go as arrays, a column each, and are unnested in the select list: all in step. In the FROM clause each array
//! would be written to a store of its own first.

use std::fmt::Write as _;

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Encode, PgConnection, Postgres, Type};

use super::StoreError;

/// One statement in the making.
pub(super) struct Writes {
    sql: String,
    arguments: PgArguments,
    /// The first value that could not be encoded.
    failed: Option<BoxDynError>,
}

impl Writes {
    /// Begins with the guard, whose parameters are `$1` and so on in the order of `bind`.
    pub(super) fn guarded_by(guard: &'static str, bind: impl FnOnce(&mut Self)) -> Self {
        let sql = format!("with guard as ({guard} returning 1)");
        let mut writes = Self { sql, arguments: PgArguments::default(), failed: None };
        bind(&mut writes);
        writes
    }

    /// Adds a parameter, and gives its number.
    pub(super) fn bind<'t, T: Encode<'t, Postgres> + Type<Postgres>>(&mut self, value: T) -> usize {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self.arguments.len()
    }

    /// Begins a part: what is to be written to `table`.
    pub(super) fn rows<'w, R>(&'w mut self, table: &'static str, rows: &'w [R]) -> Part<'w, R> {
        Part { writes: self, table, rows, columns: Vec::new() }
    }

    /// Writes it all, or nothing where the guard finds no row. Says which.
    pub(super) async fn execute(mut self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        if let Some(error) = self.failed {
            return Err(sqlx::Error::Encode(error).into());
        }
        self.sql.push_str(" select from guard");
        // Put together from literals of this program; all that comes from outside is bound.
        let statement = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        Ok(statement.execute(connection).await?.rows_affected() > 0)
    }

    fn part(&mut self, statement: std::fmt::Arguments<'_>) {
        // By its position, to have a name that no table has.
        let place = self.sql.len();
        write!(self.sql, ", part_{place} as ({statement})").expect("a string takes everything");
    }
}

/// Rows of one table, and what is written of them.
pub(super) struct Part<'w, R> {
    writes: &'w mut Writes,
    table: &'static str,
    rows: &'w [R],
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    parameter: usize,
    /// What it becomes in a row that is there already. Nothing where it never changes.
    changed_to: Option<String>,
}

impl<'w, R> Part<'w, R> {
    /// A column, and its value in each row.
    pub(super) fn column<T>(self, name: &'static str, value: impl Fn(&'w R) -> T) -> Self
    where
        Vec<T>: Encode<'w, Postgres> + Type<Postgres>,
    {
        self.add(name, Some(format!("excluded.{name}")), value)
    }

    /// A column that is the same for as long as the row is there.
    pub(super) fn fixed<T>(self, name: &'static str, value: impl Fn(&'w R) -> T) -> Self
    where
        Vec<T>: Encode<'w, Postgres> + Type<Postgres>,
    {
        self.add(name, None, value)
    }

    /// A column that becomes `changed_to` in a row that is there already; `excluded` has the new values.
    pub(super) fn derived<T>(
        self,
        name: &'static str,
        changed_to: &'static str,
        value: impl Fn(&'w R) -> T,
    ) -> Self
    where
        Vec<T>: Encode<'w, Postgres> + Type<Postgres>,
    {
        self.add(name, Some(changed_to.to_owned()), value)
    }

    fn add<T>(mut self, name: &'static str, changed_to: Option<String>, value: impl Fn(&'w R) -> T) -> Self
    where
        Vec<T>: Encode<'w, Postgres> + Type<Postgres>,
    {
        if !self.rows.is_empty() {
            let parameter = self.writes.bind(self.rows.iter().map(value).collect::<Vec<T>>());
            self.columns.push(Column { name, parameter, changed_to });
        }
        self
    }

    /// Inserts the rows, of which none is there yet.
    pub(super) fn insert(self) {
        self.insert_and("");
    }

    /// Inserts the rows, or changes those that are there already under the same `key`.
    pub(super) fn upsert(self, key: &'static str) {
        let changed = self.columns.iter().filter_map(|column| {
            let value = column.changed_to.as_ref().filter(|_| column.name != key)?;
            Some(format!("{} = {value}", column.name))
        });
        let changed = changed.collect::<Vec<_>>().join(", ");
        self.insert_and(&format!(" on conflict ({key}) do update set {changed}"));
    }

    fn insert_and(self, on_conflict: &str) {
        if self.rows.is_empty() {
            return;
        }
        let Self { writes, table, columns, .. } = self;
        let names = columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
        let values = columns.iter().map(|column| format!("unnest(${})", column.parameter));
        let values = values.collect::<Vec<_>>().join(", ");
        writes.part(format_args!(
            "insert into {table} ({names}) select {values} where exists (select from guard){on_conflict}"
        ));
    }

    /// Changes rows that are there. `change` and `which` call the values `given`.
    pub(super) fn update(self, change: &'static str, which: &'static str) {
        if self.rows.is_empty() {
            return;
        }
        let Self { writes, table, columns, .. } = self;
        let given = columns.iter().map(|column| format!("unnest(${}) as {}", column.parameter, column.name));
        let given = given.collect::<Vec<_>>().join(", ");
        writes.part(format_args!(
            "update {table} set {change} from (select {given}) given where {which} and exists (select from guard)"
        ));
    }
}
