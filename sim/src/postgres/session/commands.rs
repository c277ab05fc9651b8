//! The main loop of a backend: ready, read, run.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::extended::{Portal, Prepared};
use crate::postgres::activity::ActivityState;
use crate::postgres::process::Process;
use crate::postgres::process_io::malformed;
use crate::postgres::protocol::{Frontend, Target};
use crate::postgres::settings::{Id, REPORTED, id};
use crate::postgres::sql::error::PgError;
use crate::postgres::waits::{Exit, Step, Stop};

/// Whether messages of this kind belong to the extended protocol: after an error in one, all are skipped until
/// Sync.
fn is_extended(kind: u8) -> bool {
    matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C')
}

/// What a session keeps between messages.
#[derive(Debug)]
pub struct Session {
    /// Whether `ReadyForQuery` is due.
    pub ready: bool,
    /// After an error in the extended protocol: messages are ignored until Sync.
    pub skipping: bool,
    /// Prepared statements by name.
    pub prepared: BTreeMap<String, Rc<Prepared>>,
    /// Portals by name.
    pub portals: BTreeMap<String, Portal>,
    /// What was last told of reported settings, since they were as at the session's start.
    told: BTreeMap<Id, String>,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session that says it is ready first.
    pub fn new() -> Self {
        Self {
            ready: true,
            skipping: false,
            prepared: BTreeMap::new(),
            portals: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Takes one message and answers it.
    ///
    /// # Errors
    /// With the backend's end; errors of statements are answered here.
    pub async fn serve_one(&mut self, process: &mut Process) -> Step<()> {
        let mut idle_limit = None;
        if self.ready {
            self.ready = false;
            idle_limit = self.get_ready(process).await?;
        }
        let message = process.read_command(idle_limit).await?;
        let extended = is_extended(message.kind());
        match self.dispatch(process, message).await {
            Err(Stop::Error(error)) => {
                // Until Sync an error in the extended protocol skips the rest.
                self.skipping |= extended;
                self.failed(process, &error)
            }
            other => other,
        }
    }

    /// Says `ReadyForQuery` and rests; answers how long it may.
    async fn get_ready(&mut self, process: &mut Process) -> Step<Option<(Duration, PgError)>> {
        let pid = process.pid;
        process.timers.statement = None;
        process.report_notices();
        let (status, resting) = {
            let mut state = process.state.borrow_mut();
            let (status, resting) = (state.status(pid), state.resting_state(pid));
            if state.backend(pid).transaction.is_none() {
                self.portals.clear();
            }
            state.set_activity(pid, resting);
            (status, resting)
        };
        self.tell_settings(process);
        process.client.replies().ready_for_query(status);
        // Nothing runs any more: a cancel that comes now hits nothing.
        process.with(|backend| backend.reading = true);
        process.flush().await?;
        Ok(match resting {
            ActivityState::Idle => process
                .time_setting(const { id("idle_session_timeout") })
                .map(|after| {
                    (
                        after,
                        PgError::fatal("57P05", "terminating connection due to idle-session timeout"),
                    )
                }),
            _ => process
                .time_setting(const { id("idle_in_transaction_session_timeout") })
                .map(|after| {
                    let message = "terminating connection due to idle-in-transaction timeout";
                    (after, PgError::fatal("25P03", message))
                }),
        })
    }

    /// Tells the reported settings that have changed since they were told, for whatever reason (a rollback too).
    fn tell_settings(&mut self, process: &mut Process) {
        let mut state = process.state.borrow_mut();
        let settings = &state.backend(process.pid).settings;
        if self.told.is_empty() && !settings.is_changed() {
            return;
        }
        for (id, name) in REPORTED {
            let value = settings.value(*id);
            let told = self
                .told
                .get(id)
                .map_or_else(|| settings.at_start(*id), String::as_str);
            if value != told {
                process.client.replies().parameter_status(name, value);
                self.told.insert(*id, value.to_owned());
            }
        }
    }

    async fn dispatch(&mut self, process: &mut Process, message: Frontend) -> Step<()> {
        let walsender = process.state.borrow().is_walsender(process.pid);
        match message {
            Frontend::Terminate => Err(Stop::Exit(Exit::Silent)),
            Frontend::Sync => {
                self.skipping = false;
                self.ready = true;
                self.finish_implicit(process).await
            }
            // Leftovers of a COPY that has ended: nobody looks into them.
            Frontend::CopyData(_)
            | Frontend::CopyDone
            | Frontend::CopyFail(_)
            | Frontend::Malformed { kind: b'f', .. } => Ok(()),
            _ if self.skipping && message.kind() != b'S' => Ok(()),
            Frontend::Query(sql) => {
                self.ready = true;
                if walsender && crate::postgres::walsender::run(process, &sql).await? {
                    return Ok(());
                }
                self.simple_query(process, &sql).await
            }
            Frontend::Flush => process.flush().await,
            Frontend::FunctionCall(_) => {
                self.ready = true;
                Err(PgError::unsupported("the function call protocol").into())
            }
            _ if walsender && is_extended(message.kind()) => {
                let message = "extended query protocol not supported in a replication connection";
                Err(PgError::new("08P01", message).into())
            }
            Frontend::Malformed { kind, error } => {
                self.skipping = is_extended(kind) || kind == b'H';
                self.ready |= !self.skipping;
                Err(malformed(&error).into())
            }
            other => self.dispatch_extended(process, other).await,
        }
    }

    async fn dispatch_extended(&mut self, process: &mut Process, message: Frontend) -> Step<()> {
        self.extended(process);
        match message {
            Frontend::Parse {
                name,
                sql,
                parameter_types,
            } => self.parse(process, name, &sql, &parameter_types).await,
            Frontend::Bind {
                portal,
                statement,
                parameter_formats,
                parameters,
                result_formats,
            } => self.bind(
                process,
                portal,
                &statement,
                &parameter_formats,
                &parameters,
                result_formats,
            ),
            Frontend::Describe(target) => self.describe(process, &target),
            Frontend::Execute { portal, max_rows } => self.execute_portal(process, &portal, max_rows).await,
            Frontend::Close(target) => {
                match target {
                    Target::Statement(name) => drop(self.prepared.remove(&name)),
                    Target::Portal(name) => drop(self.portals.remove(&name)),
                }
                process.client.replies().close_complete();
                Ok(())
            }
            _ => Err(PgError::fatal("08P01", "invalid frontend message type").into()),
        }
    }

    /// A message of the extended protocol: the backend counts as active until Sync (OB-10).
    fn extended(&self, process: &Process) {
        process
            .state
            .borrow_mut()
            .set_activity(process.pid, ActivityState::Active);
    }

    /// Answers a failed statement.
    fn failed(&mut self, process: &mut Process, error: &PgError) -> Step<()> {
        process.timers.statement = None;
        process.report_notices();
        process.report(error);
        process.state.borrow_mut().fail(process.pid);
        Ok(())
    }
}
