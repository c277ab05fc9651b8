//! Message boundaries on one connection: which messages may pass, which meet the plan, and what the log says.

use super::conn::{Conn, Phase};
use super::flow::Met;
use super::message::{self, Frame, Opening};
use super::plan::When;
use crate::log::Way;
use crate::world::Link;

impl<L: Link> Conn<L> {
    /// Finds the messages that may pass, up to the next strike.
    pub(super) fn read_ahead(&mut self, way: Way) {
        loop {
            let flow = if way == Way::Sent {
                &mut self.out
            } else {
                &mut self.inward
            };
            if !flow.at_boundary() {
                return;
            }
            if let Some(met) = flow.met.take() {
                flow.pass(met.length);
                flow.barrier = met.after;
                // Nobody, when a server speaks before the client has said who it is.
                let actor = self.name.as_ref().map(|(id, _)| *id);
                let log = self.layer.log();
                log.pass(self.process.0, (actor, way), met.text, met.nth, met.bulk);
                continue;
            }
            let waiting = &flow.buffer[flow.ready..];
            if waiting.is_empty() {
                return;
            }
            if way == Way::Received && self.phase == Phase::EncryptionAsked {
                flow.pass(1);
                self.phase = Phase::Opening;
                continue;
            }
            let untyped = way == Way::Sent && self.phase != Phase::Open;
            let frame = if untyped {
                message::untyped(waiting)
            } else {
                message::typed(waiting)
            };
            let Frame::Message { tag, payload, length } = frame else {
                return;
            };
            if untyped {
                let opening = message::opening(payload);
                self.open(&opening, length);
            } else {
                let kind = match way {
                    Way::Sent => message::frontend(tag, payload),
                    Way::Received => message::backend(tag, payload),
                };
                if way == Way::Received && tag == b'K' {
                    self.backend = message::backend_pid(payload);
                }
                self.meet(way, &kind, length);
            }
        }
    }

    fn open(&mut self, opening: &Opening, length: usize) {
        let (role, kind) = match opening {
            Opening::Encryption => {
                self.phase = Phase::EncryptionAsked;
                self.out.pass(length);
                return;
            }
            Opening::Cancel => ("cancel", "CancelRequest"),
            Opening::Startup { application_name } => (message::role(application_name), "Startup"),
        };
        self.phase = Phase::Open;
        self.session = matches!(opening, Opening::Startup { .. });
        self.name = Some(self.layer.label(self.process, self.server, role, self.session));
        self.meet(Way::Sent, kind, length);
    }

    /// A message stands at the boundary: sets the barrier that strikes before it, and remembers the rest.
    fn meet(&mut self, way: Way, kind: &str, length: usize) {
        let text = self.layer.log().text(kind);
        let flow = if way == Way::Sent {
            &mut self.out
        } else {
            &mut self.inward
        };
        let nth = flow.count(text);
        let named = self.backend.is_some();
        let meets = |when| {
            let (_, actor) = self.name.as_ref()?;
            self.layer.meets(actor, when, kind, nth, named)
        };
        let (before, after) = match way {
            Way::Sent => (meets(When::BeforeSend), meets(When::AfterSend)),
            Way::Received => (meets(When::BeforeDelivery), None),
        };
        flow.barrier = before;
        flow.met = Some(Met {
            text,
            nth,
            bulk: message::merges(kind),
            length,
            after,
        });
    }
}
