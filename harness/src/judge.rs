//! The judgement of one run: looks until the bound of its end has passed, and says what should not be there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::errands::Errands;
use crate::fault::plan::Act;
use crate::fault::{Layer, ProcessId, Severed, Stop};
use crate::invariant::{Before, Bounds, End, MayStay, left};
use crate::leftover::{Call, Foreign, Leftover};
use crate::pipeline::{DropReport, Pipeline, RunReport};
use crate::run::Settings;
use crate::supervise::{Ended, Supervision};
use crate::world::{Server, World, WorldError};

/// How the calls of a run ended.
pub(crate) struct Course {
    pub(crate) run_id: ProcessId,
    pub(crate) run: Ended<RunReport>,
    /// When it ended.
    pub(crate) run_ended: Duration,
    pub(crate) drop_id: Option<ProcessId>,
    pub(crate) drop: Option<Ended<DropReport>>,
    pub(crate) beside: Option<Ended<RunReport>>,
    pub(crate) polls: u64,
    /// The run had not ended when the drop beside it had.
    pub(crate) run_went_on: bool,
    pub(crate) duration: Duration,
}

impl Course {
    /// Which row of the table this is.
    pub(crate) fn end(&self, layer: &Layer) -> End {
        match &self.drop {
            Some(Ended::Returned(Ok(report))) if report.may_be_left.is_empty() => return End::DropOk,
            Some(Ended::Returned(Ok(report))) => return End::DropMayBeLeft(report.may_be_left.clone()),
            Some(Ended::Killed) => return End::Killed,
            Some(Ended::Cancelled) => return End::FutureDropped,
            Some(Ended::Hung) => return End::Hung,
            Some(Ended::Returned(Err(_))) | None => {}
        }
        let severed = Server::BOTH.map(|server| layer.severed(self.run_id, server));
        match &self.run {
            Ended::Returned(Ok(report)) => report.stopped.map_or(End::Completed, End::Stopped),
            Ended::Cancelled => End::FutureDropped,
            Ended::Killed => End::Killed,
            Ended::Hung => End::Hung,
            Ended::Returned(Err(_)) if severed.iter().any(|severed| severed.unnoticed > 0) => {
                End::HostVanished
            }
            Ended::Returned(Err(_)) if has_struck(layer, ends_connections) => End::ConnectionLost,
            Ended::Returned(Err(_)) if has_struck(layer, is_error) => End::ServerErred,
            Ended::Returned(Err(_)) => End::Failed,
        }
    }

    /// What a call said when it failed.
    pub(crate) fn error(&self) -> Option<String> {
        let run = match &self.run {
            Ended::Returned(Err(error)) => Some(error.to_string()),
            _ => None,
        };
        let drop = match &self.drop {
            Some(Ended::Returned(Err(error))) => Some(format!("drop: {error}")),
            _ => None,
        };
        drop.or(run)
    }
}

/// Whether something for which `wanted` holds has struck.
fn has_struck(layer: &Layer, wanted: impl Fn(&Act) -> bool) -> bool {
    layer
        .struck()
        .iter()
        .any(|struck| struck.times > 0 && wanted(&struck.strike.act))
}

/// Whether it ends connections.
fn ends_connections(act: &Act) -> bool {
    matches!(act, Act::Fault { .. } | Act::Drop) || is_of_servers(act)
}

/// Whether a server ends connections by it.
fn is_of_servers(act: &Act) -> bool {
    matches!(act, Act::Terminate | Act::Crash { .. })
}

/// Whether a server has crashed: it has ended every session, whosever it was.
pub(crate) fn crashed(layer: &Layer, server: Server) -> bool {
    has_struck(layer, |act| *act == Act::Crash { server })
}

fn is_error(act: &Act) -> bool {
    matches!(act, Act::Error { .. })
}

/// The first look that finds something.
const LEFT: &str = "the server holds what nobody needs any more";

/// How the words of a look begin that finds it again at its bound.
const STILL: &str = "it is still there";

/// Whether an event of the log is a look that found something.
pub(crate) fn is_look(what: &str) -> bool {
    what == LEFT || what.starts_with(STILL)
}

/// Everything that a run is judged with.
pub(crate) struct Bench<'a, W> {
    pub(crate) world: &'a Arc<W>,
    pub(crate) layer: Arc<Layer>,
    pub(crate) errands: Errands,
    pub(crate) pipeline: &'a dyn Pipeline,
    pub(crate) beside: Option<&'a dyn Pipeline>,
    pub(crate) before: [Before; 2],
    pub(crate) settings: &'a Settings,
    /// Tells those who write beside the pipeline to go.
    pub(crate) writers_go: Stop,
}

