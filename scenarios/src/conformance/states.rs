//! The states in which a client can leave, go silent, be cancelled or be terminated.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::client::Client;
use super::pg::Pg;
use super::replication::start_replication;
use super::row::{Checked, Problem, ensure, ensure_eq};
use super::said::Said;

/// What a backend does while its client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Between statements.
    Idle,
    /// The same, a walsender.
    IdleWalsender,
    /// In a transaction that has an xid, between statements.
    InTransaction,
    /// In a failed transaction.
    Aborted,
    /// In `pg_sleep`.
    Sleep,
    /// In a loop that waits for nothing. Not on the simulator, where statements take no time of their own.
    Cpu,
    /// In the queue for a table's lock.
    LockWait,
    /// Sending rows that nobody reads.
    BlockedSelect,
    /// Sending COPY data that nobody reads.
    BlockedCopy,
    /// Waiting for COPY data, some of which it has.
    CopyIn,
    /// In a pipeline that has written and has no Sync yet.
    NoSync,
    /// Holding the exported snapshot of a temporary slot.
    Exported,
    /// Holding a temporary slot's snapshot in its transaction.
    Used,
    /// Creating a slot while another transaction runs.
    CreateWaits,
    /// Waiting to drop a slot that another client streams from.
    DropWaits,
    /// Streaming, with nothing to send.
    Streaming,
    /// Streaming to a client that does not read.
    BlockedStream,
}

/// A client in a state, and those who keep it there.
pub struct Scene {
    /// The state.
    pub state: State,
    /// The client.
    pub client: Client,
    /// Its slot, where it has one.
    pub slot: Option<String>,
    /// What `pg_stat_activity` says of its backend (see [`Pg::doing`]).
    pub doing: String,
    /// Who holds what it waits for.
    pub blocker: Option<Client>,
}

/// How long a statement runs that nobody ends.
const LONG: Duration = Duration::from_secs(60);

/// Rows of this size fill connections.
const ROW_BYTES: usize = 1000;

impl State {
    /// In which a backend reads its socket. Those with a slot come first: the others' transactions would keep
    /// it from being created.
    pub const READING: [State; 9] = [
        State::Exported,
        State::Used,
        State::Streaming,
        State::Idle,
        State::IdleWalsender,
        State::InTransaction,
        State::Aborted,
        State::CopyIn,
        State::NoSync,
    ];

    /// In which a backend sends what nobody reads.
    pub const BLOCKED: [State; 3] = [State::BlockedStream, State::BlockedSelect, State::BlockedCopy];

    /// Those that read and have sent all that they had to say.
    pub fn quiet() -> Vec<State> {
        let mut quiet = State::READING.to_vec();
        quiet.retain(|state| *state != State::Streaming);
        quiet
    }

