//! A cancel request, which is a connection of its own.

use bytes::BytesMut;
use leftover_core::connection::BackendKey;
use leftover_core::error::ConnectionError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dial::BoxedStream;
use crate::error::{lost, unreachable};

/// More than this is not a server that answers a cancel request, which says nothing at all.
const ANSWER_BYTES: usize = 64 * 1024;

/// Sends the request and reads until the server's EOF: the signal has then been sent (OB-76).
pub(crate) async fn cancel(mut stream: BoxedStream, target: BackendKey) -> Result<(), ConnectionError> {
    let mut request = BytesMut::new();
    postgres_protocol::message::frontend::cancel_request(target.pid, target.secret, &mut request);
    stream
        .write_all(&request)
        .await
        .map_err(|error| unreachable(&error))?;
    stream.flush().await.map_err(|error| lost(error.to_string()))?;
    let mut buffer = [0; 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(read) => total += read,
            Err(error) => return Err(lost(error.to_string())),
        }
        if total > ANSWER_BYTES {
            return Err(ConnectionError::Protocol(
                "an answer to a cancel request".to_owned(),
            ));
        }
    }
}
