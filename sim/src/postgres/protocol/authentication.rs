//! Authentication, the server's side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::connection::Connection;
use super::cursor::Cursor;
use super::error::{ProtocolError, ReadError};
use super::frontend::{Frontend, Phase};
use super::scram::{Exchange, Failure, MECHANISM, ScramSecret};
use crate::chooser::Chooser;
use crate::postgres::socket::Socket;
use crate::postgres::utf8::invalid_utf8;

/// How a role proves who it is (a line of `pg_hba.conf`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Method {
    /// It need not.
    #[default]
    Trust,
    /// It sends this password in clear.
    Cleartext(String),
    /// SCRAM-SHA-256 against this secret.
    ScramSha256(ScramSecret),
}

/// Why a client is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// The client hung up instead of answering; libpq does so to ask its user for a password.
    #[error("the client hung up while it was asked for its password")]
    Gone,
    /// Nothing sensible can be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// FATAL with this SQLSTATE and message.
    #[error("{message}")]
    Refused {
        /// The SQLSTATE.
        code: &'static str,
        /// The message for the client.
        message: String,
    },
}

/// Asks `user` for proof. When it succeeds, AuthenticationOk is in the connection's buffer, not yet flushed;
/// when it fails, nothing was said about the failure yet.
pub async fn authenticate<S: Socket>(
    connection: &mut Connection<S>,
    method: &Method,
    user: &str,
    chooser: &Chooser,
) -> Result<(), AuthenticationError> {
    match method {
        Method::Trust => {}
        Method::Cleartext(password) => {
            connection.replies().authentication_cleartext();
            let said = answer(connection).await?;
            let mut answer = Cursor::new(&said);
            let given = answer.text().map_err(ReadError::from)?;
            if given != *password {
                return Err(wrong_password(user));
            }
        }
        Method::ScramSha256(secret) => scram(connection, secret, user, chooser).await?,
    }
    connection.replies().authentication_ok();
    Ok(())
}

async fn scram<S: Socket>(
    connection: &mut Connection<S>,
    secret: &ScramSecret,
    user: &str,
    chooser: &Chooser,
) -> Result<(), AuthenticationError> {
    connection.replies().authentication_sasl(&[MECHANISM]);
    let chosen = answer(connection).await?;
    let mut initial = Cursor::new(&chosen);
    let mechanism = initial.text().map_err(ReadError::from)?;
    let first = initial.value().map_err(ReadError::from)?;
    initial.end().map_err(ReadError::from)?;
    if mechanism != MECHANISM {
        let message = "client selected an invalid SASL authentication mechanism".to_owned();
        return Err(AuthenticationError::Refused {
            code: "08P01",
            message,
        });
    }
    let first = text(first.unwrap_or_default())?;
    let nonce = nonce(chooser);
    let exchange = Exchange::begin(secret, &first, &nonce).map_err(|failure| refuse(failure, user))?;
    connection
        .replies()
        .authentication_sasl_continue(exchange.server_first().as_bytes());
    let last = text(answer(connection).await?)?;
    let last = exchange.finish(&last).map_err(|failure| refuse(failure, user))?;
    connection.replies().authentication_sasl_final(last.as_bytes());
    Ok(())
}

/// Sends the question and waits for the answer.
async fn answer<S: Socket>(connection: &mut Connection<S>) -> Result<Bytes, AuthenticationError> {
    connection.flush().await.map_err(ReadError::from)?;
    match connection.read_message(Phase::Authentication).await {
        Ok(Some(Frontend::Password(answer))) => Ok(answer),
        Err(ReadError::Protocol(ProtocolError::MessageType(kind))) => Err(AuthenticationError::Refused {
            code: "08P01",
            message: format!("expected password response, got message type {kind}"),
        }),
        Ok(_) => Err(AuthenticationError::Gone),
        Err(error) => Err(error.into()),
    }
}

fn text(bytes: Bytes) -> Result<String, AuthenticationError> {
    String::from_utf8(bytes.into()).map_err(|error| {
        let invalid = invalid_utf8(error.as_bytes()).unwrap_or_default();
        AuthenticationError::Read(ReadError::Protocol(ProtocolError::Encoding(invalid)))
    })
}

fn nonce(chooser: &Chooser) -> String {
    let bytes: [[u8; 8]; 3] = std::array::from_fn(|_| chooser.bits().to_le_bytes());
    STANDARD.encode(&bytes.as_flattened()[..18])
}

fn refuse(failure: Failure, user: &str) -> AuthenticationError {
    let message = match failure {
        Failure::WrongPassword => return wrong_password(user),
        Failure::Malformed => "malformed SCRAM message",
        Failure::ChannelBinding => "channel binding is not supported by this server",
    };
    AuthenticationError::Refused {
        code: "08P01",
        message: message.to_owned(),
    }
}

fn wrong_password(user: &str) -> AuthenticationError {
    let message = format!("password authentication failed for user \"{user}\"");
    AuthenticationError::Refused {
        code: "28P01",
        message,
    }
}
