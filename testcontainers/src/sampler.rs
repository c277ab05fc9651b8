//! How many sessions a server had at one instant, looked at every few milliseconds.
//!
//! A thread of the world's own, with a runtime and a connection of its own: it must go on looking while the
//! code under test holds the caller's runtime. It ends with the world.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::admin::{Admin, Endpoint, NAME};
use crate::census::ours;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(20);

/// The `application_name` of every session that one look found.
type Look = Vec<String>;

/// Watches one server's sessions.
#[derive(Debug)]
pub(crate) struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Every different look since the last [`Sampler::clear`].
    looks: Mutex<BTreeSet<Look>>,
}

impl Shared {
    fn looks(&self) -> MutexGuard<'_, BTreeSet<Look>> {
        self.looks.lock().expect("no panic while the lock is held")
    }
}

impl Sampler {
    /// Starts to watch.
    pub(crate) fn start(endpoint: Endpoint) -> std::io::Result<Sampler> {
        let shared = Arc::new(Shared::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("leftover-sampler".into())
            .spawn(move || runtime.block_on(watch(&endpoint, &inner)))?;
        Ok(Sampler {
            shared,
            thread: Some(thread),
        })
    }

    /// Forgets what was seen.
    pub(crate) fn clear(&self) {
        self.shared.looks().clear();
    }

    /// The largest number of sessions in one look whose `application_name` starts with `prefix`.
    pub(crate) fn peak(&self, prefix: &str) -> usize {
        let ours = |look: &Look| look.iter().filter(|name| name.starts_with(prefix)).count();
        self.shared.looks().iter().map(ours).max().unwrap_or(0)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Looks until told to stop; a server that is away is looked for again.
async fn watch(endpoint: &Endpoint, shared: &Shared) {
    let look = format!(
        "SELECT application_name FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender') \
         AND application_name <> '{NAME}' AND {} ORDER BY 1",
        ours(endpoint, "datname")
    );
    let mut connection: Option<Admin> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        if connection.is_none() {
            connection = endpoint.open(&endpoint.admin).await.ok();
        }
        if let Some(admin) = &mut connection {
            match admin.query(&look).await {
                Ok(rows) => {
                    let names = rows
                        .into_iter()
                        .filter_map(|row| row.get(0).map(str::to_owned))
                        .collect();
                    shared.looks().insert(names);
                }
                Err(_) => connection = None,
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}
