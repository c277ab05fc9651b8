//! The tables that scenarios run on.

use std::fmt::Write as _;

use leftover_harness::config::Config;

/// The tables' names; every second one has no key.
const TABLES: [&str; Config::MOST_TABLES as usize] = ["orders", "lines", "parcels", "scans"];

/// How many rows of 1,800 bytes fill a block.
const ROWS_PER_BLOCK: u32 = 4;

/// The size of a block, and of a partition.
pub const BLOCK_BYTES: u64 = 8192;

/// The tables' names, in the schema `public`.
pub fn names(config: &Config) -> &'static [&'static str] {
    let count = config.tables.clamp(1, Config::MOST_TABLES);
    &TABLES[..count as usize]
}

/// The tables, as SQL names them.
pub fn tables(config: &Config) -> Vec<String> {
    names(config)
        .iter()
        .map(|name| format!("public.{name}"))
        .collect()
}

/// How many partitions the tables have in all.
pub fn partitions(config: &Config) -> usize {
    names(config).len() * config.blocks as usize
}

/// The tables with their rows: with partitions of one block, as many partitions each as they have blocks.
pub fn source(config: &Config) -> String {
    let mut sql = target(config);
    for name in names(config) {
        let (letter, rows) = (&name[..1], config.blocks * ROWS_PER_BLOCK);
        let _ = writeln!(
            sql,
            "INSERT INTO public.{name} SELECT i, repeat('{letter}', 1800) FROM generate_series(1, {rows}) AS i;"
        );
    }
    sql
}

/// The table that a twin of the mirror mirrors.
pub const TWIN: &str = "twins";

/// The twin's table, where the configuration asks for one.
pub fn twin(config: &Config) -> String {
    if !config.twin {
        return String::new();
    }
    format!(
        "CREATE TABLE public.{TWIN} (id integer PRIMARY KEY, note text);\n\
         INSERT INTO public.{TWIN} SELECT i, 'twin' FROM generate_series(1, 4) AS i;\n"
    )
}

/// The same tables, empty, for pipelines that do not create them.
pub fn target(config: &Config) -> String {
    let mut sql = String::new();
    for (index, name) in names(config).iter().enumerate() {
        let key = if index % 2 == 0 { " PRIMARY KEY" } else { "" };
        let _ = writeln!(sql, "CREATE TABLE public.{name} (id integer{key}, note text);");
    }
    sql
}

/// Nothing, for pipelines that create their tables.
pub fn nothing(_: &Config) -> String {
    String::new()
}

/// What is easily forgotten: a table without rows, names that must be quoted and are not ASCII, a schema of
/// one's own, NULLs.
pub const ODD_ONES: &str = "\
CREATE TABLE public.nothing_yet (id integer PRIMARY KEY);
CREATE SCHEMA \"Lager Süd\";
CREATE TABLE \"Lager Süd\".\"Größe & Maß\" (\"Nummer\" integer PRIMARY KEY, \"Ä\"\"rger\" text);
INSERT INTO \"Lager Süd\".\"Größe & Maß\" VALUES (1, 'groß'), (2, NULL), (3, '');";

/// A table of somebody else, in which a long transaction writes.
pub const ELSEWHERE: &str = "CREATE TABLE public.somebody_elses (id integer);";

/// The long transaction's beginning.
pub const ELSEWHERE_BEGIN: &str = "BEGIN; INSERT INTO public.somebody_elses VALUES (1)";
