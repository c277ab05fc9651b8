//! The strikes of a plan, and where each of them strikes.

use super::plan::{Act, At, Persistence, Point, Strike, When};
use crate::log::{Actor, Way};

/// A strike of the plan and whether it struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// What the plan says.
    pub strike: Strike,
    /// How many times it struck.
    pub times: u32,
    /// The last message of its process when it struck, where it is placed by time.
    pub last: Option<Point>,
}

impl Struck {
    /// Whether it strikes at this message.
    pub(super) fn meets(&self, actor: &Actor, when: When, message: &str, nth: u32) -> bool {
        let At::Message { point, when: at } = &self.strike.at else {
            return false;
        };
        let here = *at == when
            && point.message == message
            && point.role == actor.role
            && point.server == actor.server
            && point.process == actor.process;
        let again = matches!(
            self.strike.act,
            Act::Fault { persistence: Persistence::FromThenOn, .. } if self.times > 0
        );
        let first = self.times == 0 && point.connection == actor.connection && point.nth == nth;
        here && (first || again && actor.connection > point.connection && point.nth == nth)
    }
}

impl When {
    /// The direction of the message that it is about.
    pub fn way(self) -> Way {
        match self {
            When::BeforeSend | When::AfterSend => Way::Sent,
            When::BeforeDelivery => Way::Received,
        }
    }
}
