//! The rows of one table: blocks of tuples with `xmin` and `xmax`, and the entries of its unique indexes.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::snapshot::View;
use super::sql::value::Value;
use super::values;
use super::xid::{INVALID_XID, TransactionLog, Xid};

/// A tuple's place: block, and item from 1.
pub type Ctid = (u32, u16);

const BLOCK_BYTES: usize = 8192;
const BLOCK_HEADER: usize = 24;
const TUPLE_OVERHEAD: usize = 28;

/// One version of a row.
#[derive(Debug)]
pub struct Tuple {
    /// Who made it.
    pub xmin: Xid,
    /// Who unmade it, or [`INVALID_XID`].
    pub xmax: Xid,
    /// Its values, one for each column that the table had then.
    pub values: Rc<[Value]>,
    /// Whether vacuum has removed it.
    pub removed: bool,
}

#[derive(Debug, Default)]
struct Block {
    tuples: Vec<Tuple>,
    used: usize,
}

/// The entries of one unique index: which tuples have, or had, a key.
#[derive(Debug, Default)]
struct UniqueEntries {
    columns: Vec<usize>,
    entries: BTreeMap<Vec<Value>, Vec<Ctid>>,
}

/// The storage of one table.
#[derive(Debug, Default)]
pub struct Heap {
    blocks: Vec<Block>,
    rows_per_block: Option<usize>,
    unique: BTreeMap<u32, UniqueEntries>,
}

/// What stands in the way of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// A live row.
    Row(Ctid),
    /// A row whose maker or remover has not finished: wait for that transaction.
    Undecided(Xid),
}

impl Heap {
    /// An empty table.
    pub fn new(rows_per_block: Option<usize>) -> Self {
        Self {
            rows_per_block,
            ..Self::default()
        }
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u32 {
        self.blocks.len() as u32
    }

    /// The table's size.
    pub fn bytes(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK_BYTES as u64
    }

    /// Stores a row, without a look at unique indexes.
    pub fn insert(&mut self, xid: Xid, values: Rc<[Value]>) -> Ctid {
        let width = (TUPLE_OVERHEAD + values.iter().map(values::width).sum::<usize>()).next_multiple_of(8);
        let full = |block: &Block| match self.rows_per_block {
            Some(rows) => block.tuples.len() >= rows,
            None => block.used + width > BLOCK_BYTES - BLOCK_HEADER || block.tuples.len() >= 290,
        };
        if self.blocks.last().is_none_or(full) {
            self.blocks.push(Block::default());
        }
        let number = self.blocks.len() as u32 - 1;
        let block = self.blocks.last_mut().expect("a block was just made sure of");
        block.used += width;
        let ctid = (number, block.tuples.len() as u16 + 1);
        for index in self.unique.values_mut() {
            if let Some(key) = key(&index.columns, &values) {
                index.entries.entry(key).or_default().push(ctid);
            }
        }
        block.tuples.push(Tuple {
            xmin: xid,
            xmax: INVALID_XID,
            values,
            removed: false,
        });
        ctid
    }

    /// The tuple at a place.
    pub fn tuple(&self, ctid: Ctid) -> Option<&Tuple> {
        let item = usize::from(ctid.1).checked_sub(1)?;
        self.blocks
            .get(ctid.0 as usize)?
            .tuples
            .get(item)
            .filter(|tuple| !tuple.removed)
    }

    /// Marks the tuple at a place as unmade by `xid`.
    pub fn end(&mut self, ctid: Ctid, xid: Xid) {
        let tuple = self
            .blocks
            .get_mut(ctid.0 as usize)
            .and_then(|b| b.tuples.get_mut(usize::from(ctid.1) - 1));
        if let Some(tuple) = tuple {
            tuple.xmax = xid;
        }
    }

    /// All tuples in physical order.
    pub fn tuples(&self) -> impl Iterator<Item = (Ctid, &Tuple)> + '_ {
        self.blocks.iter().enumerate().flat_map(|(number, block)| {
            let items = block
                .tuples
                .iter()
                .enumerate()
                .filter(|(_, tuple)| !tuple.removed);
            items.map(move |(item, tuple)| ((number as u32, item as u16 + 1), tuple))
        })
    }

    /// Adds a unique index over these columns (by position).
    pub fn add_unique(&mut self, index: u32, columns: Vec<usize>) {
        let mut entries: BTreeMap<Vec<Value>, Vec<Ctid>> = BTreeMap::new();
        for (ctid, tuple) in self.tuples() {
            if let Some(key) = key(&columns, &tuple.values) {
                entries.entry(key).or_default().push(ctid);
            }
        }
        self.unique.insert(index, UniqueEntries { columns, entries });
    }

    /// Forgets a unique index.
    pub fn drop_unique(&mut self, index: u32) {
        self.unique.remove(&index);
    }

    /// The unique indexes that storage keeps entries for.
    pub fn unique_columns(&self) -> impl Iterator<Item = (u32, &[usize])> {
        self.unique
            .iter()
            .map(|(&oid, index)| (oid, index.columns.as_slice()))
    }

    /// What stands in the way of a row with these values in unique index `index`, besides the row at `except`.
    pub fn conflict(
        &self,
        log: &TransactionLog,
        own: Option<Xid>,
        index: u32,
        values: &[Value],
        except: &[Ctid],
    ) -> Option<Conflict> {
        let unique = self.unique.get(&index)?;
        let places = unique.entries.get(&key(&unique.columns, values)?)?;
        places
            .iter()
            .filter(|ctid| !except.contains(ctid))
            .find_map(|&ctid| {
                let tuple = self.tuple(ctid)?;
                Self::standing(log, own, tuple, ctid)
            })
    }

    fn standing(log: &TransactionLog, own: Option<Xid>, tuple: &Tuple, ctid: Ctid) -> Option<Conflict> {
        let maker = log.top(tuple.xmin)?;
        if Some(maker) != own && !log.committed(maker) {
            return Some(Conflict::Undecided(tuple.xmin));
        }
        match (tuple.xmax != INVALID_XID).then(|| log.top(tuple.xmax)).flatten() {
            None => Some(Conflict::Row(ctid)),
            Some(remover) if Some(remover) == own || log.committed(remover) => None,
            Some(_) => Some(Conflict::Undecided(tuple.xmax)),
        }
    }

    /// Removes the tuples that nobody can see any more; returns how many went and how many dead ones stay.
    pub fn vacuum(&mut self, log: &TransactionLog, horizon: Xid) -> (u64, u64) {
        let (mut gone, mut kept) = (0, 0);
        for tuple in self
            .blocks
            .iter_mut()
            .flat_map(|block| block.tuples.iter_mut())
            .filter(|t| !t.removed)
        {
            if log.top(tuple.xmin).is_none() {
                tuple.removed = true;
                gone += 1;
            } else if tuple.xmax != INVALID_XID && log.committed(tuple.xmax) {
                if log.top(tuple.xmax).is_some_and(|top| top < horizon) {
                    tuple.removed = true;
                    gone += 1;
                } else {
                    kept += 1;
                }
            }
        }
        (gone, kept)
    }

    /// How many tuples `view` sees.
    pub fn count(&self, log: &TransactionLog, view: View<'_>) -> usize {
        self.tuples()
            .filter(|(_, tuple)| view.sees(log, tuple.xmin, tuple.xmax))
            .count()
    }
}

/// The entry that these values have in an index over `columns`; `None` when one of them is NULL.
fn key(columns: &[usize], row: &[Value]) -> Option<Vec<Value>> {
    columns
        .iter()
        .map(|&column| row.get(column).filter(|value| !value.is_null()).cloned())
        .collect()
}
