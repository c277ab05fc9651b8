//! Between two runs a world is as new, and the census sees what is there: both are what every verdict on a
//! real server rests on.

use std::time::Duration;

use leftover_harness::census::Census;
use leftover_harness::world::{Link as _, Server, Silence, World};

use crate::support::{Raw, on_both_worlds, session, wait_for_session};

#[test]
fn a_census_sees_an_idle_transaction_and_what_it_pins() {
    on_both_worlds(async |world| {
        let mut client = Raw::login(world, "holder", "").await;
        client
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
            .await;
        let seen = session(world, "holder").await.expect("it is there");
        assert_eq!(
            (seen.state.as_str(), seen.walsender),
            ("idle in transaction", false)
        );
        assert_eq!(seen.wait.as_deref(), Some("Client/ClientRead"));
        assert!(
            seen.pinned_xmin_age.is_some() && seen.transaction_for.is_some(),
            "{seen:?}"
        );
        assert_eq!(seen.user, world.login(Server::Source).user);
        assert!(!seen.waits_for_lock);
    });
}

#[test]
fn a_census_sees_who_waits_for_a_lock() {
    on_both_worlds(async |world| {
        world
            .sql(Server::Source, "CREATE TABLE t (id int)")
            .await
            .expect("a table can be made");
        let mut first = Raw::login(world, "first", "").await;
        first.run("BEGIN; LOCK t").await;
        let mut second = Raw::login(world, "second", "").await;
        second.send("SELECT * FROM t").await;
        wait_for_session(world, "second", |seen| {
            seen.is_some_and(|seen| seen.waits_for_lock)
        })
        .await;
        let seen = session(world, "second").await.expect("it waits");
        let behind: Vec<&str> = seen
            .blockers
            .iter()
            .map(|blocker| blocker.application_name.as_str())
            .collect();
        assert_eq!(behind, ["first"], "{seen:?}");
    });
}

#[test]
fn a_reset_leaves_an_empty_server() {
    on_both_worlds(async |world| {
        let mut holder = Raw::login(world, "holder", "").await;
        holder.run("BEGIN; SELECT 1").await;
        let mut silent = Raw::login(world, "silent", "").await;
        silent
            .link
            .silence(Silence::Both)
            .expect("packets can be dropped here");
        world
            .sql(
                Server::Source,
                "CREATE TABLE t (id int); CREATE PUBLICATION p FOR TABLE t; \
                 ALTER ROLE CURRENT_USER SET work_mem = '1MB'",
            )
            .await
            .expect("a publication can be made");
        world
            .sql(
                Server::Source,
                "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
            )
            .await
            .expect("a slot can be made");
        let admin = "CREATE DATABASE other";
        world
            .admin_sql(Server::Target, admin)
            .await
            .expect("a database can be made");
        world
            .admin_sql(Server::Target, "CREATE ROLE stranger")
            .await
            .expect("a role can be made");
        let before = world.census(Server::Source).await.expect("the server answers");
        assert_eq!(
            (
                before.sessions.len(),
                before.slots.len(),
                before.publications.len()
            ),
            (2, 1, 1)
        );

        world.reset().await.expect("a world can be reset");

        for server in Server::BOTH {
            assert_eq!(
                world.census(server).await.expect("the server answers"),
                Census::default()
            );
            let rows = world
                .sql(
                    server,
                    "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace), \
                     (SELECT count(*) FROM pg_database WHERE NOT datistemplate), \
                     (SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_'), \
                     (SELECT count(*) FROM pg_db_role_setting)",
                )
                .await
                .expect("the server answers");
            let seen: Vec<&str> = (0..4).filter_map(|column| rows[0].get(column)).collect();
            assert_eq!(seen, ["0", "2", "2", "0"], "on the {server}");
        }
    });
}

#[test]
fn the_peak_counts_sessions_of_one_prefix_since_the_reset() {
    on_both_worlds(async |world| {
        let clients = [
            Raw::login(world, "m/1", "").await,
            Raw::login(world, "m/2", "").await,
        ];
        let _stranger = Raw::login(world, "n/1", "").await;
        let seen = async |wanted| {
            let reached = async {
                while world.peak_sessions(Server::Source, "m/").await.expect("sampled") != wanted {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(crate::support::PATIENCE, reached)
                .await
                .expect("the sampler sees the sessions");
        };
        seen(2).await;
        drop(clients);
        crate::support::wait_until_gone(world, "m/1").await;
        crate::support::wait_until_gone(world, "m/2").await;
        assert_eq!(
            world.peak_sessions(Server::Source, "m/").await.expect("sampled"),
            2
        );
        assert_eq!(
            world.peak_sessions(Server::Target, "m/").await.expect("sampled"),
            0
        );
        world.reset().await.expect("a world can be reset");
        seen(0).await;
    });
}

#[test]
fn a_crash_ends_sessions_and_keeps_what_is_durable() {
    on_both_worlds(async |world| {
        let _client = Raw::login(world, "client", "").await;
        world
            .sql(
                Server::Source,
                "CREATE TABLE t AS SELECT 1 AS id; CREATE PUBLICATION p FOR TABLE t",
            )
            .await
            .expect("a publication can be made");
        world
            .sql(
                Server::Source,
                "SELECT pg_create_logical_replication_slot('kept', 'pgoutput')",
            )
            .await
            .expect("a slot can be made");
        world
            .crash(Server::Source)
            .await
            .expect("a server of ours can crash");
        world.restart(Server::Source).await.expect("it comes back");
        let census = world.census(Server::Source).await.expect("the server is back");
        assert_eq!(census.sessions, []);
        assert_eq!(
            census
                .slots
                .iter()
                .map(|slot| slot.name.as_str())
                .collect::<Vec<_>>(),
            ["kept"]
        );
        assert_eq!(census.publications, ["p"]);
        let rows = world
            .sql(Server::Source, "SELECT id FROM t")
            .await
            .expect("the table is back");
        assert_eq!(rows[0].get(0), Some("1"));
        let log = world.log(Server::Source).await.expect("the log can be read");
        assert!(log.contains("received immediate shutdown request"), "{log}");
    });
}
