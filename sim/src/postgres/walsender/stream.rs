//! A logical stream's life, as `WalSndLoop` leads it: decode what has committed, wait at the end of the log, and
//! hear the client whenever the socket is touched.
//!
//! It reads its client at the end of the log, while it reads the log, and while its own data finds no room; not while
//! a transaction is being sent and flows. A termination that finds no room for its last words is stuck with them
//! (OB-86).

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use leftover_core::clock::Instant;
use leftover_core::connection::Lsn;
use leftover_harness::reach::Situation;

use super::pgoutput::PgOutput;
use super::standby::{Standby, understand};
use crate::postgres::activity::WaitEvent;
use crate::postgres::functions::time;
use crate::postgres::process::Process;
use crate::postgres::protocol::Phase;
use crate::postgres::settings::id;
use crate::postgres::sql::error::PgError;
use crate::postgres::waits::{Exit, Step, Stop};
use crate::postgres::wal::Committed;

/// How many changes of the log are read between two looks at the client.
const READ_CHUNK: usize = 64;
/// How much is collected before it is sent, in bytes.
const SEND_BUFFER: usize = 8192;

/// What the stream waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// A time: work.
    Time(Instant),
    /// Its data to be in the kernel's hands.
    Sent,
    /// More log, or the end of the stream.
    Log,
}

/// A stream.
pub struct Stream<'a> {
    process: &'a mut Process,
    slot: &'a str,
    output: PgOutput,
    database: u32,
    /// Where the next transaction's commit record may be.
    next: Lsn,
    /// How far the log is decoded: what keepalives say.
    sent: Lsn,
    written: Lsn,
    flushed: Lsn,
    /// `wal_sender_timeout`.
    timeout: Option<Duration>,
    /// When the client was last heard.
    heard: Instant,
    /// Whether a keepalive that wants a reply is unanswered.
    pinged: bool,
}

impl<'a> Stream<'a> {
    /// A stream of the transactions that commit at `from` or later.
    pub fn new(process: &'a mut Process, slot: &'a str, from: Lsn, output: PgOutput) -> Self {
        let (database, confirmed) = {
            let state = process.state.borrow();
            let confirmed = state.slots.get(slot).ok().and_then(|slot| slot.confirmed_flush);
            (state.database(process.pid).oid, confirmed)
        };
        Self {
            timeout: process.time_setting(const { id("wal_sender_timeout") }),
            heard: process.timers.now(),
            process,
            slot,
            output,
            database,
            next: from,
            sent: confirmed.unwrap_or_default(),
            written: Lsn::default(),
            flushed: Lsn::default(),
            pinged: false,
        }
    }

    /// Streams until both sides have said CopyDone.
    ///
    /// # Errors
    /// What ended it instead.
    pub async fn run(mut self) -> Step<()> {
        if !self.process.streamed {
            self.keep_alive_unconfirmed();
        }
        while !self.process.streamed {
            let (next, end) = {
                let state = self.process.state.borrow();
                (state.changes.next(self.database, self.next), state.wal_end())
            };
            match next {
                Some(transaction) => {
                    self.read(transaction.changes.len()).await?;
                    if !self.process.streamed {
                        self.send(&transaction).await?;
                    }
                }
                None => {
                    (self.next, self.sent) = (self.next.max(end), self.sent.max(end));
                    self.keep_alive_unconfirmed();
                    self.attend(Some(WaitEvent::WalSenderWaitForWal), Goal::Log)
                        .await?;
                }
            }
        }
        self.attend(Some(WaitEvent::WalSenderWriteData), Goal::Sent).await
    }

    /// Reads the changes of a transaction from the log, with an ear to the client (OB-16).
    async fn read(&mut self, changes: usize) -> Step<()> {
        let range = self.process.state.borrow().options.timings.decode.clone();
        for _ in (0..changes).step_by(READ_CHUNK) {
            if self.process.streamed {
                break;
            }
            let until = self.process.timers.now() + self.process.chooser.duration(range.clone());
            self.attend(None, Goal::Time(until)).await?;
        }
        Ok(())
    }

