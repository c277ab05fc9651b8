//! A cancel request returns when the server closes its connection, and not before: only then can it no longer
//! hit a later statement (OB-76).

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use leftover_core::connection::{BackendKey, Connector as _};
use leftover_core::error::ConnectionError;
use tokio::io::AsyncReadExt;

use crate::once::connector;

mod once;

#[tokio::test]
async fn it_waits_for_the_servers_eof() {
    let (connector, mut server) = connector();
    let mut cancel = pin!(connector.cancel(BackendKey { pid: 258, secret: -2 }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(cancel.as_mut().poll(&mut context).is_pending());
    let mut request = [0; 16];
    server.read_exact(&mut request).await.unwrap();
    assert_eq!(
        request,
        [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 1, 2, 255, 255, 255, 254]
    );
    assert!(cancel.as_mut().poll(&mut context).is_pending());
    drop(server);
    assert_eq!(cancel.as_mut().poll(&mut context), Poll::Ready(Ok(())));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let (connector, server) = connector();
    drop(server);
    // The stream that was there is broken; a second one there is not.
    connector
        .cancel(BackendKey { pid: 1, secret: 1 })
        .await
        .unwrap_err();
    let key = BackendKey { pid: 1, secret: 1 };
    let refused = connector.cancel(key).await.unwrap_err();
    assert!(
        matches!(refused, ConnectionError::Unreachable { .. }),
        "{refused}"
    );
}
