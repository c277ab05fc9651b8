//! Why a step of the mirror failed, at what, and whether trying again can help.

use std::fmt;

use crate::error::ConnectionError;

/// One of the two servers of a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The server that is read.
    Source,
    /// The server that is written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
        })
    }
}

/// A step that failed: what was being done, on which server, and what the connection said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step} on the {side}: {error}")]
pub struct Failure {
    /// What was being done, with the object's name: `copying public.t blocks 0 to 4095`.
    pub step: String,
    /// Where.
    pub side: Side,
    /// What happened.
    pub error: ConnectionError,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Try the same step again on a new connection.
    Retry,
    /// The snapshot is gone: only a new attempt can help.
    NewSnapshot,
    /// Somebody must change something first.
    GiveUp,
}

impl Failure {
    /// Whether the server answered with this SQLSTATE.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.error.code() == Some(code)
    }

    /// What can help. The classes are those of section 5 of `postgres-behaviours.md`.
    pub(crate) fn remedy(&self) -> Remedy {
        match &self.error {
            ConnectionError::Unreachable { .. }
            | ConnectionError::Lost { .. }
            | ConnectionError::Interrupted
            | ConnectionError::TimedOut { .. } => Remedy::Retry,
            ConnectionError::Protocol(_) => Remedy::GiveUp,
            ConnectionError::Server(error) => remedy_for(&error.code, &error.message),
        }
    }
}

fn remedy_for(code: &str, message: &str) -> Remedy {
    match code {
        // An import of a snapshot whose holder is gone (OB-66).
        "22023" if message.contains("snapshot") => Remedy::NewSnapshot,
        "55000" if message.contains("import the requested snapshot") => Remedy::NewSnapshot,
        // Administrator, crash, start-up; statement or lock timeouts; serialization and deadlock; in use.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "57014" | "55P03" | "40001" | "40P01" | "55006" => {
            Remedy::Retry
        }
        // No resources now: disk, memory, connections. 53400 (a configured limit) needs a person.
        "53400" => Remedy::GiveUp,
        _ if code.starts_with("53") || code.starts_with("08") || code.starts_with("58") => Remedy::Retry,
        _ => Remedy::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ServerError;

    fn remedy(code: &str, message: &str) -> Remedy {
        let error = ServerError {
            code: code.into(),
            message: message.into(),
            ..ServerError::default()
        };
        let error = ConnectionError::Server(error);
        Failure {
            step: "testing".into(),
            side: Side::Source,
            error,
        }
        .remedy()
    }

    #[test]
    fn a_lost_snapshot_asks_for_a_new_one_and_is_not_retried() {
        assert_eq!(
            remedy("22023", "invalid snapshot identifier: \"x\""),
            Remedy::NewSnapshot
        );
        assert_eq!(
            remedy("55000", "could not import the requested snapshot"),
            Remedy::NewSnapshot
        );
    }

    #[test]
    fn what_passes_by_itself_is_retried_and_what_needs_a_person_is_not() {
        for code in ["57P01", "57P03", "53300", "55P03", "08006", "40P01", "53100"] {
            assert_eq!(remedy(code, ""), Remedy::Retry, "{code}");
        }
        for code in [
            "28P01", "3D000", "42501", "53400", "42602", "0A000", "42703", "22P04",
        ] {
            assert_eq!(remedy(code, ""), Remedy::GiveUp, "{code}");
        }
    }
}
