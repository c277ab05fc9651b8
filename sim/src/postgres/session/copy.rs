//! COPY to and from the client.

use std::rc::Rc;

use super::execute::Memo;
use crate::postgres::host::StatementHost;
use crate::postgres::process::Process;
use crate::postgres::process_io::malformed;
use crate::postgres::protocol::{Format, Frontend};
use crate::postgres::sql::copy::{CopyCommand, CopyDirection, CopyFormat, copy_out_rows};
use crate::postgres::sql::copy_in::CopyTarget;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::execute::copy_out;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::waits::{Step, Wait};

/// How much is produced between two looks at the socket, in bytes.
const CHUNK: usize = 8192;

/// How many rows, or how many of their bytes, COPY FROM collects before it stores them (`MAX_BUFFERED_TUPLES`
/// and `MAX_BUFFERED_BYTES`).
const BUFFERED_ROWS: usize = 1000;
const BUFFERED_BYTES: usize = 65_535;

/// Runs the COPY of this text; answers its command tag.
///
/// # Errors
/// With its error or the backend's end.
pub async fn run(process: &mut Process, text: &Rc<str>, copy: &CopyCommand) -> Step<String> {
    let range = process.state.borrow().options.timings.statement.clone();
    process.work(range).await?;
    match copy.direction {
        CopyDirection::Out => to_client(process, text, copy).await,
        CopyDirection::In => from_client(process, copy).await,
    }
}

impl Process {
    /// Does something as a statement of this backend, through its waits.
    async fn as_statement<T>(
        &mut self,
        mut act: impl FnMut(&mut StatementHost<'_>) -> Result<T, Interrupt<Wait>>,
    ) -> Step<T> {
        let mut memo = Memo::default();
        loop {
            memo.rewind();
            let result = {
                let mut state = self.state.borrow_mut();
                state.start_statement(self.pid);
                state.statement_snapshot(self.pid);
                act(&mut StatementHost::new(&mut state, self.pid, &mut memo))
            };
            match result {
                Ok(done) => return Ok(done),
                Err(Interrupt::Error(error)) => return Err(error.into()),
                Err(Interrupt::Wait(wait)) => self.wait_for(wait).await?,
            }
        }
    }

    async fn copy_work(&mut self) -> Step<()> {
        let range = self.state.borrow().options.timings.copy_chunk.clone();
        self.work(range).await
    }
}

fn format(format: &CopyFormat) -> Format {
    match format {
        CopyFormat::Binary => Format::Binary,
        CopyFormat::Text { .. } => Format::Text,
    }
}

async fn to_client(process: &mut Process, text: &Rc<str>, copy: &CopyCommand) -> Step<String> {
    let (columns, rows) = process.as_statement(|host| copy_out(host, text, copy)).await?;
    let types: Vec<Type> = columns.iter().map(|column| column.ty.clone()).collect();
    process
        .client
        .replies()
        .copy_out_response(format(&copy.format), types.len());
    let count = rows.len();
    for payload in copy_out_rows(rows, &types, &copy.format) {
        let payload = payload?;
        process.client.replies().copy_data(&payload);
        if process.client.unsent() >= CHUNK {
            process.copy_work().await?;
            process.flush().await?;
        }
    }
    process.client.replies().copy_done();
    Ok(format!("COPY {count}"))
}

async fn from_client(process: &mut Process, copy: &CopyCommand) -> Step<String> {
    let mut target = process.as_statement(|host| CopyTarget::new(host, copy)).await?;
    if process
        .state
        .borrow_mut()
        .ensure_transaction(process.pid)
        .read_only
    {
        return Err(PgError::new("25006", "cannot execute COPY FROM in a read-only transaction").into());
    }
    let mut decoder = target.decoder(&copy.format);
    process
        .client
        .replies()
        .copy_in_response(format(&copy.format), target.columns().len());
    process.flush().await?;
    let mut count = 0;
    let mut pending = Pending::default();
    loop {
        match process.read_copy().await? {
            Frontend::CopyData(data) => {
                let rows = admit(process, &mut target, decoder.feed(&data)?).await?;
                pending.add(rows, data.len());
            }
            Frontend::CopyDone => {
                pending.add(admit(process, &mut target, decoder.finish()?).await?, 0);
                count += store(process, &mut target, &mut pending).await?;
                return Ok(format!("COPY {count}"));
            }
            Frontend::CopyFail(reason) => {
                return Err(PgError::new("57014", format!("COPY from stdin failed: {reason}")).into());
            }
            Frontend::Malformed { error, .. } => return Err(malformed(&error).into()),
            // Flush and Sync: a client of the extended protocol sends them along.
            _ => continue,
        }
        if pending.is_full() {
            count += store(process, &mut target, &mut pending).await?;
        }
    }
}

/// Rows that have come and are not stored: until the first are, the transaction has no xid (OB-09).
#[derive(Default)]
struct Pending {
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl Pending {
    fn add(&mut self, rows: Vec<Vec<Value>>, bytes: usize) {
        self.rows.extend(rows);
        self.bytes += bytes;
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= BUFFERED_ROWS || self.bytes >= BUFFERED_BYTES
    }
}

async fn admit(
    process: &mut Process,
    target: &mut CopyTarget,
    rows: Vec<Vec<Value>>,
) -> Step<Vec<Vec<Value>>> {
    if rows.is_empty() {
        return Ok(rows);
    }
    process
        .as_statement(|host| target.admit(host, rows.clone()))
        .await
}

async fn store(process: &mut Process, target: &mut CopyTarget, pending: &mut Pending) -> Step<u64> {
    let Pending { rows, .. } = std::mem::take(pending);
    if rows.is_empty() {
        return Ok(0);
    }
    process.copy_work().await?;
    process
        .as_statement(|host| target.insert(host, rows.clone()))
        .await
}
