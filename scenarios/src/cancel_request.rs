//! A cancel request within one process: as a workflow engine passes it on to what it runs.

use std::sync::{Mutex, MutexGuard};
use std::task::{Poll, Waker};

/// A cancel request. One waits for it.
#[derive(Default)]
pub(crate) struct CancelRequest(Mutex<(bool, Option<Waker>)>);

impl CancelRequest {
    fn state(&self) -> MutexGuard<'_, (bool, Option<Waker>)> {
        self.0.lock().expect("no code panics while it holds the request")
    }

    /// Asks. Asking again is nothing.
    pub(crate) fn send(&self) {
        let mut state = self.state();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    /// Forgets that somebody has asked: something new begins.
    pub(crate) fn withdraw(&self) {
        self.state().0 = false;
    }

    /// Waits until somebody has asked.
    pub(crate) async fn received(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
