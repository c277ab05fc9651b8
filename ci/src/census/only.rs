//! What of a census is a mirror's: by its exact names (DESIGN, law 5).

use leftover_core::names::{MirrorName, SessionName};
use leftover_harness::census::Census;

/// The part of `census` that is `mirror`'s.
pub fn of_mirror(mut census: Census, mirror: &MirrorName) -> Census {
    census.sessions.retain(|session| {
        SessionName::parse(&session.application_name).is_some_and(|name| name.mirror == *mirror)
    });
    census
        .slots
        .retain(|slot| mirror.attempt_of(&slot.name).is_some());
    census
        .publications
        .retain(|publication| mirror.attempt_of(publication).is_some());
    census
}

/// Whether there is nothing in it.
pub fn is_nothing(census: &Census) -> bool {
    census.sessions.is_empty() && census.slots.is_empty() && census.publications.is_empty()
}
