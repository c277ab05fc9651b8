//! A walsender connection: SQL in the simple query protocol, and replication commands.
//!
//! tokio-postgres 0.7 has no replication, so this is a small client of its own over `postgres-protocol`.
//!
//! It has `CREATE_REPLICATION_SLOT` and no streaming. `START_REPLICATION` will be a mode of this connection: its
//! `CopyBothResponse` (tag `W`, which `postgres-protocol` does not parse) is to be recognised in
//! [`crate::messages`], and the connection then sends and receives CopyData until both sides have said CopyDone.

use leftover_core::connection::{BackendKey, Closed, CreatedSlot, NewSlot, Row, SlotSnapshot};
use leftover_core::error::{ConnectionError, ServerError};
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::auth;
use crate::dial::BoxedStream;
use crate::error::from_fields;
use crate::messages::{self, Messages, unexpected};
use crate::startup::Parameters;

/// A walsender connection to one database (`replication=database`). Dropping it closes the socket and sends nothing.
pub struct Walsender {
    messages: Messages,
    /// Whether an operation is under way, or was dropped before its end.
    busy: bool,
    /// Why no operation is possible any more.
    ended: Option<ConnectionError>,
    backend: BackendKey,
}

impl Walsender {
    pub(crate) async fn start(
        stream: BoxedStream,
        parameters: &Parameters,
    ) -> Result<Walsender, ConnectionError> {
        let mut messages = Messages::new(stream);
        let backend = auth::log_in(&mut messages, parameters).await?;
        Ok(Walsender {
            messages,
            busy: false,
            ended: None,
            backend,
        })
    }

    /// Runs `command` and reads until `ReadyForQuery`.
    async fn run(&mut self, command: &str) -> Result<Vec<Row>, ConnectionError> {
        if self.busy {
            return Err(ConnectionError::Interrupted);
        }
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        frontend::query(command, &mut self.messages.outbound).map_err(auth::encode)?;
        self.busy = true;
        let outcome = self.exchange().await;
        self.busy = false;
        match outcome {
            Ok((rows, None)) => Ok(rows),
            Ok((_, Some(error))) => Err(ConnectionError::Server(error)),
            Err(why) => {
                self.ended = Some(why.clone());
                Err(why)
            }
        }
    }

    /// Sends, and gathers the answer. What it returns as an error has ended the connection.
    async fn exchange(&mut self) -> Result<(Vec<Row>, Option<ServerError>), ConnectionError> {
        self.messages.send().await;
        let mut rows = Vec::new();
        let mut refused = None;
        loop {
            match self.messages.next().await {
                Ok(Message::DataRow(body)) => rows.push(row(&body)?),
                Ok(Message::ErrorResponse(body)) => refused = Some(from_fields(body.fields())?),
                Ok(Message::ReadyForQuery(_)) => return Ok((rows, refused)),
                // A replication command of Postgres 15 answers with two of these.
                Ok(
                    Message::CommandComplete(_) | Message::RowDescription(_) | Message::EmptyQueryResponse,
                ) => {}
                Ok(_) => return Err(unexpected("in the answer to a query")),
                // The server's last error says more than the EOF that follows it.
                Err(why) => {
                    return Err(match refused {
                        Some(error) if messages::fatal(&why).is_none() => ConnectionError::Server(error),
                        _ => why,
                    });
                }
            }
        }
    }
}

fn row(body: &DataRowBody) -> Result<Row, ConnectionError> {
    let text = |range: std::ops::Range<usize>| {
        let bytes = body
            .buffer()
            .get(range)
            .ok_or_else(|| unexpected("with a row that ends early"))?;
        let text =
            std::str::from_utf8(bytes).map_err(|problem| ConnectionError::Protocol(problem.to_string()))?;
        Ok(text.to_owned())
    };
    let mut values = Vec::new();
    let mut ranges = body.ranges();
    while let Some(range) = ranges
        .next()
        .map_err(|problem| ConnectionError::Protocol(problem.to_string()))?
    {
        values.push(range.map(text).transpose()?);
    }
    Ok(Row(values))
}

/// The grammar that every supported server reads, 14 to 17.
fn create_command(slot: &NewSlot) -> String {
    format!(
        "CREATE_REPLICATION_SLOT {}{} LOGICAL {} {}",
        quoted(&slot.name),
        if slot.temporary { " TEMPORARY" } else { "" },
        quoted(&slot.plugin),
        match slot.snapshot {
            SlotSnapshot::Export => "EXPORT_SNAPSHOT",
            SlotSnapshot::Use => "USE_SNAPSHOT",
            SlotSnapshot::Nothing => "NOEXPORT_SNAPSHOT",
        }
    )
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn created(rows: &[Row]) -> Option<CreatedSlot> {
    let [row] = rows else { return None };
    Some(CreatedSlot {
        name: row.get(0)?.to_owned(),
        consistent_point: row.parse(1)?,
        snapshot: row.get(2).map(str::to_owned),
    })
}

impl leftover_core::connection::Walsender for Walsender {
    fn backend(&self) -> BackendKey {
        self.backend
    }

    async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        self.run(sql).await
    }

    async fn create_slot(&mut self, slot: &NewSlot) -> Result<CreatedSlot, ConnectionError> {
        let rows = self.run(&create_command(slot)).await?;
        created(&rows).ok_or_else(|| unexpected("in the answer to CREATE_REPLICATION_SLOT"))
    }

    /// After an operation that was dropped unfinished this closes the socket and answers [`Closed::Unknown`].
    async fn close(self) -> Closed {
        let closed = match &self.ended {
            _ if self.busy => false,
            // A FATAL is the server's own word that it is leaving.
            Some(why) => messages::fatal(why).is_some() && self.messages.end().await,
            None => self.messages.terminate().await,
        };
        if closed { Closed::Released } else { Closed::Unknown }
    }
}

impl std::fmt::Debug for Walsender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Walsender({})", self.backend.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::{create_command, quoted};
    use leftover_core::connection::{NewSlot, SlotSnapshot};

    #[test]
    fn the_command_is_in_the_grammar_of_every_supported_server() {
        let mut slot = NewSlot {
            name: "leftover_m_1".to_owned(),
            temporary: true,
            plugin: "pgoutput".to_owned(),
            snapshot: SlotSnapshot::Use,
        };
        assert_eq!(
            create_command(&slot),
            r#"CREATE_REPLICATION_SLOT "leftover_m_1" TEMPORARY LOGICAL "pgoutput" USE_SNAPSHOT"#
        );
        slot.temporary = false;
        slot.snapshot = SlotSnapshot::Nothing;
        assert_eq!(
            create_command(&slot),
            r#"CREATE_REPLICATION_SLOT "leftover_m_1" LOGICAL "pgoutput" NOEXPORT_SNAPSHOT"#
        );
    }

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }
}
