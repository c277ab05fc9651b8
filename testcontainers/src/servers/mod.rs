//! Where servers come from: a given one, containers, private clusters.

mod binaries;
mod container;
mod given;
mod local;
mod start;

pub use binaries::installed_majors;
pub(crate) use start::{Pair, Running, wait_for, we_are_root};
