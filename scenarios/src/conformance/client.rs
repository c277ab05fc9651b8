//! A raw client: every byte, close, reset and silence is under control.

use bytes::{Bytes, BytesMut};
use leftover_harness::world::{Link, Silence};
use leftover_wire::login::Login;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::row::{Checked, Problem};
use super::said::{Said, error};

/// How a client leaves while its host lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// A Terminate message, and close.
    Terminate,
    /// Close without a word: a FIN, or a RST when there is unread data.
    Fin,
    /// A FIN, and still reading and acknowledging.
    HalfClose,
    /// A RST.
    Rst,
}

impl Leave {
    /// Every way.
    pub const ALL: [Leave; 4] = [Leave::Terminate, Leave::Fin, Leave::HalfClose, Leave::Rst];

    /// The ways that close both directions.
    pub const CLOSED: [Leave; 3] = [Leave::Terminate, Leave::Fin, Leave::Rst];
}

/// What AuthenticationCleartextPassword is called on the wire.
const CLEARTEXT_PASSWORD: u32 = 3;

/// What AuthenticationSASL and its followers are called on the wire.
mod sasl {
    pub const START: u32 = 10;
    pub const CONTINUE: u32 = 11;
    pub const FINAL: u32 = 12;
}

/// A raw client. Dropping it closes its socket.
pub struct Client {
    link: Option<Box<dyn Link>>,
    input: BytesMut,
    /// The backend's process id; 0 before it was told.
    pub pid: i32,
    /// What a cancel request must know.
    pub secret: i32,
}

impl Client {
    /// A client that has said nothing.
    pub fn new(link: Box<dyn Link>) -> Client {
        Client {
            link: Some(link),
            input: BytesMut::new(),
            pid: 0,
            secret: 0,
        }
    }

