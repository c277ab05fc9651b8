//! What puts code on plain tokio-postgres into a world: a client whose byte stream comes from there, and whose
//! connection is a detached task of the process, as `tokio::spawn` makes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use leftover_wire::Connector;
use leftover_wire::dial::BoxedStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{Client, Config, Error, NoTls};

use crate::fault::Spawner;

/// In place of `tokio_postgres::connect` and `tokio::spawn(connection)`.
pub fn client(
    to: &Connector,
    spawner: &Spawner,
    application_name: &str,
) -> BoxFuture<'static, Result<Client, Error>> {
    let (to, spawner) = (to.clone(), spawner.clone());
    let mut config = Config::new();
    config
        .user(&to.login().user)
        .dbname(&to.login().database)
        .application_name(application_name);
    if let Some(password) = &to.login().password {
        config.password(password);
    }
    Box::pin(async move {
        let stream = Dialled(to.stream().await);
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        spawner.spawn(async move {
            // Its client is told the error of every request; that of the connection is nobody's.
            let _ = connection.await;
        });
        Ok(client)
    })
}

/// A stream, or the error of its dialling, which is the error of its first use: tokio-postgres has no other way
/// to say it.
struct Dialled(io::Result<BoxedStream>);

impl Dialled {
    fn stream(&mut self) -> io::Result<Pin<&mut BoxedStream>> {
        match &mut self.0 {
            Ok(stream) => Ok(Pin::new(stream)),
            Err(error) => Err(error.kind().into()),
        }
    }
}

impl AsyncRead for Dialled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, into)
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
