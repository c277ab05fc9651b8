//! When a server's kernel gives a silent client up: the `ka`, `utmo` and `ka+utmo` columns of section 2.1.
//! Nominal times are 3 s, 2 s and 2 s (2.8, 1.8 and 1.8 were measured from the silence, which fell 0.2 s
//! after the last traffic).

use std::io::ErrorKind;
use std::time::Duration;

use leftover_harness::world::{Link, Silence};
use leftover_sim::postgres::socket::{Keepalive, Peer, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{KEEPALIVE, SHORT, connected, connected_with, narrow, peer_within, seconds, within};

const NEVER: Duration = seconds(600);
const UTMO: Option<Duration> = Some(seconds(2));

/// How long after the last traffic an idle connection's silent client is given up.
fn idle(which: Silence, keepalive: Option<Keepalive>, utmo: Option<Duration>) -> Option<Duration> {
    connected(|timer, mut client, mut server| async move {
        server.set_keepalive(keepalive);
        server.set_user_timeout(utmo);
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0]).await.unwrap();
        let heard = timer.now();
        timer.sleep(Duration::from_millis(200)).await;
        client.silence(which).unwrap();
        let seen = peer_within(&timer, &mut server, NEVER).await?;
        assert_eq!(seen.0, Peer::Dead);
        assert_eq!(
            server.read(&mut [0]).await.unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        Some(timer.now() - heard)
    })
}

/// The same with data that the client never acknowledges: a write after the silence.
fn unacknowledged(keepalive: Option<Keepalive>, utmo: Option<Duration>) -> Option<Duration> {
    connected(|timer, mut client, mut server| async move {
        server.set_keepalive(keepalive);
        server.set_user_timeout(utmo);
        client.silence(Silence::Both).unwrap();
        timer.sleep(Duration::from_millis(500)).await;
        server.write_all(b"keepalive").await.unwrap();
        Some(peer_within(&timer, &mut server, NEVER).await?.1)
    })
}

/// The same with a writer that is blocked by the unread window.
fn blocked(silent: bool, utmo: Option<Duration>) -> Option<(ErrorKind, Duration)> {
    connected_with(narrow(), 1, |timer, mut client, mut server| async move {
        server.set_keepalive(Some(KEEPALIVE));
        server.set_user_timeout(utmo);
        let written = within(&timer, Duration::from_millis(200), server.write_all(&[0; 9_000])).await;
        assert!(written.is_none());
        if silent {
            client.silence(Silence::Both).unwrap();
        }
        let error = within(&timer, NEVER, server.write_all(&[0; 9_000])).await?;
        Some((error.unwrap_err().kind(), timer.now()))
    })
}

fn about(expected: Duration, measured: Option<Duration>) {
    let measured = measured.expect("given up");
    assert!(
        measured.abs_diff(expected) < SHORT,
        "{measured:?} is not about {expected:?}"
    );
}

#[test]
fn an_idle_silent_client_is_given_up_by_keepalive_and_sooner_with_the_user_timeout() {
    for which in [Silence::Both, Silence::ToServer, Silence::ToClient] {
        assert_eq!(idle(which, None, None), None, "none");
        assert_eq!(idle(which, None, UTMO), None, "utmo: OB-35");
        about(seconds(3), idle(which, Some(KEEPALIVE), None));
        about(seconds(2), idle(which, Some(KEEPALIVE), UTMO));
    }
}

#[test]
fn unacknowledged_data_is_given_up_by_the_user_timeout_but_not_by_keepalive() {
    assert_eq!(unacknowledged(None, None), None, "none");
    assert_eq!(unacknowledged(Some(KEEPALIVE), None), None, "ka: OB-37");
    about(seconds(2), unacknowledged(None, UTMO));
    about(seconds(2), unacknowledged(Some(KEEPALIVE), UTMO));
}

#[test]
fn without_any_setting_retransmission_gives_up_after_fifteen_minutes() {
    connected(|timer, mut client, mut server| async move {
        client.silence(Silence::ToClient).unwrap();
        server.write_all(b"row").await.unwrap();
        let (peer, after) = peer_within(&timer, &mut server, seconds(3600)).await.unwrap();
        assert_eq!(peer, Peer::Dead);
        assert!((seconds(924)..seconds(926)).contains(&after), "{after:?}");
    });
}

#[test]
fn a_blocked_writer_is_given_up_by_the_user_timeout_whether_its_client_is_silent_or_only_stalls() {
    for silent in [true, false] {
        assert_eq!(blocked(silent, None), None, "ka alone: OB-37");
        let (kind, at) = blocked(silent, UTMO).expect("OB-36, OB-45");
        assert_eq!(kind, ErrorKind::TimedOut);
        about(seconds(2), Some(at));
    }
}

#[test]
fn a_stalled_client_that_the_server_gave_up_finds_a_reset() {
    connected_with(narrow(), 1, |timer, mut client, mut server| async move {
        server.set_user_timeout(UTMO);
        server.write_all(&[0; 9_000]).await.unwrap_err();
        drop(server);
        timer.sleep(SHORT).await;
        assert_eq!(
            client.read_to_end(&mut Vec::new()).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    });
}

#[test]
fn a_slow_reader_is_not_given_up_as_long_as_its_window_moves() {
    connected_with(narrow(), 1, |timer, mut client, mut server| async move {
        server.set_user_timeout(UTMO);
        let read = async {
            for _ in 0..20 {
                timer.sleep(Duration::from_millis(1_900)).await;
                client.read_exact(&mut [0; 100]).await.unwrap();
            }
            drop(client);
        };
        let write = async { server.write_all(&[0; 100_000]).await };
        let (error, ()) = futures_util::future::join(write, read).await;
        assert_eq!(
            error.unwrap_err().kind(),
            ErrorKind::ConnectionReset,
            "it ends with the reader"
        );
    });
}

#[test]
fn probes_that_were_answered_before_the_silence_count_as_traffic() {
    connected(|timer, mut client, mut server| async move {
        server.set_keepalive(Some(KEEPALIVE));
        timer.sleep(Duration::from_millis(10_400)).await;
        client.silence(Silence::Both).unwrap();
        let (_, after) = peer_within(&timer, &mut server, NEVER).await.unwrap();
        about(Duration::from_millis(2_600), Some(after));
    });
}

#[test]
fn a_death_that_nobody_looked_at_is_there_when_somebody_looks() {
    connected(|timer, mut client, mut server| async move {
        server.set_keepalive(Some(KEEPALIVE));
        client.silence(Silence::Both).unwrap();
        timer.sleep(seconds(10)).await;
        assert_eq!(
            server.peer(),
            Peer::Dead,
            "OB-33: dead, but a busy backend does not look"
        );
        assert_eq!(
            server.write(b"row").await.unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    });
}

#[test]
fn a_live_idle_client_is_never_given_up() {
    connected(|timer, client, mut server| async move {
        server.set_keepalive(Some(KEEPALIVE));
        server.set_user_timeout(UTMO);
        server.write_all(b"unread, but acknowledged").await.unwrap();
        assert_eq!(peer_within(&timer, &mut server, NEVER).await, None);
        drop(client);
    });
}
