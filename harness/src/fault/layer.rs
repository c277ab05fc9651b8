//! What all connections of a run share: the plan's strikes, who is connected, and the log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Waker;

use leftover_core::clock::SharedClock;

use super::awaits::Awaits;
use super::errand::{Errand, Ticket};
use super::failing::can_fail;
use super::hosts::Severed;
use super::plan::{Act, At, Fault, Persistence, Plan, When};
use super::stop::Stop;
use super::struck::Struck;
use super::tasks::Tasks;
use crate::log::{Actor, ActorId, Event, EventLog};
use crate::world::Server;

/// One of the processes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub(super) usize);

/// What a strike asks of whoever drives the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Drop this process's future.
    Cancel(ProcessId),
    /// This process is dead already; drop its future.
    Killed(ProcessId),
    /// Start a drop from another process.
    Drop,
    /// Do this to a server; the connection that waits for it has this ticket.
    Errand(Errand, Ticket),
}

/// Sessions that one process had open at one server, as the process itself saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Open now.
    pub open: usize,
    /// The largest number at one instant.
    pub peak: usize,
    /// How many were opened in all.
    pub opened: usize,
}

/// What a connection must do besides what it has done to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deferred {
    Host(ProcessId, Server, Fault, Persistence),
    Kill(ProcessId),
    Cancel(ProcessId),
    Stop(ProcessId),
    Drop,
    Errand(Errand, Ticket),
}

/// A connection as the layer reaches it from outside.
pub(super) trait Reach: Send + Sync {
    fn strike(&self, fault: Fault);
    fn kill(&self);
    /// What the connection waits for has been done.
    fn resume(&self, ticket: Ticket);
}

pub(super) struct Process {
    pub(super) label: String,
    pub(super) awaits: Awaits,
    pub(super) tasks: Tasks,
    stop: Stop,
    pub(super) killed: bool,
    pub(super) hosts: [Option<Fault>; 2],
    pub(super) severed: [Severed; 2],
    pub(super) traffic: [Traffic; 2],
    roles: BTreeMap<(Server, String), Traffic>,
}

pub(super) struct State {
    pub(super) strikes: Vec<Struck>,
    pub(super) processes: Vec<Process>,
    pub(super) connections: Vec<(ProcessId, Server, Weak<dyn Reach>)>,
    ordinals: BTreeMap<(ProcessId, Server, String), u32>,
    signals: Vec<Signal>,
    pub(super) driver: Option<Waker>,
    impossible: Option<String>,
    pub(super) tickets: u32,
}

/// The fault layer of one run.
pub struct Layer {
    log: EventLog,
    clock: SharedClock,
    /// The kinds of messages at which the plan has strikes.
    struck_messages: Vec<String>,
    /// Whether there are signals: it is asked for several times in every poll of a run.
    signalled: AtomicBool,
    /// Whether any process has ever had a task: most have none, and every poll of a run looks.
    pub(super) tasked: AtomicBool,
    state: Mutex<State>,
}

