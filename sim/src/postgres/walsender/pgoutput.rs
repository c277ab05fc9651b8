//! The output plugin `pgoutput`, protocol version 1: which changes are published, and the messages that say them.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::BufMut;
use leftover_core::connection::Lsn;

use crate::postgres::catalog::database::{PG_CATALOG, Publication};
use crate::postgres::catalog::relation::{
    ColumnDefinition, ColumnSource, Relation, RelationKind, ReplicaIdentity,
};
use crate::postgres::protocol::Replies;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::value::Value;
use crate::postgres::tuples::value_at;
use crate::postgres::wal::{Change, Committed, Logged, LoggedTable, Source};

/// The positions of `publishes` in a publication.
const INSERT: usize = 0;
const UPDATE: usize = 1;
const DELETE: usize = 2;
const TRUNCATE: usize = 3;

/// The plugin of one stream.
#[derive(Debug)]
pub struct PgOutput {
    publications: Vec<String>,
    /// What the client was told of tables, by oid.
    told: BTreeMap<u32, Rc<Source>>,
    /// Whether the transaction's Begin was sent: one of which nothing is published is not mentioned.
    begun: bool,
}

impl PgOutput {
    /// A plugin that publishes these publications.
    pub fn new(publications: Vec<String>) -> Self {
        Self {
            publications,
            told: BTreeMap::new(),
            begun: false,
        }
    }

    /// A transaction begins.
    pub fn begin(&mut self) {
        self.begun = false;
    }

    /// Appends what a change says to a client, if it is published.
    ///
    /// # Errors
    /// `42704` when there was no such publication when the change was made (OB-92, 93).
    pub fn change(
        &mut self,
        replies: &mut Replies<'_>,
        now: i64,
        transaction: &Committed,
        logged: &Logged,
    ) -> Result<(), PgError> {
        let (source, action) = match &logged.change {
            Change::Insert(source, _) => (source, INSERT),
            Change::Update(source, ..) => (source, UPDATE),
            Change::Delete(source, _) => (source, DELETE),
            Change::Truncate { .. } => return self.truncate(replies, now, transaction, logged),
        };
        let Some(target) = self.published(source, action)? else {
            return Ok(());
        };
        if let Some(message) = row_message(&logged.change, source, target) {
            self.begin_told(replies, now, transaction, logged.lsn);
            self.introduce(replies, now, source, target);
            data(replies, now, logged.lsn, |out| out.put_slice(&message));
        }
        Ok(())
    }

    fn truncate(
        &mut self,
        replies: &mut Replies<'_>,
        now: i64,
        transaction: &Committed,
        logged: &Logged,
    ) -> Result<(), PgError> {
        let Change::Truncate {
            tables,
            cascade,
            restart,
        } = &logged.change
        else {
            return Ok(());
        };
        let mut emptied = Vec::new();
        for source in tables {
            let target = self.published(source, TRUNCATE)?;
            // What is published as its root is emptied with it.
            if target.is_some_and(|target| target.oid() == source.table.oid()) {
                emptied.push(source);
            }
        }
        if emptied.is_empty() {
            return Ok(());
        }
        self.begin_told(replies, now, transaction, logged.lsn);
        for source in &emptied {
            self.introduce(replies, now, source, &source.table);
        }
        data(replies, now, logged.lsn, |out| {
            out.put_u8(b'T');
            out.put_u32(emptied.len() as u32);
            out.put_u8(u8::from(*cascade) | u8::from(*restart) << 1);
            emptied.iter().for_each(|source| out.put_u32(source.table.oid()));
        });
        Ok(())
    }

    /// Appends Commit, if there was a Begin.
    pub fn commit(&mut self, replies: &mut Replies<'_>, now: i64, transaction: &Committed) {
        if std::mem::take(&mut self.begun) {
            data(replies, now, transaction.end, |out| {
                out.put_u8(b'C');
                out.put_u8(0);
                out.put_u64(transaction.commit.0);
                out.put_u64(transaction.end.0);
                out.put_i64(transaction.at);
            });
        }
    }

    /// As which table an action on this one is published; `None` when it is not.
    fn published<'s>(&self, source: &'s Source, action: usize) -> Result<Option<&'s LoggedTable>, PgError> {
        let (mut target, mut published) = (&source.table, false);
        let mut height = 0;
        for name in &self.publications {
            let missing = || PgError::new("42704", format!("publication \"{name}\" does not exist"));
            let found = source.publications.iter().find(|known| known.name == *name);
            let publication = found.ok_or_else(missing)?;
            let Some(top) = topmost(publication, source) else {
                continue;
            };
            let partitioned = matches!(source.table.relation.kind, RelationKind::Partitioned(_));
            if partitioned && !publication.via_root {
                continue;
            }
            published |= publication.publishes[action];
            if publication.via_root && top > height {
                height = top;
                target = &source.ancestors[top - 1];
            }
        }
        Ok(published.then_some(target))
    }

    /// Appends Begin before the first change.
    fn begin_told(&mut self, replies: &mut Replies<'_>, now: i64, transaction: &Committed, lsn: Lsn) {
        if !std::mem::replace(&mut self.begun, true) {
            data(replies, now, lsn, |out| {
                out.put_u8(b'B');
                out.put_u64(transaction.commit.0);
                out.put_i64(transaction.at);
                out.put_u32(transaction.xid as u32);
            });
        }
    }

    /// Appends Relation, of the root too, when the client does not know the table as it is now published.
    fn introduce(&mut self, replies: &mut Replies<'_>, now: i64, source: &Rc<Source>, target: &LoggedTable) {
        let known = self.told.insert(source.table.oid(), Rc::clone(source));
        if known.is_some_and(|known| known.same(source)) {
            return;
        }
        // Only the last message of a change carries its place.
        if target.oid() != source.table.oid() {
            data(replies, now, Lsn::default(), |out| relation(out, target));
        }
        data(replies, now, Lsn::default(), |out| relation(out, &source.table));
    }
}

