//! SCRAM-SHA-256, the server's side (RFC 5802, 7677), without channel binding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";

type Key = [u8; 32];

/// What a server keeps instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramSecret {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Key,
    server_key: Key,
}

impl std::fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramSecret")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl ScramSecret {
    /// Derives the secret. The password must be ASCII, or already be normalized by SASLprep.
    pub fn new(password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password.as_bytes(), salt, iterations);
        let client_key = hmac(&salted, b"Client Key");
        ScramSecret {
            salt: salt.to_vec(),
            iterations,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }
}

/// Why an exchange fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The message is no SCRAM message.
    Malformed,
    /// The client insists on channel binding, which is not on offer.
    ChannelBinding,
    /// The password is wrong.
    WrongPassword,
}

/// An exchange between the server's first message and the client's final one.
#[derive(Debug)]
pub struct Exchange<'a> {
    secret: &'a ScramSecret,
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl<'a> Exchange<'a> {
    /// Answers the client's first message with this server nonce, which must be printable ASCII without a
    /// comma. [`Exchange::server_first`] is what to send.
    pub fn begin(
        secret: &'a ScramSecret,
        client_first: &str,
        server_nonce: &str,
    ) -> Result<Exchange<'a>, Failure> {
        let mut parts = client_first.splitn(3, ',');
        let (Some(binding), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Failure::Malformed);
        };
        match binding {
            "n" | "y" => {}
            _ if binding.starts_with("p=") => return Err(Failure::ChannelBinding),
            _ => return Err(Failure::Malformed),
        }
        let mut attributes = bare.split(',');
        let _name = attribute(attributes.next(), "n=")?;
        let client_nonce = attribute(attributes.next(), "r=")?;
        let nonce = format!("{client_nonce}{server_nonce}");
        let server_first = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&secret.salt),
            secret.iterations
        );
        Ok(Exchange {
            secret,
            gs2_header: format!("{binding},{authzid},"),
            client_first_bare: bare.to_owned(),
            server_first,
            nonce,
        })
    }

    /// The server's first message.
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Checks the client's final message and returns the server's final one.
    pub fn finish(self, client_final: &str) -> Result<String, Failure> {
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or(Failure::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attribute(attributes.next(), "c=")?;
        let nonce = attribute(attributes.next(), "r=")?;
        if nonce != self.nonce || STANDARD.decode(binding) != Ok(self.gs2_header.into_bytes()) {
            return Err(Failure::Malformed);
        }
        let proof: Key = STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or(Failure::Malformed)?;
        let message = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let signature = hmac(&self.secret.stored_key, message.as_bytes());
        let client_key = xor(proof, signature);
        if Sha256::digest(client_key).as_slice() != self.secret.stored_key {
            return Err(Failure::WrongPassword);
        }
        let signature = hmac(&self.secret.server_key, message.as_bytes());
        Ok(format!("v={}", STANDARD.encode(signature)))
    }
}

fn attribute<'a>(part: Option<&'a str>, prefix: &str) -> Result<&'a str, Failure> {
    part.and_then(|part| part.strip_prefix(prefix))
        .ok_or(Failure::Malformed)
}

/// `Hi` of RFC 5802: PBKDF2 with one block.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Key {
    let mut salted = salt.to_vec();
    salted.extend_from_slice(&1u32.to_be_bytes());
    let mut round = hmac(password, &salted);
    let mut sum = round;
    for _ in 1..iterations {
        round = hmac(password, &round);
        sum = xor(sum, round);
    }
    sum
}

fn hmac(key: &[u8], data: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn xor(left: Key, right: Key) -> Key {
    std::array::from_fn(|index| left[index] ^ right[index])
}