    /// Sends a transaction, unless nothing of it is published.
    async fn send(&mut self, transaction: &Committed) -> Step<()> {
        self.output.begin();
        for logged in &transaction.changes {
            let now = time::micros(self.process.timers.now());
            let mut replies = self.process.client.replies();
            self.output.change(&mut replies, now, transaction, logged)?;
            if self.process.client.unsent() >= SEND_BUFFER {
                self.push().await?;
                let range = self.process.state.borrow().options.timings.decode.clone();
                self.process.work(range).await?;
            }
        }
        let now = time::micros(self.process.timers.now());
        self.output
            .commit(&mut self.process.client.replies(), now, transaction);
        (self.next, self.sent) = (transaction.end, self.sent.max(transaction.end));
        self.push().await
    }

    /// Gives data to the kernel. Only when there is no room, or the client was silent for long, is it listened to.
    async fn push(&mut self) -> Step<()> {
        let client = &mut self.process.client;
        let flushed = poll_fn(|cx| Poll::Ready(client.poll_flush(cx))).await;
        if let Poll::Ready(Err(_)) = flushed {
            return Err(Stop::Exit(Exit::Silent));
        }
        let now = self.process.timers.now();
        if flushed.is_ready() && self.timeout.is_none_or(|timeout| now < self.heard + timeout / 2) {
            return Ok(());
        }
        self.attend(Some(WaitEvent::WalSenderWriteData), Goal::Sent).await
    }

    /// Hears the client, keeps it alive and waits.
    async fn attend(&mut self, event: Option<WaitEvent>, goal: Goal) -> Step<()> {
        self.process.with(|backend| backend.activity.wait = event);
        let result = poll_fn(|cx| self.poll_attend(cx, goal)).await;
        self.process.with(|backend| backend.activity.wait = None);
        let blocked = self.process.client.unsent() > 0;
        match result {
            Err(Stop::Exit(Exit::Fatal(error))) if blocked => Err(self.last_words(error).await),
            Err(Stop::Error(error)) if blocked => Err(self.error(error).await),
            other => other,
        }
    }