impl<W: World> Bench<'_, W> {
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.settings.bounds
    }

    async fn left(&self, may_stay: &MayStay) -> Result<Vec<Leftover>, WorldError> {
        let ours = self.pipeline.ours();
        let mut found = Vec::new();
        for (server, before) in Server::BOTH.into_iter().zip(&self.before) {
            let census = self.world.census(server).await?;
            found.extend(left(server, &census, before, &ours, may_stay));
        }
        Ok(found)
    }

    /// Looks until nothing is left or `bound` has passed; once when it is nothing.
    pub(crate) async fn settle(
        &self,
        may_stay: &MayStay,
        bound: Duration,
    ) -> Result<Vec<Leftover>, WorldError> {
        let clock = self.layer.clock();
        let start = clock.now();
        let mut pause = Duration::from_millis(5);
        let mut first = true;
        loop {
            let found = self.left(may_stay).await?;
            let passed = clock.now().saturating_sub(start);
            if !found.is_empty() && std::mem::take(&mut first) {
                self.layer.log().note(LEFT);
            }
            if found.is_empty() || passed >= bound {
                if !found.is_empty() && !bound.is_zero() {
                    self.layer.log().note(&format!("{STILL} {bound:?} later"));
                }
                return Ok(found);
            }
            clock.sleep(pause.min(bound - passed)).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// What must be gone at once, as sessions that still have a moment need not.
    async fn left_but_sessions(&self, may_stay: &MayStay) -> Result<Vec<Leftover>, WorldError> {
        let mut found = self.left(may_stay).await?;
        found.retain(|leftover| !matches!(leftover, Leftover::Session(_)));
        Ok(found)
    }

    /// Looks until no session is left or `bound` has passed; all else must be gone at once.
    pub(crate) async fn settle_sessions(
        &self,
        may_stay: &MayStay,
        bound: Duration,
    ) -> Result<Vec<Leftover>, WorldError> {
        if bound.is_zero() {
            return self.settle(may_stay, bound).await;
        }
        let mut found = self.left_but_sessions(may_stay).await?;
        if found.is_empty() {
            found = self.settle(may_stay, bound).await?;
        }
        Ok(found)
    }

    /// The drop has returned and the run goes on: its sessions still have a moment, all else is gone.
    pub(crate) async fn after_drop_while_run_goes_on(
        &self,
        supervision: &Supervision<'_>,
    ) -> Result<Vec<Leftover>, WorldError> {
        let Some(report) = supervision.drop_report() else {
            return Ok(Vec::new());
        };
        let may_stay = match report.may_be_left.as_slice() {
            [] => MayStay::Nothing,
            named => MayStay::Named(named.to_vec()),
        };
        self.left_but_sessions(&may_stay).await
    }

    /// What the end of the run leaves that it may not.
    pub(crate) async fn judge(&self, course: &Course) -> Result<Vec<Leftover>, WorldError> {
        let end = course.end(&self.layer);
        let mut found = self.calls(course);
        let may_stay = end.may_stay();
        let mut left = match end {
            End::DropOk => self.settle_sessions(&may_stay, self.after_drop(course)).await?,
            _ => self.settle(&may_stay, self.bound(&end, course)).await?,
        };
        let longer = end.slot_creation_bound(self.bounds(), &self.pipeline.budget());
        if let Some(longer) = longer
            && !left.is_empty()
            && left.iter().all(Leftover::is_slot_creation)
        {
            left = self.settle(&may_stay, longer).await?;
        }
        found.extend(left);
        found.extend(self.sessions(course).await?);
        if let Ended::Returned(Ok(RunReport { stopped: None, .. })) = course.run {
            found.extend(self.rows(self.pipeline).await?);
        }
        Ok(found)
    }

    /// How long after a drop that promised that nothing is left there may be sessions. It knew of none of them:
    /// the run had just been given up and closes its own, or somebody on the way has closed one of the drop's
    /// and the server has yet to hear of it.
    fn after_drop(&self, course: &Course) -> Duration {
        let noticed = self.bounds().noticed;
        let run = match course.run {
            Ended::Cancelled | Ended::Killed => (course.run_ended + noticed).saturating_sub(course.duration),
            _ if course.run_went_on => noticed,
            _ => Duration::ZERO,
        };
        let drop = course
            .drop_id
            .map_or(Duration::ZERO, |id| self.closed_on_the_way(id));
        run.max(drop).max(self.pipeline.budget().closing)
    }

    /// How long the server may take to hear that connections of this process were closed, when some were.
    pub(crate) fn closed_on_the_way(&self, process: ProcessId) -> Duration {
        let closed = |server| self.layer.severed(process, server).closed > 0;
        if Server::BOTH.into_iter().any(closed) {
            self.bounds().noticed
        } else {
            Duration::ZERO
        }
    }

    fn bound(&self, end: &End, course: &Course) -> Duration {
        let mut bound = end.bound(self.bounds()).max(self.pipeline.budget().closing);
        if course.run_went_on {
            bound = bound.max(self.bounds().noticed);
        }
        let silent = |server| self.layer.severed(course.run_id, server).unnoticed > 0;
        if Server::BOTH.into_iter().any(silent) {
            bound = bound.max(self.bounds().silent);
        }
        bound.max(self.closed_on_the_way(course.run_id))
    }

    /// Calls that hung, or failed without a reason.
    fn calls(&self, course: &Course) -> Vec<Leftover> {
        let by_server = |act: &Act| is_error(act) || is_of_servers(act);
        let by_server = has_struck(&self.layer, by_server);
        let reason = by_server || has_struck(&self.layer, ends_connections);
        let mut found = Vec::new();
        found.extend(finding(Call::Run, &course.run, self.bounds().run, reason));
        if let Some(drop) = &course.drop {
            let faults = Server::BOTH.map(|server| self.layer.severed(course.run_id, server));
            let severed = |severed: &Severed| severed.closed + severed.unnoticed > 0;
            let reason = by_server || faults.iter().any(severed);
            found.extend(finding(Call::Drop, drop, self.bounds().drop, reason));
        }
        if let Some(beside) = &course.beside {
            let reason = Server::BOTH.iter().any(|server| crashed(&self.layer, *server));
            found.extend(finding(Call::Neighbour, beside, self.bounds().run, reason));
        }
        found
    }

    /// Sessions: within the budget, and not growing with the work.
    async fn sessions(&self, course: &Course) -> Result<Vec<Leftover>, WorldError> {
        let (ours, budget) = (self.pipeline.ours(), self.pipeline.budget());
        let partitions = match course.run {
            Ended::Returned(Ok(report)) => report.partitions,
            _ => 0,
        };
        let roles = self.layer.roles(course.run_id);
        let mut found = Vec::new();
        for (server, allowed) in [
            (Server::Source, budget.source_sessions),
            (Server::Target, budget.target_sessions),
        ] {
            let opened = self.layer.traffic(course.run_id, server).peak;
            let of_server = roles.iter().filter(|((at, _), _)| *at == server);
            let largest = of_server.max_by_key(|(_, traffic)| traffic.peak);
            if opened > allowed {
                found.push(match largest {
                    Some(((_, role), traffic)) if partitions >= 3 && traffic.peak * 2 >= partitions => {
                        let (role, sessions) = (role.clone(), traffic.peak);
                        Leftover::Growth {
                            server,
                            role,
                            sessions,
                            partitions,
                            allowed,
                        }
                    }
                    _ => Leftover::OverBudget {
                        server,
                        sessions: opened,
                        allowed,
                    },
                });
                continue;
            }
            let severed = self.layer.severed(course.run_id, server);
            let beside = if course.drop.is_some() {
                budget.drop_sessions
            } else {
                0
            };
            let allowed = allowed + beside + severed.closed + severed.unnoticed;
            let sessions = self.world.peak_sessions(server, &ours.session_prefix).await?;
            if sessions > allowed {
                found.push(Leftover::OverBudget {
                    server,
                    sessions,
                    allowed,
                });
            }
        }
        Ok(found)
    }

    /// Whether the target holds the source's rows.
    pub(crate) async fn rows(&self, pipeline: &dyn Pipeline) -> Result<Vec<Leftover>, WorldError> {
        let mut found = Vec::new();
        for pair in pipeline.tables() {
            let mut balance: BTreeMap<Vec<Option<String>>, i64> = BTreeMap::new();
            for (server, table, sign) in [
                (Server::Source, &pair.source, 1),
                (Server::Target, &pair.target, -1),
            ] {
                for row in self.world.sql(server, &format!("SELECT * FROM {table}")).await? {
                    *balance.entry(row.0).or_default() += sign;
                }
            }
            let sum = |sign: i64| {
                let of_sign = balance.values().filter(|count| **count * sign > 0);
                of_sign
                    .map(|count| usize::try_from(count.abs()).expect("a number of rows"))
                    .sum::<usize>()
            };
            let (missing, surplus) = (sum(1), sum(-1));
            if missing + surplus > 0 {
                found.push(Leftover::RowsDiffer {
                    table: pair.target,
                    missing,
                    surplus,
                });
            }
        }
        Ok(found)
    }

    /// What of somebody else's was removed or ended.
    pub(crate) async fn touched(&self) -> Result<Vec<Leftover>, WorldError> {
        let mut found = Vec::new();
        for (server, before) in Server::BOTH.into_iter().zip(&self.before) {
            let mut touched = before.touched(server, &self.world.census(server).await?);
            if crashed(&self.layer, server) {
                let session = |found: &Leftover| {
                    let Leftover::ForeignTouched { object, .. } = found else {
                        return false;
                    };
                    matches!(object, Foreign::Session(_))
                };
                touched.retain(|found| !session(found));
            }
            found.extend(touched);
        }
        Ok(found)
    }
}

pub(crate) fn finding<T>(call: Call, ended: &Ended<T>, bound: Duration, reason: bool) -> Option<Leftover> {
    match ended {
        Ended::Hung => Some(Leftover::DidNotEnd { call, bound }),
        Ended::Returned(Err(error)) if !reason => Some(Leftover::Failed {
            call,
            error: error.to_string(),
        }),
        _ => None,
    }
}
