//! A simulated server, as a world holds it.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use leftover_core::clock::SharedClock;
use leftover_core::connection::Row;
use leftover_harness::census::Census;
use leftover_harness::reach::Situations;
use leftover_harness::world::Shutdown;

use super::any_socket::AnySocket;
use super::backend;
use super::backend_row::{Backend, Kind};
use super::options::ServerOptions;
use super::process::Shared;
use super::session::execute::{Done, Memo, Parameters, execute};
use super::session::utility::refuse_in_many;

use super::settings::{self, Context, Settings};
use super::shutdown::Phase;
use super::socket::Socket;
use super::sql::command::Parsed;
use super::sql::error::PgError;
use super::sql::host::{Column, Interrupt};
use super::sql::parse::parse;
use super::sql::value::Value;
use super::state::State;
use super::waits::Wait;
use crate::chooser::Chooser;
use crate::net::ServerEnd;
use crate::world::SimServer;

/// A simulated Postgres 15. Clones are the same server.
#[derive(Clone)]
pub struct PgServer {
    state: Shared,
}

impl PgServer {
    /// A new server with the roles and databases of `options`, taking connections.
    pub fn new(options: ServerOptions, clock: SharedClock, chooser: Chooser) -> Self {
        Self {
            state: Rc::new(RefCell::new(State::new(options, clock, chooser))),
        }
    }