    fn poll_attend(&mut self, cx: &mut Context<'_>, goal: Goal) -> Poll<Step<()>> {
        self.process.listen(cx);
        loop {
            self.process.signals(true)?;
            let now = self.process.timers.now();
            let heard = self.hear(cx, now)?;
            let grown = self.process.state.borrow().wal_end() > self.sent;
            let due = self.due();
            if goal == Goal::Log && (heard || grown || due.is_some_and(|due| due <= now)) {
                self.keep_alive_unconfirmed();
            }
            self.keep_alive_in_time(now)?;
            let over = goal == Goal::Log && !grown && self.shuts_down();
            if let Poll::Ready(Err(_)) = self.process.client.poll_flush(cx) {
                return Poll::Ready(Err(Stop::Exit(Exit::Silent)));
            }
            let unsent = self.process.client.unsent() > 0;
            if over && !unsent {
                self.process.client.replies().command_complete("COPY 0");
                let _best_effort = self.process.client.poll_flush(cx);
                return Poll::Ready(Err(Stop::Exit(Exit::Silent)));
            }
            let reached = match goal {
                Goal::Time(at) => now >= at,
                Goal::Sent => !unsent,
                Goal::Log => self.process.streamed || grown,
            };
            if reached {
                return Poll::Ready(Ok(()));
            }
            let work = match goal {
                Goal::Time(at) => Some(at),
                Goal::Sent | Goal::Log => None,
            };
            let deadlines = [work, self.due()];
            if self.process.timers.poll_earliest(cx, &deadlines).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Whether the server shuts down and the client has acknowledged all; else it is asked for it (OB-109, 110).
    fn shuts_down(&mut self) -> bool {
        if !self.process.with(|backend| backend.signals.shutdown) {
            return false;
        }
        let acknowledged = if self.flushed == Lsn::default() {
            self.written
        } else {
            self.flushed
        };
        if acknowledged < self.sent && !self.pinged {
            self.keep_alive(true);
            self.pinged = true;
        }
        acknowledged >= self.sent
    }

    /// Takes all that the client has said; answers whether it said anything.
    fn hear(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Stop> {
        let mut heard = false;
        while !self.process.streamed
            && let Poll::Ready(message) = self.process.client.poll_message(cx, Phase::Stream)
        {
            match understand(message)? {
                Standby::Status {
                    written,
                    flushed,
                    reply,
                } => {
                    (self.written, self.flushed) = (written, flushed);
                    if reply {
                        self.keep_alive(false);
                    }
                    if flushed != Lsn::default() {
                        self.process.state.borrow_mut().confirm(self.slot, flushed);
                    }
                }
                Standby::Feedback => {}
                Standby::Done => {
                    self.process.client.replies().copy_done();
                    self.process.streamed = true;
                }
            }
            heard = true;
        }
        if heard {
            (self.heard, self.pinged) = (now, false);
        }
        Ok(heard)
    }

    /// When a client that stays silent is asked for a reply, or left.
    fn due(&self) -> Option<Instant> {
        let timeout = self.timeout?;
        Some(self.heard + if self.pinged { timeout } else { timeout / 2 })
    }

    /// Asks a silent client for a reply at half of `wal_sender_timeout`, and leaves without a word at its end (OB-43).
    fn keep_alive_in_time(&mut self, now: Instant) -> Result<(), Stop> {
        if self.timeout.is_some_and(|timeout| now >= self.heard + timeout) {
            self.process.note(Situation::EndedByServerLimit);
            return Err(Stop::Exit(Exit::Silent));
        }
        if !self.pinged && self.due().is_some_and(|due| due <= now) {
            self.keep_alive(true);
            self.pinged = true;
        }
        Ok(())
    }

    /// Tells a client that has not confirmed everything how far the log has come (OB-104), whenever the stream looks up at
    /// the end of the log.
    fn keep_alive_unconfirmed(&mut self) {
        if self.flushed < self.sent && self.written < self.sent && !self.pinged {
            self.keep_alive(false);
        }
    }

    fn keep_alive(&mut self, reply: bool) {
        let now = time::micros(self.process.timers.now());
        self.process.client.replies().copy_data_with(|out| {
            out.put_u8(b'k');
            out.put_u64(self.sent.0);
            out.put_i64(now);
            out.put_u8(u8::from(reply));
        });
    }

    /// An error behind data that finds no room. With slack in the kernel's buffers the session goes on, and what is
    /// unsent goes out with it. With little slack the backend is stuck with it, and with its slot, until a termination
    /// makes it try again; with none no termination helps either: only its client's reading, or the connection's end
    /// (OB-87).
    async fn error(&mut self, error: PgError) -> Stop {
        let stuck = if self.process.chooser.chance(8, 10) {
            None
        } else if self.process.chooser.chance(1, 2) {
            let asked = self.process.with(|backend| backend.signals.terminations);
            self.stuck(asked).await
        } else {
            self.stuck(u32::MAX).await
        };
        self.process.slack = Some(true);
        stuck.map_or(Stop::Error(error), Stop::Exit)
    }

    /// A FATAL error behind data that finds no room: either the kernel's buffers have slack, or the backend is stuck with
    /// it until the client reads, the connection dies, or a second termination comes; no timer looks any more (OB-86).
    async fn last_words(&mut self, error: PgError) -> Stop {
        if self.process.chooser.chance(1, 2) {
            return Stop::Exit(Exit::Fatal(error));
        }
        let asked = self.process.with(|backend| backend.signals.terminations);
        self.process.report(&error);
        Stop::Exit(self.stuck(asked).await.unwrap_or(Exit::Silent))
    }

    /// Waits until what is unsent is sent, or the backend was asked to terminate more often than that; how it ends
    /// meanwhile.
    async fn stuck(&mut self, terminations: u32) -> Option<Exit> {
        let process = &mut *self.process;
        process.with(|backend| backend.activity.wait = Some(WaitEvent::ClientWrite));
        let exit = poll_fn(|cx| {
            process.listen(cx);
            let signals = process.with(|backend| backend.signals);
            if signals.crash {
                return Poll::Ready(Some(Exit::Crash));
            }
            if signals.terminations > terminations {
                return Poll::Ready(None);
            }
            let sent = process.client.poll_flush(cx);
            sent.map(|sent| sent.is_err().then_some(Exit::Silent))
        })
        .await;
        process.with(|backend| backend.activity.wait = None);
        exit
    }
}
