//! Case files: one run to repeat, and what it is to show, written and read by people (`*.case.toml`).
//!
//! Places are in words that survive code edits: a role, a message's kind, ordinals; see `docs/cases.md`.
//!
//! Reading order: `file` (the file), `words` (a strike in it: the one place that knows each act and each kind
//! of place), `duration`, `check` (whether a run showed what the case says).

mod check;
mod duration;
mod file;
mod words;

pub use check::Mismatch;
pub use file::{Case, CaseError, SUFFIX, VERSION};
