//! The ways in which a server stops, and what its clients hear of it.

use bytes::BufMut as _;
use leftover_harness::world::Shutdown;

use super::client::{Client, Pg, Said, code, error};

async fn stream(pg: &Pg, options: &str) -> Client {
    pg.sql("create table t (a int); grant all on t to mirror; create publication p for table t");
    let mut client = pg.walsender(options).await;
    client
        .rows("CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT")
        .await;
    client
        .send("START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')")
        .await;
    assert_eq!(client.next().await, Some(Said::CopyBoth));
    client
}

/// The position of a keepalive, and whether it wants a reply.
fn keepalive(said: &Said) -> Option<([u8; 8], bool)> {
    match said {
        Said::Data(data) if data.first() == Some(&b'k') => {
            Some((data[1..9].try_into().unwrap(), data[17] == 1))
        }
        _ => None,
    }
}

/// OB-111
#[test]
fn a_fast_shutdown_tells_sessions_and_refuses_new_ones_and_then_nobody_listens() {
    Pg::run(1, |pg| async move {
        let mut idle = pg.connect().await;
        let mut active = pg.connect().await;
        active.send("select pg_sleep(100)").await;
        let mut holder = pg.walsender("").await;
        holder
            .rows("CREATE_REPLICATION_SLOT h TEMPORARY LOGICAL pgoutput")
            .await;
        pg.server.shut_down(Shutdown::Fast);
        let refused = pg.try_connect(&[]).await.err().unwrap();
        let wanted = "the database system is shutting down";
        assert_eq!(error(&refused), Some(("57P03".to_owned(), wanted.to_owned())));
        for client in [&mut idle, &mut active, &mut holder] {
            assert_eq!(code(&client.until_eof().await).as_deref(), Some("57P01"));
        }
        pg.sleep(100).await;
        assert!(pg.server.is_down());
        pg.server.restart();
        assert_eq!(pg.slots(), []);
        pg.connect().await;
    });
}

/// OB-111
#[test]
fn a_smart_shutdown_waits_for_the_sessions_that_there_are() {
    Pg::run(2, |pg| async move {
        let mut session = pg.connect().await;
        pg.server.shut_down(Shutdown::Smart);
        assert_eq!(
            code(&pg.try_connect(&[]).await.err().unwrap()).as_deref(),
            Some("57P03")
        );
        pg.sleep(60_000).await;
        assert_eq!(session.value("select 1").await, "1");
        assert!(!pg.server.is_down());
        session.close().await;
        pg.sleep(100).await;
        assert!(pg.server.is_down());
    });
}

/// OB-109
#[test]
fn a_stream_ends_with_a_shutdown_when_its_client_has_acknowledged_all() {
    Pg::run(3, |pg| async move {
        let mut client = stream(&pg, "").await;
        pg.server.shut_down(Shutdown::Fast);
        let mut rest = Vec::new();
        while let Some(said) = client.next().await {
            match keepalive(&said) {
                Some((end, true)) => {
                    let mut status = vec![b'r'];
                    for _ in 0..3 {
                        status.put_slice(&end);
                    }
                    status.put_slice(&[0; 9]);
                    client.copy_data(&status).await;
                }
                Some((_, false)) => {}
                None => rest.push(said),
            }
        }
        assert_eq!(rest, [Said::Done("COPY 0".to_owned())]);
        pg.sleep(100).await;
        assert!(pg.server.is_down());
    });
}

/// OB-110
#[test]
fn a_shutdown_hangs_on_a_mute_stream_until_wal_sender_timeout() {
    Pg::run(4, |pg| async move {
        let mut client = stream(&pg, "-c wal_sender_timeout=3s").await;
        let start = pg.now();
        pg.server.shut_down(Shutdown::Fast);
        pg.sleep(2500).await;
        assert!(!pg.server.is_down());
        let said = client.until_eof().await;
        assert!(pg.now() - start <= std::time::Duration::from_millis(3100));
        assert!(said.iter().all(|said| keepalive(said).is_some()), "{said:?}");
        assert!(said.iter().filter_map(keepalive).any(|(_, reply)| reply));
        pg.sleep(100).await;
        assert!(pg.server.is_down());
    });
}

/// OB-112
#[test]
fn a_killed_backend_takes_all_others_with_it_and_the_server_comes_back() {
    Pg::run(5, |pg| async move {
        let mut walsender = stream(&pg, "").await;
        let (mut victim, mut other) = (pg.connect().await, pg.connect().await);
        pg.server.kill(victim.pid);
        assert_eq!(victim.until_eof().await, []);
        let said = other.until_eof().await;
        assert!(
            matches!(&said[..], [Said::Notice(text)] if text.starts_with("WARNING 57P02")),
            "{said:?}"
        );
        let last = walsender.until_eof().await;
        assert!(last.iter().all(|said| keepalive(said).is_some()), "{last:?}");
        assert_eq!(
            code(&pg.try_connect(&[]).await.err().unwrap()).as_deref(),
            Some("57P03")
        );
        pg.sleep(200).await;
        pg.connect().await;
        assert_eq!(pg.slots(), [("s".to_owned(), false, false)]);
    });
}
