//! The request to stop, as a process gets it from its user: SIGTERM, Ctrl-C.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// Completes when the process has been asked to stop. Clones are of the same process. Whoever does not look at
/// it runs on.
#[derive(Clone, Default)]
pub struct Stop(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    asked: bool,
    waiting: Vec<Waker>,
}

impl Stop {
    fn state(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().expect("no code panics while it holds the request")
    }

    /// Asks the process to stop.
    pub(crate) fn ask(&self) {
        let waiting = {
            let mut state = self.state();
            state.asked = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Future for Stop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.asked {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
