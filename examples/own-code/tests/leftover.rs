//! What the loader leaves behind, wherever its connections break: forty lines between it and leftover.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use leftover_example_own_code::{Connect, KeepAlive, Loader};
use leftover_harness::glue::client;
use leftover_harness::pipeline::{Budget, Ours, Pipeline, PipelineError, RunReport};
use leftover_harness::process::Env;
use leftover_harness::reach::Promises;
use leftover_harness::scenario::{Build, Expect, Scenario};
use leftover_harness::space::Family;
use leftover_sim::scenario::sweep;

// --- the glue ---------------------------------------------------------------------------------------------
struct Theirs(KeepAlive);

impl Pipeline for Theirs {
    fn name(&self) -> &str {
        "loader"
    }
    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        let (spawner, clock) = (env.spawner.clone(), env.clock.clone());
        let connect = |to| -> Connect {
            let spawner = env.spawner.clone();
            Arc::new(move |name| client(&to, &spawner, name))
        };
        let loader = Loader {
            source: connect(env.source),
            target: connect(env.target),
            spawn: Arc::new(move |task| spawner.spawn(task)),
            sleep: Arc::new(move |duration| clock.sleep(duration)),
            keep_alive: self.0,
        };
        Box::pin(async move {
            let rows = loader
                .load(&["orders", "lines"])
                .await
                .map_err(PipelineError::new)?;
            Ok(RunReport::loaded(2, rows))
        })
    }
    fn ours(&self) -> Ours {
        Ours::exactly("loader/", &[], &[])
    }
    fn budget(&self) -> Budget {
        Budget {
            source_sessions: 3,
            target_sessions: 2,
            closing: Duration::from_secs(1),
            ..Budget::default()
        }
    }
}
// ----------------------------------------------------------------------------------------------------------

const TABLES: &str =
    "CREATE TABLE orders (id integer, note text); CREATE TABLE lines (id integer, note text);";

fn scenario(build: Build) -> Scenario {
    Scenario {
        name: "their-loader",
        about: "somebody's loader, struck anywhere",
        expect: Expect::Clean,
        source: |_| format!("{TABLES} INSERT INTO orders SELECT i, 'o' FROM generate_series(1, 8) AS i;"),
        target: |_| TABLES.to_owned(),
        build,
        beside: None,
        blocker: None,
        families: &[Family::Cancel, Family::Kill, Family::Fin, Family::Reset],
        region: |_| true,
        promises: Promises::NONE,
    }
}

#[test]
fn the_loader_leaves_its_snapshot_behind() {
    let swept = sweep(&scenario(|_| Box::new(Theirs(KeepAlive::EndedAtTheEnd)))).expect("it can be judged");
    let words = swept.tally.to_string();
    assert!(
        words.contains("session `loader/holder` is left `idle in transaction` and pins xmin"),
        "{words}"
    );
}

#[test]
fn mended_it_leaves_nothing() {
    let swept = sweep(&scenario(|_| Box::new(Theirs(KeepAlive::EndedByGuard)))).expect("it can be judged");
    assert!(swept.tally.is_clean(), "{}", swept.tally);
}

#[test]
fn the_documentation_shows_this_very_glue() {
    let (doc, here) = (
        include_str!("../../../docs/own-code.md"),
        include_str!("leftover.rs"),
    );
    let mut blocks = 0;
    for block in doc.split("```rust\n").skip(1) {
        let code = block.split("\n```").next().expect("a block ends");
        assert!(
            here.contains(code),
            "docs/own-code.md shows what is not in this file:\n{code}"
        );
        blocks += 1;
    }
    assert_eq!(blocks, 2);
}
