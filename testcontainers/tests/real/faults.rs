//! A link's faults are what they say, seen from the server: a fault layer that believes it made silence and
//! made a FIN would call leaking code clean.

use leftover_harness::world::{Link as _, Server, Silence, World};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Raw, on_both_worlds, session, wait_for_log, wait_for_session, wait_until_gone};

/// Keepalives that give a silent peer up after about three seconds.
const KEEPALIVE: &str = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";

/// More rows than all buffers between server and client hold.
const ENDLESS: &str = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT";

#[test]
fn dropping_a_link_is_a_fin() {
    on_both_worlds(async |world| {
        let mut client = Raw::login(world, "fin", "").await;
        client.run("BEGIN").await;
        drop(client);
        wait_until_gone(world, "fin").await;
        wait_for_log(
            world,
            "fin",
            "unexpected EOF on client connection with an open transaction",
        )
        .await;
    });
}

#[test]
fn resetting_a_link_is_a_rst() {
    on_both_worlds(async |world| {
        let mut client = Raw::login(world, "rst", "").await;
        client.run("BEGIN").await;
        client.link.reset();
        wait_until_gone(world, "rst").await;
        wait_for_log(world, "rst", "Connection reset by peer").await;
        assert!(
            client.link.write_all(b"X").await.is_err(),
            "a link that was reset takes no more bytes"
        );
    });
}

#[test]
fn a_blocked_copy_does_not_notice_a_half_close_but_ends_with_a_reset() {
    on_both_worlds(async |world| {
        let mut half = Raw::login(world, "half", "").await;
        let mut reset = Raw::login(world, "reset", "").await;
        let blocked = |wait: &str| wait == "Client/ClientWrite";
        for (client, name) in [(&mut half, "half"), (&mut reset, "reset")] {
            client.send(ENDLESS).await;
            wait_for_session(world, name, |seen| {
                seen.and_then(|seen| seen.wait.as_deref()).is_some_and(blocked)
            })
            .await;
        }
        half.link.shutdown().await.expect("open");
        reset.link.reset();
        wait_until_gone(world, "reset").await;
        let seen = session(world, "half").await.expect("OB-08: it is still there");
        assert_eq!(seen.wait.as_deref(), Some("Client/ClientWrite"));
        drop(half);
        wait_until_gone(world, "half").await;
    });
}

#[test]
fn a_half_closed_idle_session_ends() {
    on_both_worlds(async |world| {
        let mut client = Raw::login(world, "half-idle", "").await;
        client.link.shutdown().await.expect("open");
        wait_until_gone(world, "half-idle").await;
    });
}

#[test]
fn a_silent_peer_is_given_up_by_keepalives_alone() {
    on_both_worlds(async |world| {
        let mut without = Raw::login(world, "without", "").await;
        let mut with = Raw::login(world, "with", KEEPALIVE).await;
        without
            .link
            .silence(Silence::Both)
            .expect("packets can be dropped here");
        with.link
            .silence(Silence::Both)
            .expect("packets can be dropped here");
        // No FIN may get through either.
        drop(without);
        drop(with);
        wait_until_gone(world, "with").await;
        assert!(
            session(world, "without").await.is_some(),
            "OB-17: without keepalives nobody notices"
        );
        world.reset().await.expect("a world can be reset");
        assert!(session(world, "without").await.is_none());
    });
}

#[test]
fn silence_one_way_drops_what_goes_that_way_only() {
    on_both_worlds(async |world| {
        world
            .sql(Server::Source, "CREATE TABLE t (id int)")
            .await
            .expect("a table can be made");
        let count = async || {
            let rows = world
                .sql(Server::Source, "SELECT count(*) FROM t")
                .await
                .expect("a table can be read");
            rows[0].parse::<u64>(0).expect("a count")
        };

        let mut deaf = Raw::login(world, "deaf", "").await;
        deaf.link
            .silence(Silence::ToClient)
            .expect("packets can be dropped here");
        deaf.send("INSERT INTO t VALUES (1)").await;
        wait_for_session(world, "deaf", |seen| {
            seen.is_some_and(|seen| seen.query.starts_with("INSERT"))
        })
        .await;
        wait_for_session(world, "deaf", |seen| {
            seen.is_some_and(|seen| seen.state == "idle")
        })
        .await;
        assert_eq!(count().await, 1, "what went to the server arrived");

        let mut mute = Raw::login(world, "mute", KEEPALIVE).await;
        mute.link
            .silence(Silence::ToServer)
            .expect("packets can be dropped here");
        mute.send("INSERT INTO t VALUES (2)").await;
        wait_until_gone(world, "mute").await;
        assert_eq!(count().await, 1, "what went to the server vanished");
    });
}

#[test]
fn other_connections_are_not_silenced() {
    on_both_worlds(async |world| {
        let mut silent = Raw::login(world, "silent", "").await;
        let mut other = Raw::login(world, "other", "").await;
        silent
            .link
            .silence(Silence::Both)
            .expect("packets can be dropped here");
        other.run("SELECT 1").await;
    });
}
