//! The tables that scenarios run on.

/// Two tables of four blocks each, one with a key and one without: with partitions of one block, four
/// partitions each.
pub const SOURCE: &str = "\
CREATE TABLE public.orders (id integer PRIMARY KEY, note text);
CREATE TABLE public.lines (id integer, note text);
INSERT INTO public.orders SELECT i, repeat('o', 1800) FROM generate_series(1, 16) AS i;
INSERT INTO public.lines SELECT i, repeat('l', 1800) FROM generate_series(1, 16) AS i;";

/// The same tables, empty, for pipelines that do not create them.
pub const TARGET: &str = "\
CREATE TABLE public.orders (id integer PRIMARY KEY, note text);
CREATE TABLE public.lines (id integer, note text);";

/// What is easily forgotten: a table without rows, names that must be quoted and are not ASCII, a schema of
/// one's own, NULLs.
pub const ODD_ONES: &str = "\
CREATE TABLE public.nothing_yet (id integer PRIMARY KEY);
CREATE SCHEMA \"Lager Süd\";
CREATE TABLE \"Lager Süd\".\"Größe & Maß\" (\"Nummer\" integer PRIMARY KEY, \"Ä\"\"rger\" text);
INSERT INTO \"Lager Süd\".\"Größe & Maß\" VALUES (1, 'groß'), (2, NULL), (3, '');";

/// How many blocks each of the two tables has.
pub const BLOCKS: u64 = 4;

/// The size of a block, and of a partition.
pub const BLOCK_BYTES: u64 = 8192;

/// The two tables, as SQL names them.
pub const TABLES: [&str; 2] = ["public.orders", "public.lines"];

/// How many partitions the two tables have.
pub const PARTITIONS: usize = 8;

/// A table of somebody else, in which a long transaction writes.
pub const ELSEWHERE: &str = "CREATE TABLE public.somebody_elses (id integer);";

/// The long transaction's beginning.
pub const ELSEWHERE_BEGIN: &str = "BEGIN; INSERT INTO public.somebody_elses VALUES (1)";