impl Layer {
    /// A layer that strikes as `plan` says.
    pub fn new(plan: &Plan, clock: SharedClock) -> Arc<Self> {
        let strikes = plan.strikes.iter().map(|strike| Struck {
            strike: strike.clone(),
            times: 0,
            last: None,
        });
        let struck_messages = plan.strikes.iter().filter_map(|strike| match &strike.at {
            At::Message { point, .. } => Some(point.message.clone()),
            _ => None,
        });
        Arc::new(Layer {
            log: EventLog::new(clock.clone()),
            clock,
            struck_messages: struck_messages.collect(),
            signalled: AtomicBool::new(false),
            tasked: AtomicBool::new(false),
            state: Mutex::new(State {
                strikes: strikes.collect(),
                processes: Vec::new(),
                connections: Vec::new(),
                ordinals: BTreeMap::new(),
                signals: Vec::new(),
                driver: None,
                impossible: None,
                tickets: 0,
            }),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds the fault layer")
    }

    /// The run's event log.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// The clock of the world.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Makes a new process known.
    pub fn process(&self, label: &str) -> ProcessId {
        let mut state = self.state();
        state.processes.push(Process {
            label: label.to_owned(),
            awaits: Awaits::default(),
            tasks: Tasks::new(),
            stop: Stop::default(),
            killed: false,
            hosts: [None; 2],
            severed: [Severed::default(); 2],
            traffic: [Traffic::default(); 2],
            roles: BTreeMap::new(),
        });
        ProcessId(state.processes.len() - 1)
    }

    /// Kills a process: closes its links as its kernel would; nothing of it reaches a server any more.
    pub fn kill(&self, process: ProcessId) {
        let (links, tasks): (Vec<_>, Tasks) = {
            let mut state = self.state();
            let known = &mut state.processes[process.0];
            if std::mem::replace(&mut known.killed, true) {
                return;
            }
            let tasks = std::mem::take(&mut known.tasks);
            let of_process = state.connections.iter().filter(|(owner, ..)| *owner == process);
            (
                of_process.filter_map(|(.., link)| link.upgrade()).collect(),
                tasks,
            )
        };
        self.log.note("the process is killed");
        for link in links {
            link.kill();
        }
        drop(tasks);
    }

    /// Whether the process has been killed.
    pub fn is_killed(&self, process: ProcessId) -> bool {
        self.state().processes[process.0].killed
    }

    /// The request to stop of a process.
    pub(crate) fn stop_of(&self, process: ProcessId) -> Stop {
        self.state().processes[process.0].stop.clone()
    }

    /// Registers who drives the run, to be woken by signals.
    pub fn driven_by(&self, waker: &Waker) {
        let mut state = self.state();
        if !state.driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.driver = Some(waker.clone());
        }
    }

    /// The signals since the last call.
    pub fn signals(&self) -> Vec<Signal> {
        if !self.signalled.load(Ordering::Acquire) {
            return Vec::new();
        }
        // Before they are taken: one that comes meanwhile is found the next time at the latest.
        self.signalled.store(false, Ordering::Release);
        std::mem::take(&mut self.state().signals)
    }

    /// Strikes a strike that is placed by await or by time.
    pub fn strike(&self, index: usize, process: ProcessId) {
        let act = {
            let mut state = self.state();
            state.strikes[index].times += 1;
            if let At::Time { .. } = state.strikes[index].strike.at {
                let last = self.log.last(process.0);
                state.strikes[index].last = last.map(|last| last.resolve(&self.log).point());
            }
            let strike = &state.strikes[index].strike;
            let text = self.log.text(&strike.to_string());
            self.log.push(None, Event::Struck(text), false);
            strike.act.clone()
        };
        match act {
            Act::Fault {
                fault, persistence, ..
            } => {
                for server in Server::BOTH {
                    self.perform(vec![Deferred::Host(process, server, fault, persistence)]);
                }
            }
            Act::Cancel => self.perform(vec![Deferred::Cancel(process)]),
            Act::Stop => self.perform(vec![Deferred::Stop(process)]),
            Act::Kill => self.perform(vec![Deferred::Kill(process)]),
            Act::Drop => self.perform(vec![Deferred::Drop]),
            Act::Crash { server } => {
                let (errand, nobody) = (Errand::Crash { server }, self.ticket());
                self.perform(vec![Deferred::Errand(errand, nobody)]);
            }
            Act::Terminate | Act::Error { .. } => {
                self.cannot(format!("{act} strikes a session, at one of its messages"));
            }
        }
    }

    /// Every strike, and how often it struck.
    pub fn struck(&self) -> Vec<Struck> {
        self.state().strikes.clone()
    }

    /// What the world could not do, when a fault was beyond its means.
    pub fn impossible(&self) -> Option<String> {
        self.state().impossible.clone()
    }

    /// The sessions that `process` opened to `server`.
    pub fn traffic(&self, process: ProcessId, server: Server) -> Traffic {
        self.state().processes[process.0].traffic[server as usize]
    }

    /// The sessions that `process` opened, by server and role.
    pub fn roles(&self, process: ProcessId) -> BTreeMap<(Server, String), Traffic> {
        self.state().processes[process.0].roles.clone()
    }

    pub(super) fn connected(&self, process: ProcessId, server: Server, connection: Weak<dyn Reach>) {
        let mut state = self.state();
        if state.connections.len() >= 64 {
            state.connections.retain(|(.., known)| known.strong_count() > 0);
        }
        state.connections.push((process, server, connection));
    }

    /// Names a connection. `session` is whether it has a session, which a cancel request has not.
    pub(super) fn label(
        &self,
        process: ProcessId,
        server: Server,
        role: &str,
        session: bool,
    ) -> (ActorId, Arc<Actor>) {
        let mut state = self.state();
        let ordinal = state
            .ordinals
            .entry((process, server, role.to_owned()))
            .or_default();
        *ordinal += 1;
        let connection = *ordinal;
        let known = &mut state.processes[process.0];
        if session {
            let role = known.roles.entry((server, role.to_owned())).or_default();
            for traffic in [&mut known.traffic[server as usize], role] {
                traffic.open += 1;
                traffic.opened += 1;
                traffic.peak = traffic.peak.max(traffic.open);
            }
        }
        let actor = Arc::new(Actor {
            process: known.label.clone(),
            server,
            role: role.to_owned(),
            connection,
        });
        (self.log.actor(Arc::clone(&actor)), actor)
    }

    /// A session's client end is closed, by whomever.
    pub(super) fn closed(&self, process: ProcessId, actor: &Actor) {
        let mut state = self.state();
        let known = &mut state.processes[process.0];
        let role = known.roles.get_mut(&(actor.server, actor.role.clone()));
        for traffic in role
            .into_iter()
            .chain([&mut known.traffic[actor.server as usize]])
        {
            traffic.open -= 1;
        }
    }

    /// The act that strikes on this side of this message, if any. `named` is whether the session has named
    /// its backend.
    pub(super) fn meets(
        &self,
        actor: &Actor,
        when: When,
        message: &str,
        nth: u32,
        named: bool,
    ) -> Option<Act> {
        if !self.struck_messages.iter().any(|known| known == message) {
            return None;
        }
        let mut state = self.state();
        let can = |act: &Act| match act {
            Act::Terminate => named,
            Act::Error { sqlstate } => can_fail(when, message, sqlstate),
            _ => true,
        };
        let struck = state
            .strikes
            .iter_mut()
            .find(|known| known.meets(actor, when, message, nth) && can(&known.strike.act))?;
        struck.times += 1;
        Some(struck.strike.act.clone())
    }

    pub(super) fn log_strike(&self, id: Option<ActorId>, act: &Act) {
        let text = match act {
            Act::Fault { fault, .. } => self.log.text(&fault.to_string()),
            other => self.log.text(&other.to_string()),
        };
        self.log.push(id, Event::Struck(text), false);
    }

    pub(super) fn cannot(&self, problem: String) {
        self.state().impossible.get_or_insert(problem);
    }

    /// Does what reaches beyond one connection. Called with no connection locked.
    pub(super) fn perform(&self, deferred: Vec<Deferred>) {
        for act in deferred {
            match act {
                Deferred::Host(process, server, fault, persistence) => {
                    self.strike_host(process, server, fault, persistence);
                }
                Deferred::Kill(process) => {
                    self.kill(process);
                    self.signal(Signal::Killed(process));
                }
                Deferred::Cancel(process) => self.signal(Signal::Cancel(process)),
                Deferred::Stop(process) => self.stop_of(process).ask(),
                Deferred::Drop => self.signal(Signal::Drop),
                Deferred::Errand(errand, ticket) => self.signal(Signal::Errand(errand, ticket)),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let driver = {
            let mut state = self.state();
            state.signals.push(signal);
            self.signalled.store(true, Ordering::Release);
            state.driver.clone()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
