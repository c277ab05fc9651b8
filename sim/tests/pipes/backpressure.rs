//! Windows are small enough to be full, bytes keep their order, and a writer waits exactly as long as it must.

use std::time::Duration;

use futures_util::future::join;
use leftover_sim::net::PipeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{connected, connected_with, narrow, seconds, within};

#[test]
fn a_writer_waits_when_window_and_send_buffer_are_full() {
    let options = PipeOptions::default();
    let room = options.to_client.window_bytes + options.to_client.send_buffer_bytes;
    connected(|timer, mut client, mut server| async move {
        within(&timer, seconds(1), server.write_all(&vec![0; room]))
            .await
            .expect("there is room")
            .unwrap();
        assert!(
            within(&timer, seconds(60), server.write_all(&[0]))
                .await
                .is_none(),
            "and now no more"
        );
        client.read_exact(&mut [0; 10]).await.unwrap();
        within(&timer, seconds(1), server.write_all(&[0; 10]))
            .await
            .expect("room again")
            .unwrap();
        assert!(
            within(&timer, seconds(60), server.write_all(&[0]))
                .await
                .is_none()
        );
    });
}

#[test]
fn bytes_arrive_complete_and_in_order_through_a_narrow_window_both_ways() {
    let data: Vec<u8> = (0..50_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    for seed in 0..8 {
        let expected = data.clone();
        let (to_client, to_server) = connected_with(narrow(), seed, |_, mut client, mut server| async move {
            let down = async {
                for piece in expected.chunks(333) {
                    server.write_all(piece).await.unwrap();
                }
                server.shutdown().await.unwrap();
                let mut got = Vec::new();
                server.read_to_end(&mut got).await.unwrap();
                got
            };
            let up = async {
                let mut got = Vec::new();
                client.read_to_end(&mut got).await.unwrap();
                client.write_all(&got).await.unwrap();
                client.shutdown().await.unwrap();
                got
            };
            let (to_server, to_client) = join(down, up).await;
            (to_client, to_server)
        });
        assert_eq!(to_client, data, "seed {seed}");
        assert_eq!(to_server, data, "seed {seed}");
    }
}

#[test]
fn what_waits_for_the_window_is_still_delivered_after_its_sender_closed() {
    connected_with(narrow(), 1, |_, mut client, mut server| async move {
        server.write_all(&[5; 1_500]).await.unwrap();
        drop(server);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, [5; 1_500]);
    });
}

#[test]
fn a_packet_takes_its_latency_and_none_overtakes_another() {
    connected(|timer, mut client, mut server| async move {
        let start = timer.now();
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0]).await.unwrap();
        let took = timer.now() - start;
        assert!(took >= Duration::from_micros(50), "{took:?}");
        assert!(took < Duration::from_micros(510), "{took:?}");
    });
}
