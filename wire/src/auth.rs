//! Startup and authentication.
//!
//! trust, cleartext, MD5 and SCRAM-SHA-256. Without TLS there is no channel binding.

use leftover_core::connection::BackendKey;
use leftover_core::error::ConnectionError;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use tokio_postgres::fallible_iterator::FallibleIterator;

use crate::error::{from_fields, misuse, protocol};
use crate::messages::{Messages, unexpected};
use crate::startup::Parameters;

/// Logs in and returns the backend's key once the server is ready for a query.
pub(crate) async fn log_in(
    messages: &mut Messages,
    parameters: &Parameters,
) -> Result<BackendKey, ConnectionError> {
    messages.put(|out| frontend::startup_message(parameters.pairs(), out))?;
    messages.send().await;
    authenticate(messages, parameters).await?;
    let mut backend = None;
    loop {
        match reply(messages).await? {
            Message::BackendKeyData(body) => {
                backend = Some(BackendKey {
                    pid: body.process_id(),
                    secret: body.secret_key(),
                });
            }
            Message::ReadyForQuery(_) => {
                return backend.ok_or_else(|| misuse("the server did not name its backend"));
            }
            _ => return Err(unexpected("during startup")),
        }
    }
}

async fn authenticate(messages: &mut Messages, parameters: &Parameters) -> Result<(), ConnectionError> {
    match reply(messages).await? {
        Message::AuthenticationOk => return Ok(()),
        Message::AuthenticationCleartextPassword => {
            send_password(messages, password(parameters)?.as_bytes()).await?;
        }
        Message::AuthenticationMd5Password(body) => {
            let hash = md5_hash(
                parameters.user.as_bytes(),
                password(parameters)?.as_bytes(),
                body.salt(),
            );
            send_password(messages, hash.as_bytes()).await?;
        }
        Message::AuthenticationSasl(body) => scram(messages, &body, password(parameters)?).await?,
        _ => {
            return Err(misuse(
                "the server asks for an authentication method that is not supported",
            ));
        }
    }
    match reply(messages).await? {
        Message::AuthenticationOk => Ok(()),
        _ => Err(unexpected("during authentication")),
    }
}

async fn scram(
    messages: &mut Messages,
    offered: &AuthenticationSaslBody,
    password: &str,
) -> Result<(), ConnectionError> {
    let mut mechanisms = offered.mechanisms();
    let mut found = false;
    while let Some(mechanism) = mechanisms.next().map_err(protocol)? {
        found |= mechanism == SCRAM_SHA_256;
    }
    if !found {
        return Err(misuse("the server offers no SASL mechanism that is supported"));
    }
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    messages.put(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))?;
    messages.send().await;
    match reply(messages).await? {
        Message::AuthenticationSaslContinue(body) => scram.update(body.data()).map_err(protocol)?,
        _ => return Err(unexpected("during authentication")),
    }
    messages.put(|out| frontend::sasl_response(scram.message(), out))?;
    messages.send().await;
    match reply(messages).await? {
        Message::AuthenticationSaslFinal(body) => scram.finish(body.data()).map_err(protocol),
        _ => Err(unexpected("during authentication")),
    }
}

async fn send_password(messages: &mut Messages, password: &[u8]) -> Result<(), ConnectionError> {
    messages.put(|out| frontend::password_message(password, out))?;
    messages.send().await;
    Ok(())
}

fn password(parameters: &Parameters) -> Result<&str, ConnectionError> {
    parameters
        .password
        .as_deref()
        .ok_or_else(|| misuse("the server asks for a password and none was given"))
}

/// The next message; during startup every error is the end.
async fn reply(messages: &mut Messages) -> Result<Message, ConnectionError> {
    match messages.next().await? {
        Message::ErrorResponse(body) => Err(ConnectionError::Server(from_fields(body.fields())?)),
        message => Ok(message),
    }
}