/// How many tables above the source a publication names it by: the highest there is, 0 for itself.
fn topmost(publication: &Publication, source: &Source) -> Option<usize> {
    let named = |table: &LoggedTable| {
        let relation = &table.relation;
        publication.tables.contains_key(&relation.oid)
            || publication.schemas.contains(&relation.schema)
            || (publication.all_tables && relation.schema != PG_CATALOG)
    };
    let above = source.ancestors.iter().rposition(named);
    above
        .map(|index| index + 1)
        .or_else(|| named(&source.table).then_some(0))
}

/// Appends XLogData.
fn data(replies: &mut Replies<'_>, now: i64, lsn: Lsn, write: impl FnOnce(&mut Vec<u8>)) {
    replies.copy_data_with(|out| {
        out.put_u8(b'w');
        out.put_u64(lsn.0);
        out.put_u64(lsn.0);
        out.put_i64(now);
        write(out);
    });
}

/// The message of a change of a row; `None` for a DELETE whose row cannot be named.
fn row_message(change: &Change, source: &Source, target: &LoggedTable) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let row = |values: &[Value], key_only: bool| cells(source, target, values, key_only);
    match change {
        Change::Insert(_, new) => {
            out.put_u8(b'I');
            out.put_u32(target.oid());
            tuple(&mut out, b'N', &row(new, false));
        }
        Change::Update(_, old, new) => {
            out.put_u8(b'U');
            out.put_u32(target.oid());
            match identity(source, old, Some(new)) {
                Some(Old::Row) => tuple(&mut out, b'O', &row(old, false)),
                Some(Old::Key) => tuple(&mut out, b'K', &row(old, true)),
                None => {}
            }
            tuple(&mut out, b'N', &row(new, false));
        }
        Change::Delete(_, old) => {
            let named = identity(source, old, None)?;
            out.put_u8(b'D');
            out.put_u32(target.oid());
            match named {
                Old::Row => tuple(&mut out, b'O', &row(old, false)),
                Old::Key => tuple(&mut out, b'K', &row(old, true)),
            }
        }
        Change::Truncate { .. } => return None,
    }
    Some(out)
}

/// What the log holds of an old row.
enum Old {
    /// All of it (REPLICA IDENTITY FULL).
    Row,
    /// Its key.
    Key,
}

/// What is logged of an old row: of an UPDATE the key only when it has changed.
fn identity(source: &Source, old: &[Value], new: Option<&[Value]>) -> Option<Old> {
    let table = &source.table;
    if table.relation.replica_identity == ReplicaIdentity::Full {
        return Some(Old::Row);
    }
    let at = |values, position: &usize| value_at(&table.relation, values, *position);
    let changed = match new {
        None => !table.key.is_empty(),
        Some(new) => table.key.iter().any(|key| at(old, key) != at(new, key)),
    };
    changed.then_some(Old::Key)
}

/// The columns that are sent: neither dropped nor generated ones.
fn columns(relation: &Relation) -> impl Iterator<Item = (usize, &ColumnDefinition)> {
    relation
        .live()
        .filter(|(_, column)| !matches!(column.source, ColumnSource::Generated(_)))
}

/// A stored row as text, in the columns of the table that it is published as.
fn cells(source: &Source, target: &LoggedTable, values: &[Value], key_only: bool) -> Vec<Option<String>> {
    let stored = &source.table.relation;
    let cell = |(position, column): (usize, &ColumnDefinition)| {
        if key_only && !target.key.contains(&position) {
            return None;
        }
        let at = if target.oid() == source.table.oid() {
            Some(position)
        } else {
            stored.column(&column.name)
        };
        let value = value_at(stored, values, at?);
        (!value.is_null()).then(|| value.to_text(&column.ty))
    };
    columns(&target.relation).map(cell).collect()
}

fn tuple(out: &mut Vec<u8>, kind: u8, cells: &[Option<String>]) {
    out.put_u8(kind);
    out.put_u16(cells.len() as u16);
    for cell in cells {
        match cell {
            None => out.put_u8(b'n'),
            Some(text) => {
                out.put_u8(b't');
                out.put_u32(text.len() as u32);
                out.put_slice(text.as_bytes());
            }
        }
    }
}

fn relation(out: &mut Vec<u8>, table: &LoggedTable) {
    let relation = &table.relation;
    let identity = match relation.replica_identity {
        ReplicaIdentity::Default => b'd',
        ReplicaIdentity::Full => b'f',
        ReplicaIdentity::Nothing => b'n',
        ReplicaIdentity::Index(_) => b'i',
    };
    out.put_u8(b'R');
    out.put_u32(relation.oid);
    text(out, &table.namespace);
    text(out, &relation.name);
    out.put_u8(identity);
    out.put_u16(columns(relation).count() as u16);
    for (position, column) in columns(relation) {
        out.put_u8(u8::from(identity == b'f' || table.key.contains(&position)));
        text(out, &column.name);
        out.put_u32(column.ty.oid());
        out.put_i32(column.modifier);
    }
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.put_slice(value.as_bytes());
    out.put_u8(0);
}
