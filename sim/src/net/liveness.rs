//! When a kernel gives up a peer that it does not hear any more.

use std::time::Duration;

use leftover_core::clock::Instant;

use crate::postgres::socket::Keepalive;

/// What one end's kernel knows about a peer from whom nothing comes any more, or who keeps its window shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    /// When anything last came from the peer.
    pub heard: Instant,
    /// Since when the oldest data that will never be acknowledged is on its way.
    pub unacknowledged_since: Option<Instant>,
    /// Since when data waits behind a full window.
    pub blocked_since: Option<Instant>,
    /// Since when packets vanish in either direction.
    pub silent_since: Option<Instant>,
    /// SO_KEEPALIVE, and when it was set.
    pub keepalive: Option<(Keepalive, Instant)>,
    /// TCP_USER_TIMEOUT.
    pub user_timeout: Option<Duration>,
    /// How long retransmission goes on without a user timeout.
    pub retransmission: Duration,
}

impl Watch {
    /// When the kernel gives the connection up, unless something changes. `None` is never.
    pub(super) fn death(&self) -> Option<Instant> {
        if self.unacknowledged_since.is_none() && self.blocked_since.is_none() {
            // Probes are sent only while no data is outstanding (OB-37).
            return self.unanswered_probes();
        }
        let limit = self.user_timeout.unwrap_or(self.retransmission);
        let retransmitted = self.unacknowledged_since.map(|since| since + limit);
        let shut = self
            .blocked_since
            .and_then(|since| match (self.user_timeout, self.silent_since) {
                // A shut window counts for the user timeout even when the peer answers every probe (OB-45).
                (Some(limit), _) => Some(since + limit),
                (None, Some(silent)) => Some(since.max(silent) + self.retransmission),
                (None, None) => None,
            });
        [retransmitted, shut].into_iter().flatten().min()
    }

    /// `tcp_keepalive_timer` of Linux: at every probe's time it gives up after `count` unanswered ones; with
    /// a user timeout it gives up once that has passed and at least one probe went unanswered (OB-34).
    fn unanswered_probes(&self) -> Option<Instant> {
        self.silent_since?;
        let (keepalive, set_at) = self.keepalive?;
        let first = (self.heard + keepalive.idle).max(set_at);
        let interval = keepalive.interval.max(Duration::from_millis(1));
        let Some(limit) = self.user_timeout else {
            return Some(first + interval * keepalive.count.max(1));
        };
        let missing = (self.heard + limit).saturating_sub(first + interval);
        let more = missing.as_nanos().div_ceil(interval.as_nanos());
        Some(first + interval + interval * u32::try_from(more).unwrap_or(u32::MAX))
    }

    /// When the peer was last heard at `now` if it answered every probe until then.
    pub(super) fn heard_by_probes(&self, now: Instant) -> Instant {
        let Some((keepalive, set_at)) = self.keepalive else {
            return self.heard;
        };
        let idle = keepalive.idle.max(Duration::from_millis(1));
        let first = (self.heard + idle).max(set_at);
        if self.unacknowledged_since.is_some() || self.blocked_since.is_some() || first > now {
            return self.heard;
        }
        let since_last = (now - first).as_nanos() % idle.as_nanos();
        now - Duration::from_nanos(u64::try_from(since_last).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const KEEPALIVE: Keepalive = Keepalive {
        idle: seconds(1),
        interval: seconds(1),
        count: 2,
    };

    fn silent_at_zero() -> Watch {
        Watch {
            heard: seconds(0),
            unacknowledged_since: None,
            blocked_since: None,
            silent_since: Some(seconds(0)),
            keepalive: None,
            user_timeout: None,
            retransmission: seconds(924),
        }
    }

    #[test]
    fn an_idle_silent_peer_is_given_up_by_probes_alone() {
        let watch = silent_at_zero();
        assert_eq!(watch.death(), None, "OB-17");
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(2)),
                ..watch
            }
            .death(),
            None,
            "OB-35"
        );
        let watch = Watch {
            keepalive: Some((KEEPALIVE, seconds(0))),
            ..watch
        };
        assert_eq!(watch.death(), Some(seconds(3)), "OB-34, ka");
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(2)),
                ..watch
            }
            .death(),
            Some(seconds(2)),
            "OB-34, both"
        );
    }

    #[test]
    fn a_user_timeout_overrides_the_number_of_probes_but_wants_one_unanswered() {
        let keepalive = Keepalive {
            idle: seconds(5),
            interval: seconds(5),
            count: 2,
        };
        let watch = Watch {
            keepalive: Some((keepalive, seconds(0))),
            ..silent_at_zero()
        };
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(2)),
                ..watch
            }
            .death(),
            Some(seconds(10))
        );
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(60)),
                ..watch
            }
            .death(),
            Some(seconds(60))
        );
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(61)),
                ..watch
            }
            .death(),
            Some(seconds(65))
        );
    }

    #[test]
    fn data_on_its_way_stops_the_probes() {
        let watch = Watch {
            keepalive: Some((KEEPALIVE, seconds(0))),
            unacknowledged_since: Some(seconds(4)),
            ..silent_at_zero()
        };
        assert_eq!(watch.death(), Some(seconds(928)), "OB-37");
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(2)),
                ..watch
            }
            .death(),
            Some(seconds(6)),
            "OB-36"
        );
    }

    #[test]
    fn a_shut_window_is_given_up_by_the_user_timeout_alone_while_the_peer_answers() {
        let watch = Watch {
            silent_since: None,
            blocked_since: Some(seconds(1)),
            ..silent_at_zero()
        };
        assert_eq!(watch.death(), None);
        assert_eq!(
            Watch {
                user_timeout: Some(seconds(2)),
                ..watch
            }
            .death(),
            Some(seconds(3)),
            "OB-45"
        );
    }

    #[test]
    fn a_peer_that_answered_probes_was_heard_at_the_last_of_them() {
        let watch = Watch {
            keepalive: Some((KEEPALIVE, seconds(0))),
            ..silent_at_zero()
        };
        assert_eq!(watch.heard_by_probes(Duration::from_millis(3_400)), seconds(3));
        assert_eq!(watch.heard_by_probes(Duration::from_millis(400)), seconds(0));
    }
}