    /// Serves one connection; whoever accepts connections runs this to its end.
    pub fn serve(&self, socket: impl Socket + 'static) -> impl Future<Output = ()> + 'static {
        backend::run(Rc::clone(&self.state), AnySocket::new(socket))
    }

    /// Runs statements out of band: in no view and in no census. Several statements are one transaction. What
    /// takes the server's own time is waited for; what would have to wait for somebody is an error.
    ///
    /// # Errors
    /// The first error's text.
    pub async fn sql(&self, database: &str, user: &str, sql: &str) -> Result<Vec<Row>, String> {
        let pid = out_of_band(&mut self.state.borrow_mut(), database, user);
        let result = self.run_all(pid, sql).await;
        let mut state = self.state.borrow_mut();
        state.end_transaction(pid, result.is_ok());
        state.release_all(pid);
        state.backends.remove(pid);
        result.map_err(|error| error.to_string())
    }

    async fn run_all(&self, pid: i32, sql: &str) -> Result<Vec<Row>, PgError> {
        let database = self.state.borrow().backend_ref(pid).database.clone();
        if !self.state.borrow().databases.contains_key(&database) {
            return Err(PgError::new(
                "3D000",
                format!("database \"{database}\" does not exist"),
            ));
        }
        let mut rows = Vec::new();
        let statements = parse(sql)?;
        for parsed in statements.iter() {
            if statements.len() > 1 {
                refuse_in_many(&parsed.statement)?;
            }
            let mut memo = Memo::default();
            loop {
                let done = run_one(&mut self.state.borrow_mut(), pid, parsed, &mut memo);
                match done {
                    Ok(found) => {
                        rows.extend(found);
                        break;
                    }
                    Err(Interrupt::Error(error)) => return Err(error),
                    Err(Interrupt::Wait(wait)) => self.wait_out_of_band(&wait, &parsed.text).await?,
                }
                memo.rewind();
            }
        }
        Ok(rows)
    }

    async fn wait_out_of_band(&self, wait: &Wait, text: &str) -> Result<(), PgError> {
        let Wait::Until { at, .. } = wait else {
            return Err(PgError::new(
                "55P03",
                format!("{text:?} would have to wait: {wait:?}"),
            ));
        };
        let clock = self.state.borrow().clock.clone();
        clock.sleep(at.saturating_sub(clock.now())).await;
        Ok(())
    }

    /// What the server holds now.
    pub fn census(&self) -> Census {
        self.state.borrow().census()
    }

    /// The most sessions at one instant whose `application_name` starts with `prefix`.
    pub fn peak_sessions(&self, application_name_prefix: &str) -> usize {
        self.state.borrow().peak_sessions(application_name_prefix)
    }

    /// Whether the server serves.
    pub fn accepting(&self) -> bool {
        self.state.borrow().phase == Phase::Running
    }

    /// Whether the server has stopped: then connecting is refused.
    pub fn is_down(&self) -> bool {
        self.state.borrow().phase == Phase::Down
    }

    /// Begins to stop the server; [`PgServer::is_down`] says when it has.
    pub fn shut_down(&self, how: Shutdown) {
        self.state.borrow_mut().shut_down(how);
    }

    /// Ends a backend with SIGKILL.
    pub fn kill(&self, pid: i32) {
        self.state.borrow_mut().kill(pid);
    }

    /// Sets what the configuration file sets, and reloads: the server and new sessions have it from now on.
    ///
    /// # Errors
    /// When there is no such setting, it is not of this kind, or only a start of the server can set it.
    pub fn configure(&self, name: &str, value: &str) -> Result<(), String> {
        let (id, value) = settings::at_rest(name, value)?;
        if matches!(id.definition().context, Context::Postmaster | Context::Internal) {
            return Err(format!("{name} cannot be changed without a start of the server"));
        }
        let mut state = self.state.borrow_mut();
        Rc::make_mut(&mut state.settings).insert(id, value.into());
        Ok(())
    }

    /// Stops the server at once (`immediate`): every session is cut off, and what was not durable is gone.
    pub fn crash(&self) {
        self.state.borrow_mut().crash();
    }

    /// Takes connections again, with what was durable.
    pub fn restart(&self) {
        self.state.borrow_mut().phase = Phase::Running;
    }
}

fn out_of_band(state: &mut State, database: &str, user: &str) -> i32 {
    let (pid, now) = (state.new_pid(), state.now());
    let mut backend = Backend::new(pid, 0, 0, Kind::OutOfBand, now);
    database.clone_into(&mut backend.database);
    user.clone_into(&mut backend.role);
    backend.settings = Settings::new(&state.settings);
    state.backends.insert(backend);
    pid
}

fn run_one(
    state: &mut State,
    pid: i32,
    parsed: &Parsed,
    memo: &mut Memo,
) -> Result<Vec<Row>, Interrupt<Wait>> {
    state.ensure_transaction(pid);
    state.start_statement(pid);
    let done = execute(state, pid, parsed, &Parameters::default(), memo);
    state.end_statement(pid);
    Ok(match done? {
        Done::Rows { columns, rows, .. } => {
            let text = |row: &Vec<_>| {
                let texts = row.iter().zip(columns.iter());
                let text = |(value, column): (&Value, &Column)| {
                    (!value.is_null()).then(|| value.to_text(&column.ty))
                };
                Row(texts.map(text).collect())
            };
            rows.iter().map(text).collect()
        }
        _ => Vec::new(),
    })
}

impl State {
    /// Everything that is not durable goes, and every backend is told.
    pub fn crash(&mut self) {
        self.phase = Phase::Down;
        let pids = self.pids(|_| true);
        for pid in &pids {
            self.end_transaction(*pid, false);
            self.unlist(*pid);
            let backend = self.backend(*pid);
            backend.was_client = backend.kind == Kind::Client;
            backend.kind = Kind::Starting;
            backend.signals.crash = true;
        }
        self.slots.crash();
        for pid in &pids {
            let mut woken = self.locks.give_up(*pid);
            woken.extend(self.locks.release(*pid, true));
        }
        self.exported.clear();
        self.slot_waiters.clear();
        self.exit_waiters.clear();
        self.wake(pids);
    }
}

impl SimServer for PgServer {
    fn serve(&self, socket: ServerEnd) -> impl Future<Output = ()> + 'static {
        PgServer::serve(self, socket)
    }

    async fn sql(&self, database: &str, user: &str, sql: &str) -> Result<Vec<Row>, String> {
        PgServer::sql(self, database, user, sql).await
    }

    fn census(&self) -> Census {
        PgServer::census(self)
    }

    fn peak_sessions(&self, prefix: &str) -> usize {
        PgServer::peak_sessions(self, prefix)
    }

    fn reached(&self) -> Situations {
        self.state.borrow().reached
    }

    fn crash(&self) {
        PgServer::crash(self);
    }

    fn restart(&self) {
        PgServer::restart(self);
    }
}