    /// Logs in with these parameters; answers all that was said up to ReadyForQuery or the end.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn log_in(&mut self, login: &Login, parameters: &[(&str, &str)]) -> Checked<Vec<Said>> {
        let mut all = vec![
            ("user", login.user.as_str()),
            ("database", login.database.as_str()),
        ];
        all.extend(parameters);
        self.send_with(|out| frontend::startup_message(all, out)).await?;
        let mut said = Vec::new();
        let mut scram = None;
        loop {
            let next = self.next().await;
            match &next {
                Said::Authentication(CLEARTEXT_PASSWORD, _) => {
                    let password = login.password.as_deref().unwrap_or_default();
                    self.send_with(|out| frontend::password_message(password.as_bytes(), out))
                        .await?;
                }
                Said::Authentication(sasl::START, _) => {
                    let password = login.password.as_deref().unwrap_or_default();
                    let started = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                    self.send_with(|out| {
                        frontend::sasl_initial_response(SCRAM_SHA_256, started.message(), out)
                    })
                    .await?;
                    scram = Some(started);
                }
                Said::Authentication(step @ (sasl::CONTINUE | sasl::FINAL), data) => {
                    let scram = scram
                        .as_mut()
                        .ok_or_else(|| Problem::differs("SASL that nobody started"))?;
                    if *step == sasl::FINAL {
                        scram.finish(data)?;
                    } else {
                        scram.update(data)?;
                        self.send_with(|out| frontend::sasl_response(scram.message(), out))
                            .await?;
                    }
                }
                Said::Key(pid, secret) => (self.pid, self.secret) = (*pid, *secret),
                _ => {}
            }
            let last = matches!(next, Said::Ready(_)) || next.is_end();
            said.push(next);
            if last {
                return Ok(said);
            }
        }
    }

    /// Writes bytes, as they are.
    ///
    /// # Errors
    /// When the connection is lost, as the kernel says it.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.link {
            Some(link) => {
                link.write_all(bytes).await?;
                link.flush().await
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends what `build` appends: one message, or several in one write.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send_with(&mut self, build: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Checked {
        let mut out = BytesMut::new();
        build(&mut out)?;
        Ok(self.send_raw(&out).await?)
    }

    /// Sends a simple query and does not wait.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send(&mut self, sql: &str) -> Checked {
        self.send_with(|out| frontend::query(sql, out)).await
    }

    /// Sends COPY data, also to a walsender.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn copy_data(&mut self, data: &[u8]) -> Checked {
        let data = frontend::CopyData::new(Bytes::copy_from_slice(data))?;
        self.send_with(|out| {
            data.write(out);
            Ok(())
        })
        .await
    }

    /// The end of COPY data.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn copy_done(&mut self) -> Checked {
        self.send_with(|out| {
            frontend::copy_done(out);
            Ok(())
        })
        .await
    }

    /// The next message, or how the connection ended.
    pub async fn next(&mut self) -> Said {
        loop {
            match Said::parse(&mut self.input) {
                Ok(Some(said)) => return said,
                Ok(None) => {}
                Err(problem) => return Said::Garbled(problem),
            }
            let Client { link, input, .. } = self;
            let Some(link) = link else { return Said::Eof };
            match link.read_buf(input).await {
                Ok(0) => return Said::Eof,
                Ok(_) => {}
                Err(_) => return Said::Reset,
            }
        }
    }

    /// Messages up to ReadyForQuery or the end.
    pub async fn until_ready(&mut self) -> Vec<Said> {
        self.until(|said| matches!(said, Said::Ready(_))).await
    }

    /// Messages up to the end.
    pub async fn until_end(&mut self) -> Vec<Said> {
        self.until(|_| false).await
    }

    /// Messages up to one that `last` knows, or to the end.
    pub async fn until(&mut self, last: impl Fn(&Said) -> bool) -> Vec<Said> {
        let mut said = Vec::new();
        loop {
            let next = self.next().await;
            let over = last(&next) || next.is_end();
            said.push(next);
            if over {
                return said;
            }
        }
    }

    /// Runs a simple query and returns all that was said.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn query(&mut self, sql: &str) -> Checked<Vec<Said>> {
        self.send(sql).await?;
        Ok(self.until_ready().await)
    }

    /// Runs a simple query that must succeed, and returns its rows.
    ///
    /// # Errors
    /// When it does not succeed.
    pub async fn rows(&mut self, sql: &str) -> Checked<Vec<Vec<Option<String>>>> {
        let said = self.query(sql).await?;
        if error(&said).is_some() || !matches!(said.last(), Some(Said::Ready(_))) {
            return Err(Problem::differs(format!("{sql}: {said:?}")));
        }
        let row = |said| match said {
            Said::Row(row) => Some(row),
            _ => None,
        };
        Ok(said.into_iter().filter_map(row).collect())
    }

    /// The first value of a query that must succeed; empty for NULL and for no row.
    ///
    /// # Errors
    /// When it does not succeed.
    pub async fn value(&mut self, sql: &str) -> Checked<String> {
        let rows = self.rows(sql).await?;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next());
        Ok(first.flatten().unwrap_or_default())
    }

    /// Runs a simple query that must fail with this SQLSTATE; returns the message.
    ///
    /// # Errors
    /// When it does not fail, or otherwise.
    pub async fn fails(&mut self, sql: &str, wanted: &str) -> Checked<String> {
        let said = self.query(sql).await?;
        match error(&said) {
            Some(fields) if fields.code == wanted => Ok(fields.message.clone()),
            other => Err(Problem::differs(format!("{sql}: {other:?} instead of {wanted}"))),
        }
    }

    /// Leaves.
    ///
    /// # Errors
    /// When the connection was already lost.
    pub async fn leave(&mut self, how: Leave) -> Checked {
        match (how, &mut self.link) {
            (_, None) => return Err(Problem::differs("this client has left already")),
            (Leave::Fin, link) => *link = None,
            (Leave::Rst, Some(link)) => link.reset(),
            (Leave::HalfClose, Some(link)) => link.shutdown().await?,
            (Leave::Terminate, Some(_)) => {
                self.terminate().await?;
                self.link = None;
            }
        }
        Ok(())
    }

    /// From now on packets vanish both ways.
    ///
    /// # Errors
    /// When this machine cannot drop packets: then the row cannot run.
    pub fn silence(&mut self) -> Checked {
        match &mut self.link {
            Some(link) => Ok(link.silence(Silence::Both)?),
            None => Err(Problem::differs("this client has left already")),
        }
    }

    /// Says Terminate and reads to the server's end: the proof of release (OB-18). What was on its way is read too.
    ///
    /// # Errors
    /// When the server ends it otherwise.
    pub async fn close(mut self) -> Checked {
        self.terminate().await?;
        let said = self.until_end().await;
        if error(&said).is_some() || said.last() != Some(&Said::Eof) {
            return Err(Problem::differs(format!("after Terminate: {said:?}")));
        }
        Ok(())
    }

    /// Says Terminate and keeps the connection open.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn terminate(&mut self) -> Checked {
        self.send_with(|out| {
            frontend::terminate(out);
            Ok(())
        })
        .await
    }
}
