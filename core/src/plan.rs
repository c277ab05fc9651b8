//! Cuts tables into partitions by size: ranges of blocks, read by `ctid` (OB-108).

use std::fmt;

use crate::catalog::{Kind, Table};
use crate::names::TableName;

/// A range of blocks of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) table: TableName,
    /// The columns that are copied, as SQL.
    pub(crate) columns: String,
    pub(crate) first_block: u64,
    /// The block after the last one; open at the table's end.
    pub(crate) end_block: Option<u64>,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first_block, self.end_block) {
            (0, None) => write!(f, "{}", self.table),
            (first, Some(end)) => write!(f, "{} blocks {first} to {}", self.table, end - 1),
            (first, None) => write!(f, "{} blocks {first} to the last", self.table),
        }
    }
}

impl Partition {
    /// The `COPY` that reads the partition.
    pub(crate) fn copy_out(&self) -> String {
        let Partition {
            table,
            columns,
            first_block,
            end_block,
        } = self;
        let mut conditions = Vec::new();
        if *first_block > 0 {
            conditions.push(format!("ctid >= '({first_block},0)'::tid"));
        }
        if let Some(end) = end_block {
            conditions.push(format!("ctid < '({end},0)'::tid"));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        format!(
            "COPY (SELECT {columns} FROM ONLY {}{filter}) TO STDOUT (FORMAT binary)",
            table.sql()
        )
    }

    /// The `COPY` that writes the partition.
    pub(crate) fn copy_in(&self) -> String {
        let list = if self.columns.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.columns)
        };
        format!("COPY {}{list} FROM STDIN (FORMAT binary)", self.table.sql())
    }
}

/// The partitions of all tables that have rows of their own, the largest tables first, so that no worker is
/// left with a large one at the end.
pub(crate) fn plan(tables: &[Table], partition_bytes: u64, block_bytes: u64) -> Vec<Partition> {
    let mut ordinary: Vec<&Table> = tables.iter().filter(|t| t.kind == Kind::Ordinary).collect();
    ordinary.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let step = partition_bytes.div_ceil(block_bytes.max(1)).max(1);
    ordinary
        .into_iter()
        .flat_map(|table| cut(table, step, block_bytes.max(1)))
        .collect()
}

fn cut(table: &Table, step: u64, block_bytes: u64) -> Vec<Partition> {
    let blocks = table.bytes.div_ceil(block_bytes);
    let count = blocks.div_ceil(step).max(1);
    let columns = table.copied_columns();
    (0..count)
        .map(|index| Partition {
            table: table.name.clone(),
            columns: columns.clone(),
            first_block: index * step,
            end_block: (index + 1 < count).then_some((index + 1) * step),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(name: &str, bytes: u64) -> Table {
        Table {
            oid: 1,
            name: TableName::new("s", name),
            kind: Kind::Ordinary,
            file: 1,
            bytes,
            partition_of: None,
            columns: Vec::new(),
            keys: Vec::new(),
            owned: true,
            readable: true,
            insertable: true,
        }
    }

    #[test]
    fn an_empty_table_is_one_partition_without_bounds() {
        let plan = plan(&[table("t", 0)], 1 << 20, 8192);
        assert_eq!(plan.len(), 1);
        assert_eq!(
            plan[0].copy_out(),
            "COPY (SELECT  FROM ONLY \"s\".\"t\") TO STDOUT (FORMAT binary)"
        );
        assert_eq!(plan[0].copy_in(), "COPY \"s\".\"t\" FROM STDIN (FORMAT binary)");
    }

    #[test]
    fn the_largest_table_comes_first() {
        let plan = plan(&[table("small", 1), table("large", 9 * 8192)], 8192 * 4, 8192);
        let texts: Vec<String> = plan.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "s.large blocks 0 to 3",
                "s.large blocks 4 to 7",
                "s.large blocks 8 to the last",
                "s.small"
            ]
        );
    }

    proptest! {
        #[test]
        fn partitions_cover_every_block_once(bytes in 0u64..1 << 36, partition_bytes in 1u64..1 << 31) {
            prop_assume!(bytes / partition_bytes < 10_000);
            let plan = plan(&[table("t", bytes)], partition_bytes, 8192);
            prop_assert_eq!(plan[0].first_block, 0);
            for pair in plan.windows(2) {
                prop_assert_eq!(pair[0].end_block, Some(pair[1].first_block));
                prop_assert!(pair[0].first_block < pair[1].first_block);
            }
            prop_assert_eq!(plan[plan.len() - 1].end_block, None);
        }
    }
}
