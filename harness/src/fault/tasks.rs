//! Detached tasks: what a process has spawned and goes on when the call that spawned it is over. Our own code
//! has none (law 2); other people's has, and that is where leaks live.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, BoxFuture, abortable};
use futures_util::stream::{FuturesUnordered, Stream};

use super::layer::{Layer, ProcessId};

/// The tasks of one process.
pub(super) type Tasks = FuturesUnordered<BoxFuture<'static, ()>>;

/// Spawns detached tasks in one process. They end when they are done, when they are aborted, and when the
/// process is killed; not when the future of the call that spawned them is dropped.
#[derive(Clone)]
pub struct Spawner {
    layer: Arc<Layer>,
    process: ProcessId,
}

impl Spawner {
    pub(crate) fn new(layer: Arc<Layer>, process: ProcessId) -> Self {
        Spawner { layer, process }
    }

    /// Starts a task. The handle ends it; dropping the handle does not.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let (task, handle) = abortable(task);
        let ended = async move {
            // Aborted or done: it is over.
            let _ = task.await;
        };
        self.layer.add_task(self.process, Box::pin(ended));
        handle
    }
}

impl Layer {
    fn add_task(&self, process: ProcessId, task: BoxFuture<'static, ()>) {
        let driver = {
            let mut state = self.state();
            let known = &mut state.processes[process.0];
            if known.killed {
                return;
            }
            known.tasks.push(task);
            self.tasked.store(true, Ordering::Release);
            state.driver.clone()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Polls the tasks of every process. Whoever drives the run calls it, also when the run has ended.
    pub fn poll_tasks(&self, cx: &mut Context<'_>) {
        if !self.tasked.load(Ordering::Acquire) {
            return;
        }
        let processes = self.state().processes.len();
        for process in 0..processes {
            // They may spawn, log and be struck while they are polled: the layer is not locked meanwhile.
            let mut tasks = {
                let known = &mut self.state().processes[process].tasks;
                if known.is_empty() {
                    continue;
                }
                std::mem::take(known)
            };
            while let Poll::Ready(Some(())) = Pin::new(&mut tasks).poll_next(cx) {}
            let mut state = self.state();
            let known = &mut state.processes[process];
            if known.killed {
                drop(state);
                drop(tasks);
                continue;
            }
            let new = std::mem::replace(&mut known.tasks, tasks);
            let spawned = !new.is_empty();
            known.tasks.extend(new);
            if spawned {
                cx.waker().wake_by_ref();
            }
        }
    }
}
