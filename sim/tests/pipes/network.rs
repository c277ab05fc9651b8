//! Dialling.

use std::io::ErrorKind;

use leftover_sim::net::{Network, PipeOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SHORT, simulated};

#[test]
fn a_port_that_is_down_refuses_and_one_that_is_up_again_does_not() {
    simulated(1, |sim| async move {
        let (listener, dialer) = Network::new(&sim, &sim.chooser(), PipeOptions::default()).listen("port");
        dialer.set_up(false);
        assert_eq!(
            dialer.dial().await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        dialer.set_up(true);
        dialer.dial().await.unwrap();
        drop(listener);
        assert_eq!(
            dialer.dial().await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    });
}

#[test]
fn connections_are_accepted_in_the_order_in_which_they_arrive() {
    simulated(1, |sim| async move {
        let (listener, dialer) = Network::new(&sim, &sim.chooser(), PipeOptions::default()).listen("port");
        for name in [b"a", b"b"] {
            dialer.dial().await.unwrap().write_all(name).await.unwrap();
        }
        let mut heard = String::new();
        for _ in 0..2 {
            listener.accept().await.read_to_string(&mut heard).await.unwrap();
        }
        assert_eq!(heard, "ab");
    });
}

#[test]
fn an_attempt_that_is_given_up_leaves_at_most_a_closed_connection() {
    simulated(1, |sim| async move {
        let (listener, dialer) = Network::new(&sim, &sim.chooser(), PipeOptions::default()).listen("port");
        let mut dial = Box::pin(dialer.dial());
        let server = accepted_first(&listener, &mut dial).await;
        drop(dial);
        let mut server = server.expect("the server is first");
        sim.timer().sleep(SHORT).await;
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    });
}

/// The accepted end, when it is there before the dialler is told.
async fn accepted_first(
    listener: &leftover_sim::net::Listener,
    dial: &mut (impl Future<Output = std::io::Result<leftover_sim::net::ClientEnd>> + Unpin),
) -> Option<leftover_sim::net::ServerEnd> {
    use futures_util::future::{Either, select};
    match select(std::pin::pin!(listener.accept()), dial).await {
        Either::Left((end, _)) => Some(end),
        Either::Right(_) => None,
    }
}