    /// In which a statement runs that does not look at the socket.
    pub fn executing(pg: &Pg) -> &'static [State] {
        const ALL: [State; 3] = [State::Sleep, State::LockWait, State::Cpu];
        if pg.server().simulated() { &ALL[..2] } else { &ALL }
    }

    /// Every state, in an order in which they can be entered at the same time.
    pub fn all(pg: &Pg) -> Vec<State> {
        let mut all = State::BLOCKED.to_vec();
        all.push(State::DropWaits);
        all.extend(State::READING);
        all.extend(State::executing(pg));
        all.push(State::CreateWaits);
        all
    }

    /// Brings a new connection with these settings into this state.
    ///
    /// # Errors
    /// When the server does not come to it.
    pub async fn enter(self, pg: &Pg, options: &str) -> Checked<Scene> {
        // Before there is a connection whose limits run.
        let slot = match self {
            State::Streaming | State::BlockedStream => {
                Some(streamable(pg, self == State::BlockedStream).await?)
            }
            _ => None,
        };
        let mut scene = Scene {
            state: self,
            client: if self.is_walsender() {
                pg.walsender(options).await?
            } else {
                pg.connect_set(options).await?
            },
            slot,
            doing: self.doing(pg).to_owned(),
            blocker: None,
        };
        match self {
            State::Idle | State::IdleWalsender => {}
            State::InTransaction => {
                pg.setup(TABLE).await?;
                scene.client.rows("BEGIN; INSERT INTO t VALUES (1)").await?;
            }
            State::Aborted => {
                scene.client.rows("BEGIN").await?;
                scene.client.fails("SELECT 1/0", "22012").await?;
            }
            State::Sleep => scene.client.send(&sleep(LONG)).await?,
            State::Cpu => scene.client.send(&cpu(LONG)).await?,
            State::LockWait => scene.wait_for_lock(pg).await?,
            State::BlockedSelect => scene.client.send(&flood(pg)).await?,
            State::BlockedCopy => {
                let copy = format!("COPY ({}) TO STDOUT", flood(pg));
                scene.client.send(&copy).await?;
            }
            State::CopyIn => {
                pg.setup(TABLE).await?;
                copy_in(&mut scene.client).await?;
            }
            State::NoSync => {
                pg.setup(TABLE).await?;
                insert_without_sync(&mut scene.client).await?;
            }
            State::Exported => scene.create_slot(pg, "EXPORT_SNAPSHOT").await?,
            State::Used => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                scene.client.rows(begin).await?;
                scene.create_slot(pg, "USE_SNAPSHOT").await?;
            }
            State::CreateWaits => scene.wait_for_transaction(pg).await?,
            State::DropWaits => scene.wait_for_slot(pg).await?,
            State::Streaming | State::BlockedStream => scene.stream().await?,
        }
        pg.until_doing_within(scene.client.pid, &scene.doing, pg.patience())
            .await
            .map_err(|problem| Problem::differs(format!("{self:?}: {problem}")))?;
        Ok(scene)
    }

    fn is_walsender(self) -> bool {
        matches!(
            self,
            State::IdleWalsender
                | State::Exported
                | State::Used
                | State::CreateWaits
                | State::DropWaits
                | State::Streaming
                | State::BlockedStream
        )
    }

    /// What `pg_stat_activity` says of it.
    fn doing(self, pg: &Pg) -> &'static str {
        match self {
            State::Idle | State::IdleWalsender => "idle Client/ClientRead",
            State::InTransaction | State::Exported | State::Used => "idle in transaction Client/ClientRead",
            State::Aborted => "idle in transaction (aborted) Client/ClientRead",
            State::Sleep => "active Timeout/PgSleep",
            State::Cpu => "active",
            State::LockWait => "active Lock/relation",
            State::BlockedSelect | State::BlockedCopy => "active Client/ClientWrite",
            State::CopyIn | State::NoSync => "active Client/ClientRead",
            State::CreateWaits => "active Lock/transactionid",
            State::DropWaits => "active IPC/ReplicationSlotDrop",
            // Some names of wait events are written otherwise since 17.
            State::Streaming if pg.major() >= 17 => "active Client/WalSenderWaitForWal",
            State::Streaming => "active Client/WalSenderWaitForWAL",
            State::BlockedStream => "active Client/WalSenderWriteData",
        }
    }
}

impl Scene {
    async fn wait_for_lock(&mut self, pg: &Pg) -> Checked {
        let table = pg.new_name("locked");
        let mut blocker = pg.connect().await?;
        blocker.rows(&format!("CREATE TABLE {table} (a int)")).await?;
        blocker.rows(&format!("BEGIN; LOCK TABLE {table}")).await?;
        self.blocker = Some(blocker);
        self.client.send(&format!("SELECT count(*) FROM {table}")).await
    }

    async fn create_slot(&mut self, pg: &Pg, snapshot: &str) -> Checked {
        let slot = pg.new_name("s");
        let create = format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput {snapshot}");
        self.client.rows(&create).await?;
        self.slot = Some(slot);
        Ok(())
    }

    async fn wait_for_transaction(&mut self, pg: &Pg) -> Checked {
        pg.setup(TABLE).await?;
        let mut blocker = pg.connect().await?;
        blocker.rows("BEGIN; INSERT INTO t VALUES (0)").await?;
        self.blocker = Some(blocker);
        let slot = pg.new_name("s");
        let create = format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput EXPORT_SNAPSHOT");
        self.client.send(&create).await?;
        self.slot = Some(slot);
        Ok(())
    }

    async fn wait_for_slot(&mut self, pg: &Pg) -> Checked {
        let mut owner = Box::pin(State::Streaming.enter(pg, "")).await?;
        let slot = owner.slot.take().unwrap_or_default();
        self.blocker = Some(owner.client);
        let drop = format!("DROP_REPLICATION_SLOT {slot} WAIT");
        self.client.send(&drop).await?;
        self.slot = Some(slot);
        Ok(())
    }

