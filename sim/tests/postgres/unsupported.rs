//! What the simulated server cannot do it says, with `0A000` and the statement's own words: it does not do
//! something else instead, and it does not call a statement of Postgres a syntax error.

use super::client::{Pg, Said, error};

/// Statements of Postgres that are not simulated.
const STATEMENTS: &[&str] = &[
    "ALTER AGGREGATE a(int) OWNER TO mirror",
    "ALTER COLLATION c RENAME TO d",
    "ALTER CONVERSION c RENAME TO d",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "ALTER DOMAIN d DROP NOT NULL",
    "ALTER EVENT TRIGGER e DISABLE",
    "ALTER EXTENSION e UPDATE",
    "ALTER FOREIGN TABLE f RENAME TO g",
    "ALTER FUNCTION f() RENAME TO g",
    "ALTER GROUP g RENAME TO h",
    "ALTER INDEX i RENAME TO j",
    "ALTER LANGUAGE plpgsql RENAME TO p",
    "ALTER LARGE OBJECT 1 OWNER TO mirror",
    "ALTER MATERIALIZED VIEW m RENAME TO n",
    "ALTER OPERATOR + (int, int) OWNER TO mirror",
    "ALTER POLICY p ON t RENAME TO q",
    "ALTER PROCEDURE p() RENAME TO q",
    "ALTER RULE r ON t RENAME TO s",
    "ALTER SCHEMA public RENAME TO p",
    "ALTER SEQUENCE s RESTART",
    "ALTER SERVER s VERSION '1'",
    "ALTER STATISTICS s RENAME TO t",
    "ALTER SUBSCRIPTION s DISABLE",
    "ALTER TABLESPACE t RENAME TO u",
    "ALTER TEXT SEARCH DICTIONARY d RENAME TO e",
    "ALTER TRIGGER r ON t RENAME TO s",
    "ALTER TYPE t RENAME TO u",
    "ALTER USER MAPPING FOR mirror SERVER s OPTIONS (a 'b')",
    "ALTER VIEW v RENAME TO w",
    "CALL p()",
    "CLOSE c",
    "CLUSTER t",
    "COMMIT PREPARED 'x'",
    "COPY t FROM '/tmp/x'",
    "COPY t TO PROGRAM 'cat'",
    "CREATE ACCESS METHOD a TYPE INDEX HANDLER h",
    "CREATE AGGREGATE a(int) (SFUNC = f, STYPE = int)",
    "CREATE CAST (int AS text) WITH INOUT",
    "CREATE COLLATION c FROM \"C\"",
    "CREATE DOMAIN d AS int",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
    "CREATE EXTENSION hstore",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE FOREIGN TABLE f (a int) SERVER s",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE MATERIALIZED VIEW m AS SELECT 1",
    "CREATE OPERATOR + (LEFTARG = int, RIGHTARG = int, FUNCTION = f)",
    "CREATE POLICY p ON t",
    "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
    "CREATE RULE r AS ON INSERT TO t DO NOTHING",
    "CREATE SEQUENCE s",
    "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "CREATE STATISTICS s ON a, b FROM t",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
    "CREATE TABLE t2 AS SELECT 1",
    "CREATE TABLESPACE t LOCATION '/tmp'",
    "CREATE TEMPORARY TABLE t2 (a int)",
    "CREATE TEXT SEARCH CONFIGURATION c (COPY = english)",
    "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE TYPE e AS ENUM ('a')",
    "CREATE USER MAPPING FOR mirror SERVER s",
    "CREATE VIEW v AS SELECT 1",
    "DEALLOCATE s",
    "DECLARE c CURSOR FOR SELECT 1",
    "DO $$ BEGIN PERFORM 1; END $$",
    "DROP FUNCTION f()",
    "DROP SUBSCRIPTION s",
    "DROP TYPE e",
    "DROP VIEW v",
    "EXECUTE s",
    "EXPLAIN SELECT 1",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT 1",
    "FETCH 1 FROM c",
    "IMPORT FOREIGN SCHEMA s FROM SERVER t INTO u",
    "LISTEN c",
    "LOAD 'x'",
    "MERGE INTO t USING t AS u ON t.a = u.a WHEN MATCHED THEN DELETE",
    "MOVE 1 FROM c",
    "NOTIFY c",
    "PREPARE TRANSACTION 'x'",
    "PREPARE s AS SELECT 1",
    "REASSIGN OWNED BY mirror TO postgres",
    "REFRESH MATERIALIZED VIEW m",
    "REINDEX TABLE t",
    "ROLLBACK PREPARED 'x'",
    "SECURITY LABEL ON TABLE t IS 'x'",
    "SELECT a INTO t2 FROM t",
    "SELECT a, count(*) OVER () FROM t",
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t TABLESAMPLE SYSTEM (10)",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SET CONSTRAINTS ALL DEFERRED",
    "UNLISTEN *",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) SELECT * FROM r",
];

#[test]
fn statements_that_are_not_simulated_answer_0a000_and_are_named() {
    Pg::run(1, async |pg| {
        let table = "CREATE TABLE t (a int, b int)";
        pg.server.sql("app", "mirror", table).await.unwrap();
        let mut client = pg.connect().await;
        let mut wrong = Vec::new();
        for statement in STATEMENTS {
            let said = client.query(statement).await;
            assert_eq!(said.last(), Some(&Said::Ready('I')), "{statement}");
            let named = |message: &str| {
                let (_, what) = message.split_once("does not support: ")?;
                // The statement, as it was or as the parser writes it; or the part of it.
                let first = |text: &str| text.split(' ').next().map(str::to_uppercase);
                (first(what) == first(statement) || statement.contains(what)).then_some(())
            };
            match error(&said) {
                Some((code, message)) if code == "0A000" && named(&message).is_some() => {}
                other => wrong.push(format!("{statement}: {other:?}")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
