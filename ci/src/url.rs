//! Connection strings of the command line.

use leftover_wire::url::{self, Server, UrlError};

/// A connection string as it was given. It is read only once the command runs, and never shown: an error of
/// the command line would show it, and with it the password.
#[derive(Clone)]
pub struct Url(String);

impl Url {
    /// The server that it names.
    pub fn server(&self) -> Result<Server, UrlError> {
        url::parse(&self.0)
    }
}

impl From<&str> for Url {
    fn from(text: &str) -> Url {
        Url(text.to_owned())
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a connection string")
    }
}