    /// Streams from its slot.
    async fn stream(&mut self) -> Checked {
        let slot = self.slot.as_deref().unwrap_or_default();
        self.client.send(&start_replication(slot)).await?;
        let answer = self.client.next().await;
        ensure_eq!(answer, Said::CopyBoth, "START_REPLICATION");
        Ok(())
    }
}

/// A slot for the table `streamed`; `full`, it has more to stream than a connection holds.
async fn streamable(pg: &Pg, full: bool) -> Checked<String> {
    let there = "SELECT count(*) FROM pg_publication WHERE pubname = 'p'";
    if pg.value(there).await? == "0" {
        pg.setup("CREATE TABLE streamed (a text); CREATE PUBLICATION p FOR TABLE streamed")
            .await?;
    }
    let slot = pg.new_name("s");
    let mut creator = pg.connect().await?;
    let create = format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')");
    creator.rows(&create).await?;
    if full {
        let insert = format!("INSERT INTO streamed {}", flood(pg));
        creator.rows(&insert).await?;
    }
    creator.close().await?;
    Ok(slot)
}

/// The table of those who write.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS t (a int)";

/// A statement that sleeps so long.
pub fn sleep(time: Duration) -> String {
    format!("SELECT pg_sleep({})", time.as_secs_f64())
}

/// A statement that computes so long: it looks at the clock for each row of a series that is not stored anywhere.
pub fn cpu(time: Duration) -> String {
    format!(
        "SELECT n FROM (SELECT generate_series(1, 2000000000) AS n) AS series \
         WHERE clock_timestamp() >= statement_timestamp() + interval '{} ms' LIMIT 1",
        time.as_millis()
    )
}

/// A query whose rows fill a connection that nobody reads, many times over.
pub fn flood(pg: &Pg) -> String {
    // A real kernel gives a loopback connection up to 10 MB of buffers; the simulated one has 320 kB.
    let rows = if pg.server().simulated() { 2_000 } else { 40_000 };
    format!("SELECT repeat('x', {ROW_BYTES}) FROM generate_series(1, {rows})")
}

/// A COPY TO whose client has read some of it and then falls silent, with packets on their way.
///
/// # Errors
/// When it is something else that is sent, or packets cannot be dropped.
pub async fn silent_in_flow(pg: &Pg, options: &str) -> Checked<Client> {
    let read = if pg.server().simulated() { 300 } else { 3_000 };
    let mut client = pg.connect_set(options).await?;
    client.send(&format!("COPY ({}) TO STDOUT", flood(pg))).await?;
    for _ in 0..read {
        let next = client.next().await;
        ensure!(matches!(next, Said::CopyOut | Said::Data(_)), "{next:?}");
    }
    client.silence()?;
    Ok(client)
}

/// Begins `COPY t FROM STDIN` and sends two rows.
///
/// # Errors
/// When the server does not take them.
pub async fn copy_in(client: &mut Client) -> Checked {
    client.send("COPY t FROM STDIN").await?;
    let answer = client.next().await;
    ensure_eq!(answer, Said::CopyIn, "COPY FROM STDIN");
    client.copy_data(b"1\n2\n").await
}

/// Parse, Bind and Execute of an INSERT, and Flush instead of Sync.
async fn insert_without_sync(client: &mut Client) -> Checked {
    client
        .send_with(|out| {
            insert_extended(out)?;
            frontend::flush(out);
            Ok(())
        })
        .await?;
    let said = client.until(|said| matches!(said, Said::Done(_))).await;
    ensure!(
        matches!(said.last(), Some(Said::Done(_))),
        "a pipeline's INSERT: {said:?}"
    );
    Ok(())
}

/// Appends an INSERT into `t` by the extended protocol, without a Sync.
///
/// # Errors
/// Never: none of its texts holds a zero byte.
pub fn insert_extended(out: &mut BytesMut) -> std::io::Result<()> {
    let none: [&[u8]; 0] = [];
    frontend::parse("", "INSERT INTO t VALUES (1)", [], out)?;
    let bound = frontend::bind(
        "",
        "",
        [],
        none,
        |value, out| {
            out.put_slice(value);
            Ok(IsNull::No)
        },
        [],
        out,
    );
    bound.map_err(|_| std::io::ErrorKind::InvalidInput)?;
    frontend::execute("", 0, out)
}
