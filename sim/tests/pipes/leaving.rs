//! Each way of leaving, as the other end sees it (OB-01, 04, 07, 08, 17, 20, 22, 23).

use std::io::ErrorKind;

use leftover_harness::world::{Link, Silence};
use leftover_sim::postgres::socket::{Peer, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SHORT, connected, connected_with, narrow, peer_within, seconds, within};

#[test]
fn a_dropped_client_is_seen_as_fin_and_its_data_before_that_can_be_read() {
    connected(|timer, mut client, mut server| async move {
        client.write_all(b"goodbye").await.unwrap();
        drop(client);
        let (peer, after) = peer_within(&timer, &mut server, SHORT)
            .await
            .expect("seen at once");
        assert_eq!(peer, Peer::Fin);
        assert!(after < SHORT);
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"goodbye");
    });
}

#[test]
fn a_client_dropped_with_unread_data_is_seen_as_reset() {
    connected(|timer, client, mut server| async move {
        server.write_all(b"row").await.unwrap();
        timer.sleep(SHORT).await;
        drop(client);
        assert_eq!(
            peer_within(&timer, &mut server, SHORT).await.unwrap().0,
            Peer::Dead
        );
        assert_eq!(
            server.read(&mut [0; 8]).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    });
}

#[test]
fn what_was_sent_before_a_reset_can_still_be_read() {
    connected(|timer, mut client, mut server| async move {
        client.write_all(b"INSERT").await.unwrap();
        client.reset();
        timer.sleep(SHORT).await;
        assert_eq!(server.peer(), Peer::Dead);
        let mut buffer = [0; 16];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 6, "OB-23");
        assert_eq!(
            server.read(&mut buffer).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(
            server.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        assert_eq!(
            client.read(&mut buffer).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(
            client.write(b"x").await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    });
}

#[test]
fn a_half_closed_client_still_receives_and_acknowledges() {
    connected_with(narrow(), 1, |timer, mut client, mut server| async move {
        server.set_user_timeout(Some(seconds(2)));
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(server.peer(), Peer::Fin);
        let mut buffer = [0; 700];
        for _ in 0..10 {
            server.write_all(&[7; 700]).await.unwrap();
            client.read_exact(&mut buffer).await.unwrap();
            timer.sleep(seconds(1)).await;
        }
        assert_eq!(server.peer(), Peer::Fin);
        assert_eq!(
            client.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn a_write_that_is_blocked_does_not_notice_a_half_close() {
    connected_with(narrow(), 1, |timer, mut client, mut server| async move {
        client.shutdown().await.unwrap();
        let written = within(&timer, seconds(13), server.write_all(&[0; 5_000])).await;
        assert!(written.is_none(), "OB-08");
        assert_eq!(server.peer(), Peer::Fin);
    });
}

#[test]
fn a_write_that_is_blocked_fails_when_the_client_leaves_with_unread_data() {
    connected_with(narrow(), 1, |timer, client, mut server| async move {
        assert!(
            within(&timer, seconds(5), server.write_all(&[0; 5_000]))
                .await
                .is_none()
        );
        drop(client);
        let failed = within(&timer, SHORT, server.write_all(&[0; 5_000]))
            .await
            .expect("OB-07");
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn writing_to_a_closed_peer_succeeds_once_and_then_fails_and_its_last_words_stay_readable() {
    connected(|timer, mut client, mut server| async move {
        server.write_all(b"FATAL").await.unwrap();
        drop(server);
        timer.sleep(SHORT).await;
        client.write_all(b"one").await.unwrap();
        timer.sleep(SHORT).await;
        assert_eq!(
            client.write(b"two").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe,
            "OB-22"
        );
        let mut words = Vec::new();
        client.read_to_end(&mut words).await.unwrap();
        assert_eq!(words, b"FATAL");
    });
}

#[test]
fn a_server_that_writes_to_a_closed_client_is_reset_by_what_it_wrote() {
    connected(|timer, client, mut server| async move {
        drop(client);
        timer.sleep(SHORT).await;
        assert_eq!(server.peer(), Peer::Fin);
        server.write_all(b"row").await.unwrap();
        timer.sleep(SHORT).await;
        assert_eq!(server.peer(), Peer::Dead);
        assert_eq!(
            server.write(b"row").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn data_on_its_way_to_a_client_that_closes_comes_back_as_a_reset() {
    connected(|timer, client, mut server| async move {
        server.write_all(b"row").await.unwrap();
        drop(client);
        timer.sleep(SHORT).await;
        assert_eq!(server.peer(), Peer::Dead);
    });
}

#[test]
fn a_silent_peer_is_never_seen_whatever_it_does() {
    for which in [Silence::Both, Silence::ToServer] {
        for leave in ["stays", "drops", "resets", "drops with unread data"] {
            connected(|timer, mut client, mut server| async move {
                if leave == "drops with unread data" {
                    server.write_all(b"row").await.unwrap();
                    timer.sleep(SHORT).await;
                }
                client.silence(which).unwrap();
                match leave {
                    "stays" => std::mem::forget(client),
                    "resets" => client.reset(),
                    _ => drop(client),
                }
                let seen = peer_within(&timer, &mut server, seconds(600)).await;
                assert_eq!(seen, None, "OB-17: {which:?}, {leave}");
            });
        }
    }
}

#[test]
fn silence_to_the_client_alone_lets_the_server_see_it_close() {
    connected(|timer, mut client, mut server| async move {
        client.silence(Silence::ToClient).unwrap();
        client.write_all(b"still heard").await.unwrap();
        drop(client);
        assert_eq!(
            peer_within(&timer, &mut server, SHORT).await.unwrap().0,
            Peer::Fin
        );
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "still heard");
    });
}

#[test]
fn what_is_on_its_way_when_silence_falls_arrives_or_is_lost_but_never_with_a_hole() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let heard = connected_with(
            Default::default(),
            seed,
            |timer, mut client, mut server| async move {
                for byte in *b"abc" {
                    client.write_all(&[byte]).await.unwrap();
                }
                client.silence(Silence::ToServer).unwrap();
                client.write_all(b"never").await.unwrap();
                let mut heard = Vec::new();
                let _ = within(&timer, seconds(5), server.read_to_end(&mut heard)).await;
                String::from_utf8(heard).unwrap()
            },
        );
        outcomes.insert(heard);
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["", "a", "ab", "abc"]);
}

#[test]
fn a_client_hears_nothing_more_and_its_kernel_gives_up_after_fifteen_minutes() {
    connected(|timer, mut client, server| async move {
        client.silence(Silence::Both).unwrap();
        client.write_all(b"anyone?").await.unwrap();
        drop(server);
        assert!(
            within(&timer, seconds(900), client.read(&mut [0; 8]))
                .await
                .is_none()
        );
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(timer.now() < seconds(930));
    });
}
