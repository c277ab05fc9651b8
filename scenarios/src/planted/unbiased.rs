//! `planted-unbiased-choice`: a pipeline that walks a std `HashSet`, so that two runs of one seed differ.
//!
//! Nothing is left behind; only `leftover verify` finds it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use leftover_core::connection::{Connector as _, Session as _};
use leftover_harness::config::Config;
use leftover_harness::pipeline::{Budget, DropReport, Ours, Pipeline, PipelineError, RunReport, TablePair};
use leftover_harness::process::Env;
use leftover_harness::reach::Promises;
use leftover_harness::scenario::{Expect, Scenario};
use leftover_harness::space::Family;

use crate::partition::startup;

/// What it visits: in how many orders says how seldom two runs are alike.
const ROOMS: [&str; 6] = ["attic", "cellar", "hall", "kitchen", "library", "parlour"];

/// The scenario.
pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "planted-unbiased-choice",
        about: "planted: the order of sessions is that of a std HashSet, which no seed decides",
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

fn build(_: &Config) -> Box<dyn Pipeline> {
    Box::new(Unbiased)
}

/// Opens a session for each room, in an order that nobody chose.
struct Unbiased;

#[expect(
    clippy::disallowed_types,
    reason = "the bug that is planted: std's hasher has a seed of its own in each set"
)]
fn in_any_order() -> impl Iterator<Item = &'static str> {
    std::collections::HashSet::from(ROOMS).into_iter()
}

async fn visit(env: &Env) -> Result<(), PipelineError> {
    for room in in_any_order() {
        let name = format!("planted/{room}");
        let opened = env.source.session(&startup(&name, &[])).await;
        let mut session = opened.map_err(PipelineError::new)?;
        session.query("SELECT 1").await.map_err(PipelineError::new)?;
        let _end = session.close().await;
    }
    Ok(())
}

impl Pipeline for Unbiased {
    fn name(&self) -> &str {
        "unbiased"
    }

    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        Box::pin(async move {
            visit(&env).await?;
            Ok(RunReport::loaded(0, 0))
        })
    }

    fn drop_all(&self, _: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        Box::pin(async { Ok(DropReport::default()) })
    }

    fn ours(&self) -> Ours {
        Ours::exactly("planted/", &[], &[])
    }

    fn budget(&self) -> Budget {
        Budget {
            source_sessions: 1,
            target_sessions: 0,
            drop_sessions: 0,
            slot_creation: Duration::ZERO,
            closing: Duration::ZERO,
        }
    }

    fn tables(&self) -> Vec<TablePair> {
        Vec::new()
    }
}
