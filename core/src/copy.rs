//! Copies one partition: `COPY … TO STDOUT` on a reader into `COPY … FROM STDIN` on a writer, in binary,
//! bytes passed through. What the writer does not take is not read: memory does not depend on the table.

use std::sync::Arc;

use crate::client::{Client, Context, bounded, failed};
use crate::connection::{Connector, Session};
use crate::failure::{Failure, Side};
use crate::load_error::LoadError;
use crate::names::{Attempt, quote_literal};
use crate::plan::Partition;
use crate::progress::Progress;
use crate::record::{Claim, Record};

/// A reader on the source and a writer on the target.
pub(crate) struct Pair<C: Connector> {
    pub(crate) reader: Client<C>,
    pub(crate) writer: Client<C>,
}

/// What a copy needs to know of its attempt.
pub(crate) struct Job<C: Connector> {
    pub(crate) context: Arc<Context<C>>,
    pub(crate) attempt: Attempt,
    pub(crate) record: Record,
    /// The name under which readers import the snapshot.
    pub(crate) snapshot: String,
    pub(crate) progress: Arc<Progress>,
}

impl<C: Connector> Job<C> {
    /// Copies `partition`, unless it turns out to be loaded already. On return the partition is committed
    /// on the target and neither session is in a transaction. After an error the pair must be given up.
    pub(crate) async fn copy(&self, pair: &mut Pair<C>, partition: &Partition) -> Result<(), LoadError> {
        let claim = self
            .record
            .begin_partition(&mut pair.writer, self.attempt, partition)
            .await?;
        match claim {
            Claim::Mine => {}
            Claim::AlreadyLoaded => {
                pair.writer.query("giving a claim back", "ROLLBACK").await?;
                self.progress.loaded(0);
                return Ok(());
            }
            Claim::Superseded => {
                return Err(LoadError::Dropped {
                    mirror: self.context.name.clone(),
                });
            }
        }
        let rows = self.pass_through(pair, partition).await?;
        self.progress.loaded(rows);
        Ok(())
    }

    /// Moves the bytes, ends both transactions, and returns the rows. Each COMMIT is in its COPY's message: the source
    /// ends the reader's transaction as soon as it has sent the rows, and the target commits once it has taken them.
    async fn pass_through(&self, pair: &mut Pair<C>, partition: &Partition) -> Result<u64, Failure> {
        let (clock, bounds) = (&self.context.clock, &self.context.settings.bounds);
        let reading = |error| failed(Side::Source, format!("reading {partition}"), error);
        let writing = |error| failed(Side::Target, format!("writing {partition}"), error);

        let copy_out = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; {}; COMMIT",
            quote_literal(&self.snapshot),
            partition.copy_out()
        );
        let starting = pair.reader.session().copy_out(&copy_out);
        bounded(clock, "the start of COPY OUT", bounds.stall, starting)
            .await
            .map_err(reading)?;
        let copy_in = format!("{}; COMMIT", partition.copy_in());
        let starting = pair.writer.session().copy_in(&copy_in);
        bounded(clock, "the start of COPY IN", bounds.stall, starting)
            .await
            .map_err(writing)?;
        loop {
            let next = pair.reader.session().copy_out_next();
            let Some(data) = bounded(clock, "COPY data", bounds.stall, next)
                .await
                .map_err(reading)?
            else {
                break;
            };
            self.progress.moved(data.len());
            let sending = pair.writer.session().copy_in_send(data);
            bounded(clock, "room for COPY data", bounds.stall, sending)
                .await
                .map_err(writing)?;
        }
        let finishing = pair.writer.session().copy_in_finish();
        bounded(
            clock,
            "the end of COPY IN and its COMMIT",
            bounds.finish,
            finishing,
        )
        .await
        .map_err(writing)
    }
}
