//! Several backends looked at together: who goes, when, and who stays.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::client::Client;
use super::pg::Pg;
use super::row::{Checked, Problem, ensure, ensure_eq};
use super::said::{Said, error};
use super::states::{Scene, State};

/// The longest that Linux keeps an acknowledgement back.
const DELAYED_ACK: Duration = Duration::from_millis(200);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Brings a connection of its own, with these settings, into each state.
///
/// # Errors
/// When the server does not come to one of them.
pub async fn enter(pg: &Pg, states: &[State], options: &str) -> Checked<Vec<Scene>> {
    let mut scenes = Vec::new();
    for state in states {
        scenes.push(state.enter(pg, options).await?);
    }
    Ok(scenes)
}

/// The packets of all their clients vanish, once what the servers have sent is acknowledged: a kernel may take
/// its time for that.
///
/// # Errors
/// When this machine cannot drop packets.
pub async fn silence(pg: &Pg, scenes: &mut [Scene]) -> Checked {
    pg.sleep(DELAYED_ACK).await;
    scenes.iter_mut().try_for_each(|scene| scene.client.silence())
}

/// All of them still do the same after this time.
///
/// # Errors
/// Names the first that does not.
pub async fn all_stay(pg: &Pg, scenes: &[Scene], time: Duration) -> Checked {
    pg.sleep(time).await;
    for scene in scenes {
        let doing = pg.doing(scene.client.pid).await?;
        ensure_eq!(doing, scene.doing, "{:?}, after {time:?}", scene.state);
    }
    Ok(())
}

/// Each of them goes at a time in `between` from now, or at once after its end.
///
/// # Errors
/// Names the first that goes earlier, and those that stay.
pub async fn all_go(pg: &Pg, scenes: &[Scene], between: RangeInclusive<Duration>) -> Checked {
    let start = pg.now();
    let mut left: Vec<&Scene> = scenes.iter().collect();
    while !left.is_empty() {
        let took = pg.now() - start;
        let mut staying = Vec::new();
        for scene in left {
            if pg.doing(scene.client.pid).await? != "gone" {
                staying.push(scene);
            } else if took < *between.start() {
                return Err(Problem::differs(format!(
                    "{:?}: gone after {took:?} already",
                    scene.state
                )));
            }
        }
        left = staying;
        if took > *between.end() + pg.at_once() {
            let states: Vec<State> = left.iter().map(|scene| scene.state).collect();
            ensure!(left.is_empty(), "after {took:?} still there: {states:?}");
        }
        pg.sleep(PAUSE).await;
    }
    Ok(())
}

/// A client is told this FATAL and hung up on.
///
/// # Errors
/// When it hears anything else.
pub async fn told(client: &mut Client, code: &str, message: &str) -> Checked {
    let said = client.until_end().await;
    let fatal = error(&said).map(|fields| {
        (
            fields.severity.as_str(),
            fields.code.as_str(),
            fields.message.as_str(),
        )
    });
    ensure_eq!(fatal, Some(("FATAL", code, message)), "what it is told");
    ensure_eq!(said.last(), Some(&Said::Eof), "the end");
    Ok(())
}
