//! A connector with one stream, for a server that is written in the test.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use leftover_wire::Connector;
use leftover_wire::dial::{BoxedStream, Dial};
use leftover_wire::login::Login;
use tokio::io::{DuplexStream, duplex};

/// Gives out one stream.
struct Once(Mutex<Option<DuplexStream>>);

impl Dial for Once {
    fn dial(&self) -> Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + '_>> {
        let stream = self.0.lock().unwrap().take();
        Box::pin(async { Ok(Box::new(stream.ok_or(io::ErrorKind::ConnectionRefused)?) as BoxedStream) })
    }
}

/// A connector whose only stream ends here.
pub fn connector() -> (Connector, DuplexStream) {
    let (ours, theirs) = duplex(1024);
    let login = Login {
        user: "u".to_owned(),
        password: None,
        database: "d".to_owned(),
    };
    (
        Connector::new(Arc::new(Once(Mutex::new(Some(ours)))), login),
        theirs,
    )
}
