//! The queries that the mirror and the census send to the catalogs run here, on catalogs of a few rows.

#[path = "support/mod.rs"]
mod support;

use support::{Memory, as_psql};

const CATALOGS: &str = "
CREATE TABLE pg_class (oid oid, relname name, relnamespace oid, relkind \"char\", relpersistence \"char\", relfilenode oid);
CREATE TABLE pg_namespace (oid oid, nspname name);
CREATE TABLE pg_attribute (attrelid oid, attnum int2, attname name, atttypid oid, atttypmod int4, attnotnull bool,
  attidentity \"char\", attgenerated \"char\", attisdropped bool, attcollation oid);
CREATE TABLE pg_attrdef (adrelid oid, adnum int2, adbin text);
CREATE TABLE pg_collation (oid oid, collname name);
CREATE TABLE pg_constraint (oid oid, conrelid oid, conname name, contype \"char\");
CREATE TABLE pg_stat_activity (pid int4, application_name text, backend_start timestamptz, state text);
CREATE TABLE pg_replication_slots (slot_name name, temporary bool, active_pid int4, confirmed_flush_lsn pg_lsn, database name);
INSERT INTO pg_namespace VALUES (11, 'pg_catalog'), (2200, 'public');
INSERT INTO pg_class VALUES (1, 'pg_class', 11, 'r', 'p', 1), (2, 'b', 2200, 'r', 'p', 2), (3, 'a', 2200, 'p', 'p', 0);
INSERT INTO pg_attribute VALUES (2, 1, 'id', 23, -1, true, '', '', false, 0), (2, 2, 'n', 1043, 14, false, '', '', false, 100);
INSERT INTO pg_collation VALUES (100, 'default');
INSERT INTO pg_constraint VALUES (9, 2, 'b_pkey', 'p');
INSERT INTO pg_stat_activity VALUES (1, 'leftover/m', '2024-01-01 00:00+00', 'idle'), (2, 'leftover/m', '2024-01-01 00:00+00', 'active'), (3, 'psql', NULL, NULL);
INSERT INTO pg_replication_slots VALUES ('s', false, NULL, '0/10', 'postgres');
";

#[test]
fn the_queries_of_the_mirror_and_the_census_run() {
    let cases = [
        (
            "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, pg_relation_size(c.oid), c.relfilenode,
               pg_relation_filenode(c.oid), has_table_privilege(c.oid, 'SELECT')
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r','p') AND n.nspname NOT IN ('pg_catalog','information_schema')
               AND n.nspname !~ '^pg_' ORDER BY 2, 3",
            "3|public|a|p|p|8192|0|8192|t\n2|public|b|r|p|8192|2|8192|t",
        ),
        (
            "SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, pg_get_expr(d.adbin, d.adrelid), co.collname
             FROM pg_catalog.pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             LEFT JOIN pg_collation co ON co.oid = a.attcollation
             WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (1,2,3) ORDER BY 1, 2",
            "2|1|id|integer|t||||\n2|2|n|character varying(10)|f||||default",
        ),
        (
            "SELECT conrelid, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
             WHERE contype IN ('p','u') AND conrelid IN (2,3)",
            "2|b_pkey|p|",
        ),
        (
            "SELECT pid, application_name, backend_start, state FROM pg_stat_activity
             WHERE application_name LIKE 'leftover/%' AND pid <> pg_backend_pid()",
            "2|leftover/m|2024-01-01 00:00:00+00|active",
        ),
        (
            "SELECT slot_name, temporary, active_pid, confirmed_flush_lsn, database FROM pg_replication_slots
             WHERE database = current_database() AND slot_name = 's'",
            "s|f||0/10|postgres",
        ),
        ("SELECT (current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots))", "9"),
        ("SELECT pg_terminate_backend(pid, 5000) FROM (VALUES (1),(2)) v(pid)", "t\nt"),
        ("SELECT slot_name, lsn FROM pg_create_logical_replication_slot('x', 'pgoutput')", "x|16/B374D848"),
        ("SELECT (pg_create_logical_replication_slot('x', 'pgoutput')).lsn", "16/B374D848"),
        ("SELECT count(*) FROM pg_class WHERE oid = 'pg_class'::regclass", "0"),
        ("SELECT no_such_function(1)", "ERROR 42883"),
        ("SELECT a, row_number() OVER () FROM pg_class", "ERROR 42703"),
        ("SELECT relname, row_number() OVER () FROM pg_class", "ERROR 0A000"),
        ("WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r", "ERROR 0A000"),
        ("SELECT 1 FROM pg_class FOR UPDATE", "ERROR 0A000"),
    ];
    let mut memory = Memory::default();
    memory.run(CATALOGS).expect("the catalogs are made");
    for (query, answer) in cases {
        assert_eq!(as_psql(memory.run(query)), answer, "{query}");
    }
}
