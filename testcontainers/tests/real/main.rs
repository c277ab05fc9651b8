//! Tests of the real world, on real servers. A server that is not there is a failure: ci/test installs what
//! is missing.

mod faults;
mod providers;
mod reset;
mod support;
