//! What a failed statement tells its client.

use crate::postgres::utf8::invalid_utf8;

/// An error as an `ErrorResponse` carries it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{severity}: {message} ({code})")]
pub struct PgError {
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: &'static str,
    /// SQLSTATE.
    pub code: &'static str,
    /// The primary message.
    pub message: String,
    /// What more there is to know.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PgError {
    /// An `ERROR` with this SQLSTATE.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: "ERROR",
            code,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// A `FATAL` with this SQLSTATE: the session ends.
    #[must_use]
    pub fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: "FATAL",
            ..Self::new(code, message)
        }
    }

    /// The same error with a detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same error with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `0A000` for something that the simulated server cannot do, naming the statement or the part of it.
    #[must_use]
    pub fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new("0A000", format!("the simulated server does not support: {what}"))
    }

    /// `42601` near a token; the empty token is the end of input.
    #[must_use]
    pub fn syntax(near: &str) -> Self {
        if near.is_empty() || near == "EOF" {
            return Self::new("42601", "syntax error at end of input");
        }
        Self::new("42601", format!("syntax error at or near \"{near}\""))
    }

    /// `22P02` for text that is no value of a type.
    #[must_use]
    pub fn invalid_text(type_name: &str, text: &str) -> Self {
        Self::new(
            "22P02",
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        )
    }

    /// `22003` for a number outside its type.
    #[must_use]
    pub fn out_of_range(type_name: &str) -> Self {
        Self::new("22003", format!("{type_name} out of range"))
    }

    /// `22021` for bytes that are no text; the first ones that are none are named.
    #[must_use]
    pub fn invalid_utf8(bytes: &[u8]) -> Self {
        let invalid = invalid_utf8(bytes).unwrap_or_default();
        Self::new(
            "22021",
            format!("invalid byte sequence for encoding \"UTF8\": {invalid}"),
        )
    }

    /// `22012`.
    #[must_use]
    pub fn division_by_zero() -> Self {
        Self::new("22012", "division by zero")
    }

    /// `22P03` for a binary value of a wrong shape.
    #[must_use]
    pub fn invalid_binary() -> Self {
        Self::new("22P03", "incorrect binary data format")
    }

    /// `42703`.
    #[must_use]
    pub fn undefined_column(name: &str) -> Self {
        Self::new("42703", format!("column {name} does not exist"))
    }

    /// `42P01`.
    #[must_use]
    pub fn undefined_table(name: &str) -> Self {
        Self::new("42P01", format!("relation \"{name}\" does not exist"))
    }

    /// `42883` for a function, with the types of its arguments.
    #[must_use]
    pub fn undefined_function(signature: &str) -> Self {
        Self::new("42883", format!("function {signature} does not exist")).with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        )
    }
}
