//! `leftover mirror` on real servers, stopped in the middle of its initial load in the five ways in which
//! people stop such things. After each, nothing of it is on either server but what `docs/mirror.md` says may
//! stay, and `mirror drop` then leaves nothing at all.
//!
//! The middle of the load is held, not hoped for: while the table `gate` on the target has a row, a trigger
//! there lets no row in. So the target reads nothing, and the connections are full, when the load is stopped:
//! the case in which a FIN would wait behind data that nobody reads.

mod scene;

use leftover_harness::world::{Server, Shutdown};
use scene::{Scene, on_a_world};

#[test]
fn ctrl_c_in_the_middle_of_the_load() {
    on_a_world(async |world| {
        let scene = Scene::set(world).await;
        let mut load = scene.run();
        scene.until_copying(&mut load).await;
        load.signal("INT");
        let ended = load.end();
        assert_eq!(ended.code, Some(0), "{ended}");
        // At return: sessions and slot are gone; the publication may stay until the next run or drop.
        let source = scene.census(Server::Source).await;
        assert_eq!((source.sessions, source.slots), (vec![], vec![]), "{ended}");
        assert_eq!(scene.census(Server::Target).await.sessions, [], "{ended}");
        scene.drop_leaves_nothing().await;
    });
}

#[test]
fn mirror_drop_from_another_terminal() {
    on_a_world(async |world| {
        let scene = Scene::set(world).await;
        let mut load = scene.run();
        scene.until_copying(&mut load).await;
        scene.drop_leaves_nothing().await;
        let ended = load.end();
        assert_ne!(
            ended.code,
            Some(0),
            "a load that was dropped has not succeeded: {ended}"
        );
        // The process that was robbed of its load made nothing new on its way out.
        scene.nothing_is_left().await;
    });
}

#[test]
fn kill_9_in_the_middle_of_the_load() {
    on_a_world(async |world| {
        let scene = Scene::set(world).await;
        let mut load = scene.run();
        scene.until_copying(&mut load).await;
        load.signal("KILL");
        load.end();
        // B1: the servers take back what the dead process held, with nobody's help. Slot and publication stay.
        scene.until_sessions_are_gone().await;
        for slot in scene.census(Server::Source).await.slots {
            assert!(
                slot.active_pid.is_none() && slot.name.starts_with("leftover_shop_"),
                "{slot:?}"
            );
        }
        scene.drop_leaves_nothing().await;
    });
}

#[test]
fn pg_terminate_backend_on_each_session() {
    on_a_world(async |world| {
        let scene = Scene::set(world).await;
        scene.leave_the_gate_ajar().await;
        let mut load = scene.run();
        scene.until_copying(&mut load).await;
        let mut victims = Vec::new();
        for server in Server::BOTH {
            let sessions = scene.census(server).await.sessions;
            // The snapshot's holder last: with it goes the attempt, and every other session with that.
            victims.extend(
                sessions
                    .into_iter()
                    .map(|session| (session.walsender, server, session)),
            );
        }
        victims.sort_by_key(|(walsender, server, session)| (*walsender, *server, session.pid));
        assert!(
            victims.iter().any(|(walsender, ..)| *walsender),
            "no session holds the snapshot"
        );
        assert!(victims.len() >= 5, "{victims:?}");
        for (_, server, session) in victims {
            scene.terminate(server, session.pid).await;
            scene.until_copying(&mut load).await;
        }
        scene.open_the_gate().await;
        let ended = load.end();
        assert_eq!(ended.code, Some(0), "{ended}");
        scene.is_loaded_once().await;
        let source = scene.census(Server::Source).await;
        assert_eq!(source.sessions, [], "{ended}");
        assert_eq!(
            (source.slots.len(), source.publications.len()),
            (1, 1),
            "{source:?}"
        );
        assert!(source.slots[0].active_pid.is_none());
        assert_eq!(scene.census(Server::Target).await.sessions, []);
        scene.drop_leaves_nothing().await;
    });
}

#[test]
fn a_target_that_stops_in_the_middle_of_the_load() {
    on_a_world(async |world| {
        let scene = Scene::set(world).await;
        let mut load = scene.run();
        scene.until_copying(&mut load).await;
        world
            .stop(Server::Target, Shutdown::Fast)
            .await
            .expect("the servers are this test's own");
        let ended = load.end();
        assert_eq!(
            ended.code,
            Some(3),
            "a load without a target could not run: {ended}"
        );
        scene.until_sessions_of_source_are_gone().await;

        // While the target is away a drop says what it cannot know, and removes what it can reach.
        let dropped = scene.drop_mirror();
        assert_eq!(dropped.code, Some(1), "{dropped}");
        assert!(dropped.out.contains("may be left on the target"), "{dropped}");
        let source = scene.census(Server::Source).await;
        assert_eq!(source, leftover_harness::census::Census::default(), "{dropped}");

        world
            .start_again(Server::Target)
            .await
            .expect("the servers are this test's own");
        scene.drop_leaves_nothing().await;
    });
}
