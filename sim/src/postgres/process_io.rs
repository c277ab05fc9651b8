//! A backend and its client: writing that may block, reading between commands and inside COPY.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use leftover_harness::reach::Situation;

use super::activity::WaitEvent;
use super::process::Process;
use super::protocol::{Frontend, Phase, ProtocolError, ReadError, Report};
use super::sql::error::PgError;
use super::waits::{Exit, Step, Stop};

/// What is wrong inside a client's message, as the client reads it.
pub fn malformed(error: &ProtocolError) -> PgError {
    PgError::new(error.code(), error.to_string())
}

impl Process {
    /// Sends what was said. A blocked write notices RST, a termination, `client_connection_check_interval`, and
    /// a cancel only when the kernel's buffers have slack: that is drawn (OB-41, 72, 73). Without slack the cancel
    /// takes effect once the client reads.
    ///
    /// # Errors
    /// With what interrupted it.
    pub async fn flush(&mut self) -> Step<()> {
        let mut blocked = false;
        let mut unsaid = Ok(());
        let result = poll_fn(|cx| {
            loop {
                match self.client.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        self.slack = None;
                        return Poll::Ready(std::mem::replace(&mut unsaid, Ok(())));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Stop::Exit(Exit::Silent))),
                    Poll::Pending if self.slack == Some(true) => return Poll::Ready(Ok(())),
                    Poll::Pending => {}
                }
                if !blocked {
                    blocked = true;
                    self.note(Situation::BlockedInClientWrite);
                    self.with(|backend| backend.activity.wait = Some(WaitEvent::ClientWrite));
                }
                self.listen(cx);
                let running = self.with(|backend| !backend.reading);
                match self.blocked_write(running) {
                    Err(interrupt @ Stop::Error(_)) if self.slack == Some(false) => unsaid = Err(interrupt),
                    Err(stop) => return Poll::Ready(Err(stop)),
                    Ok(()) => {}
                }
                // Behind ReadyForQuery no statement runs that could time out.
                let statement = self.timers.statement.filter(|_| running);
                let deadlines = [self.timers.check_client, statement];
                if self.timers.poll_earliest(cx, &deadlines).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        if blocked {
            self.with(|backend| backend.activity.wait = None);
        }
        result
    }

    /// What a blocked write notices.
    fn blocked_write(&mut self, running: bool) -> Result<(), Stop> {
        let interrupt = match self.signals(running) {
            // There is no way to say anything to this client any more.
            Err(Stop::Exit(Exit::Fatal(_))) => return Err(Stop::Exit(Exit::Silent)),
            Err(stop @ Stop::Exit(_)) => return Err(stop),
            other => other,
        };
        let interrupt = interrupt.and_then(|()| if running { self.due() } else { self.check_client() });
        if let Err(Stop::Error(_)) = &interrupt {
            // Without slack packets are lost in mid-flow: the error finds no room either, until the client reads.
            let chooser = &self.chooser;
            self.slack.get_or_insert_with(|| chooser.chance(1, 2));
        }
        interrupt
    }

    /// Waits for the client's next message between commands (`idle`, or active without Sync).
    ///
    /// # Errors
    /// When the backend ends instead.
    pub async fn read_command(&mut self, idle_limit: Option<(Duration, PgError)>) -> Step<Frontend> {
        let deadline = idle_limit.as_ref().map(|(after, _)| self.timers.now() + *after);
        self.with(|backend| {
            backend.reading = true;
            backend.signals.cancel = false;
            backend.activity.wait = Some(WaitEvent::ClientRead);
        });
        let result = poll_fn(|cx| {
            self.listen(cx);
            self.signals(false)?;
            if self.slack.is_some() && self.client.poll_flush(cx).is_ready() {
                self.slack = None;
            }
            if let Poll::Ready(message) = self.client.poll_message(cx, Phase::Command) {
                return Poll::Ready(self.command(message));
            }
            match (self.timers.poll_earliest(cx, &[deadline]), &idle_limit) {
                (Poll::Ready(()), Some((_, error))) => {
                    self.note(Situation::EndedByServerLimit);
                    Poll::Ready(Err(error.clone().into()))
                }
                _ => Poll::Pending,
            }
        })
        .await;
        self.with(|backend| {
            backend.reading = false;
            backend.activity.wait = None;
        });
        result
    }

