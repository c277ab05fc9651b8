//! Does what strikes ask to be done to the servers: out of band, one thing after the other, in the order in
//! which they struck.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;

use crate::fault::{Errand, Layer, Ticket};
use crate::world::{Server, World, WorldError};

/// One errand, to its end.
type Doing = LocalBoxFuture<'static, Result<(), WorldError>>;

/// What is to be done to the servers of one run.
pub(crate) struct Errands {
    begin: Box<dyn Fn(Errand, Ticket) -> Doing>,
    queue: RefCell<Queue>,
}

#[derive(Default)]
struct Queue {
    doing: Option<Doing>,
    waiting: VecDeque<(Errand, Ticket)>,
}

impl Errands {
    /// Errands to the servers of `world`.
    pub(crate) fn new<W: World>(world: &Arc<W>, layer: &Arc<Layer>) -> Self {
        let (world, layer) = (world.clone(), layer.clone());
        Errands {
            begin: Box::new(move |errand, ticket| {
                Box::pin(run(world.clone(), layer.clone(), errand, ticket))
            }),
            queue: RefCell::default(),
        }
    }

    /// Adds one.
    pub(crate) fn add(&self, errand: Errand, ticket: Ticket) {
        self.queue.borrow_mut().waiting.push_back((errand, ticket));
    }

    /// Goes on; `Ready` when nothing is left to do.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), WorldError>> {
        let mut queue = self.queue.borrow_mut();
        loop {
            if let Some(doing) = &mut queue.doing {
                std::task::ready!(doing.as_mut().poll(cx))?;
                queue.doing = None;
            }
            let Some((errand, ticket)) = queue.waiting.pop_front() else {
                return Poll::Ready(Ok(()));
            };
            queue.doing = Some((self.begin)(errand, ticket));
        }
    }
}

async fn run<W: World>(
    world: Arc<W>,
    layer: Arc<Layer>,
    errand: Errand,
    ticket: Ticket,
) -> Result<(), WorldError> {
    match errand {
        Errand::Terminate { server, pid } => {
            world
                .sql(server, &format!("SELECT pg_terminate_backend({pid})"))
                .await?;
            layer.log().note("the operator has ended the session");
            layer.resume(ticket);
        }
        Errand::Crash { server } => {
            world.crash(server).await?;
            layer.crashed(server);
            layer.resume(ticket);
            world.restart(server).await?;
            layer.log().note(match server {
                Server::Source => "the source is back",
                Server::Target => "the target is back",
            });
        }
    }
    Ok(())
}
