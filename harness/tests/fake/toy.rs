//! A pipeline with switches for what it does wrong.

use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use leftover_core::connection::{Closed, Connector as _, Session as _, Startup};
use leftover_harness::fault::plan::Point;
use leftover_harness::pipeline::{
    Budget, DropReport, Lookalikes, Ours, Pipeline, PipelineError, RunReport, Stopped, TablePair,
};
use leftover_harness::process::Env;
use leftover_harness::reach::Promises;
use leftover_harness::scenario::{Build, Expect, Scenario};
use leftover_harness::space::Family;
use leftover_wire::session::Session;

/// A scenario of a toy, in which nothing strikes.
pub fn scenario(build: Build) -> Scenario {
    Scenario {
        name: "toy",
        about: "a toy",
        expect: Expect::Clean,
        source: |_| String::new(),
        target: |_| String::new(),
        build,
        beside: None,
        blocker: None,
        families: &[Family::Calm],
        region: |_| true,
        promises: Promises::NONE,
    }
}

/// What it does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Nothing,
    /// It keeps its session when it ends, in any way.
    KeepsSession,
    /// It keeps its session when it does not complete.
    KeepsWhenStopped,
    /// It opens a session for each partition and keeps them until the end.
    Grows,
    /// Its drop leaves the publication and says that it did not.
    DropsHalf,
    /// Its drop removes a publication with a similar name.
    DropsSimilar,
    /// It returns when it is asked to stop, and keeps its slot.
    StopsWithoutCleanup,
    /// It waits for ever.
    Hangs,
}

pub struct Toy {
    fault: Fault,
    partitions: u32,
    kept: Mutex<Vec<Session>>,
}

pub fn startup(role: &str) -> Startup {
    Startup {
        application_name: format!("leftover/toy/1/{role}/1"),
        settings: Vec::new(),
    }
}

impl Toy {
    /// A toy with four partitions.
    pub fn boxed(fault: Fault) -> Box<dyn Pipeline> {
        Toy::of_partitions(fault, 4)
    }

    pub fn of_partitions(fault: Fault, partitions: u32) -> Box<dyn Pipeline> {
        Box::new(Toy {
            fault,
            partitions,
            kept: Mutex::default(),
        })
    }

    fn keep(&self, session: Session) {
        self.kept.lock().expect("no panic").push(session);
    }

    async fn load(&self, env: Env) -> Result<RunReport, PipelineError> {
        if self.fault == Fault::StopsWithoutCleanup {
            let stop = env.stop.clone();
            return match select(pin!(self.copy(env)), stop).await {
                Either::Left((copied, _)) => copied,
                Either::Right(((), _)) => Ok(RunReport {
                    stopped: Some(Stopped::Undone),
                    ..RunReport::default()
                }),
            };
        }
        if self.fault != Fault::KeepsWhenStopped {
            return self.copy(env).await;
        }
        let opened = env.target.session(&startup("holder")).await;
        let mut holder = opened.map_err(PipelineError::new)?;
        holder.query("BEGIN").await.map_err(PipelineError::new)?;
        self.keep(holder);
        let copied = self.copy(env).await?;
        let kept = std::mem::take(&mut *self.kept.lock().expect("no panic"));
        for session in kept {
            let _end = session.close().await;
        }
        Ok(copied)
    }

    async fn copy(&self, env: Env) -> Result<RunReport, PipelineError> {
        let mut control = env
            .source
            .session(&startup("control"))
            .await
            .map_err(PipelineError::new)?;
        control
            .query("CREATE PUBLICATION toy")
            .await
            .map_err(PipelineError::new)?;
        control
            .query("SELECT pg_create_logical_replication_slot('toy')")
            .await
            .map_err(PipelineError::new)?;
        if self.fault == Fault::Hangs {
            env.clock.sleep(Duration::from_secs(1_000_000)).await;
        }
        if self.fault == Fault::KeepsSession {
            let mut holder = env
                .source
                .session(&startup("holder"))
                .await
                .map_err(PipelineError::new)?;
            holder.query("BEGIN").await.map_err(PipelineError::new)?;
            self.keep(holder);
        }
        for _ in 0..self.partitions {
            let mut worker = env
                .source
                .session(&startup("worker"))
                .await
                .map_err(PipelineError::new)?;
            worker.query("SELECT 1").await.map_err(PipelineError::new)?;
            env.clock.sleep(Duration::from_millis(100)).await;
            if self.fault == Fault::Grows {
                self.keep(worker);
            } else if worker.close().await != Closed::Released {
                return Err(PipelineError("a worker's end is unknown".to_owned()));
            }
        }
        if self.fault == Fault::Grows {
            self.kept.lock().expect("no panic").clear();
        }
        if control.close().await != Closed::Released {
            return Err(PipelineError("the control session's end is unknown".to_owned()));
        }
        Ok(RunReport::loaded(
            self.partitions as usize,
            self.partitions.into(),
        ))
    }

    async fn remove(&self, env: Env) -> Result<DropReport, PipelineError> {
        let mut control = env
            .source
            .session(&startup("drop"))
            .await
            .map_err(PipelineError::new)?;
        let mut statements = vec!["SELECT pg_drop_replication_slot('toy')"];
        if self.fault != Fault::DropsHalf {
            statements.push("DROP PUBLICATION toy");
        }
        if self.fault == Fault::DropsSimilar {
            statements.push("DROP PUBLICATION toy_");
        }
        for sql in statements {
            control.query(sql).await.map_err(PipelineError::new)?;
        }
        match control.close().await {
            Closed::Released => Ok(DropReport::default()),
            Closed::Unknown => Err(PipelineError("the drop's end is unknown".to_owned())),
        }
    }
}

impl Pipeline for Toy {
    fn name(&self) -> &str {
        "toy"
    }

    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        Box::pin(self.load(env))
    }

    fn drop_all(&self, env: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        Box::pin(self.remove(env))
    }

    fn phases(&self) -> &'static [&'static str] {
        &["prepare", "copy"]
    }

    fn phase(&self, at: &Point) -> &'static str {
        if at.role == "worker" { "copy" } else { "prepare" }
    }

    fn ours(&self) -> Ours {
        let lookalikes = Lookalikes {
            session: Some("leftover/toy_/1/control/1".to_owned()),
            slot: Some("toy_".to_owned()),
            publication: Some("toy_".to_owned()),
        };
        Ours {
            lookalikes,
            ..Ours::exactly("leftover/toy/", &["toy"], &["toy"])
        }
    }

    fn budget(&self) -> Budget {
        Budget {
            source_sessions: 3,
            target_sessions: 1,
            drop_sessions: 1,
            slot_creation: Duration::from_secs(10),
            closing: Duration::ZERO,
        }
    }

    fn tables(&self) -> Vec<TablePair> {
        vec![TablePair {
            source: "t".to_owned(),
            target: "t".to_owned(),
        }]
    }
}
