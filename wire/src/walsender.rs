//! A walsender connection: SQL in the simple query protocol, and replication commands.
//!
//! It has `CREATE_REPLICATION_SLOT` and no streaming. `START_REPLICATION` will be a mode of this connection: its
//! `CopyBothResponse` (tag `W`, which `postgres-protocol` does not parse) is to be recognised in
//! [`crate::messages`], and the connection then sends and receives CopyData until both sides have said CopyDone.

use leftover_core::connection::{BackendKey, Closed, CreatedSlot, NewSlot, Row, SlotSnapshot};
use leftover_core::error::ConnectionError;

use crate::conversation::Conversation;
use crate::messages::unexpected;

/// A walsender connection to one database (`replication=database`). Dropping it closes the socket and sends nothing.
pub struct Walsender {
    conversation: Conversation,
}

impl Walsender {
    pub(crate) fn new(conversation: Conversation) -> Walsender {
        Walsender { conversation }
    }

    async fn run(&mut self, command: &str) -> Result<Vec<Row>, ConnectionError> {
        self.conversation.begin()?;
        let outcome = self.conversation.query(command).await;
        self.conversation.done(outcome)
    }
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
        self.conversation.backend
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
        self.conversation.close().await
    }
}

impl std::fmt::Debug for Walsender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Walsender({})", self.conversation.backend.pid)
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