    /// Waits for the client's next message inside a COPY IN: a termination ends it at once, a cancel only with the
    /// next message (OB-75), and no timer does.
    ///
    /// # Errors
    /// When the backend ends, or the COPY was cancelled.
    pub async fn read_copy(&mut self) -> Step<Frontend> {
        self.with(|backend| backend.activity.wait = Some(WaitEvent::ClientRead));
        let result = poll_fn(|cx| {
            self.listen(cx);
            self.signals(false)?;
            let message = std::task::ready!(self.client.poll_message(cx, Phase::CopyIn));
            Poll::Ready(self.copy_message(message))
        })
        .await;
        self.with(|backend| backend.activity.wait = None);
        let message = result?;
        self.signals(true)?;
        Ok(message)
    }

    fn command(&mut self, message: Result<Option<Frontend>, ReadError>) -> Step<Frontend> {
        match message {
            Ok(Some(message)) => Ok(message),
            // The keepalive or the user timeout that the session set has given its client up.
            Err(ReadError::Lost(ErrorKind::TimedOut)) => {
                self.note(Situation::EndedByServerLimit);
                Err(Stop::Exit(Exit::Silent))
            }
            Err(ReadError::Protocol(error)) if !error.is_silent() => {
                Err(PgError::fatal(error.code(), error.to_string()).into())
            }
            _ => Err(Stop::Exit(Exit::Silent)),
        }
    }

    /// What ends a COPY also ends the session, with two messages (measured on 15).
    fn copy_message(&mut self, message: Result<Option<Frontend>, ReadError>) -> Step<Frontend> {
        let error = match message {
            Err(ReadError::Protocol(ProtocolError::MessageType(kind))) => PgError::new(
                "08P01",
                format!("unexpected message type 0x{kind:02X} during COPY from stdin"),
            ),
            Ok(None) | Err(ReadError::Protocol(_) | ReadError::Lost(ErrorKind::UnexpectedEof)) => {
                self.note(Situation::CopyInLostClient);
                PgError::new(
                    "08006",
                    "unexpected EOF on client connection with an open transaction",
                )
            }
            other => {
                let message = self.command(other);
                if message.is_err() {
                    self.note(Situation::CopyInLostClient);
                }
                return message;
            }
        };
        self.report(&error);
        let lost = "terminating connection because protocol synchronization was lost";
        Err(PgError::fatal("08P01", lost).into())
    }

    /// Appends an ErrorResponse or NoticeResponse.
    pub fn report(&mut self, error: &PgError) {
        let report = Report {
            severity: error.severity,
            code: error.code,
            message: &error.message,
            detail: error.detail.as_deref(),
            hint: error.hint.as_deref(),
        };
        let mut replies = self.client.replies();
        match error.severity {
            "ERROR" | "FATAL" | "PANIC" => replies.error(&report),
            _ => replies.notice(&report),
        };
    }

    /// Sends the notices that a statement left: they do not wait for what comes behind them.
    ///
    /// # Errors
    /// With what interrupted the sending.
    pub async fn send_notices(&mut self) -> Step<()> {
        if self.with(|backend| backend.notices.is_empty()) {
            return Ok(());
        }
        self.report_notices();
        self.flush().await
    }

    /// Appends the notices that statements left.
    pub fn report_notices(&mut self) {
        let notices = self.with(|backend| std::mem::take(&mut backend.notices));
        notices.iter().for_each(|notice| self.report(notice));
    }
}
