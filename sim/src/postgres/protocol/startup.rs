//! The first packet of a connection.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use bytes::BytesMut;

use super::cursor::Cursor;
use super::error::ProtocolError;
use crate::postgres::remembered::Remembered;

/// The longest startup packet (`MAX_STARTUP_PACKET_LENGTH`), in bytes.
const LIMIT: usize = 10_000;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// How many startup packets a thread remembers.
const KNOWN_PACKETS: usize = 512;

thread_local! {
    /// Sessions open with the same packets in every run.
    static KNOWN: RefCell<Remembered<Box<[u8]>, Rc<SessionStartup>>> =
        const { RefCell::new(Remembered::new(KNOWN_PACKETS)) };
}

/// What a connection is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Startup {
    /// A session or a walsender.
    Session(Rc<SessionStartup>),
    /// A cancel request: the server acts on it, says nothing and closes.
    Cancel {
        /// The backend it is for.
        pid: i32,
        /// What the client believes to be that backend's secret.
        secret: i32,
    },
}

/// `replication` in the startup packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replication {
    /// An ordinary session.
    #[default]
    Off,
    /// A walsender without a database (`replication=true`).
    Physical,
    /// A walsender of a database (`replication=database`).
    Database,
}

/// The startup packet of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionStartup {
    /// The role.
    pub user: String,
    /// The database; the role's name where the client names none.
    pub database: String,
    /// Whether it is a walsender.
    pub replication: Replication,
    /// Settings in the order in which they are applied: first those of `options` (`-c name=value`), then
    /// the others of the packet (`application_name`, `client_encoding`, …).
    pub settings: Vec<(String, String)>,
    /// Protocol extensions (`_pq_.…`) that the client asks for: none is known here.
    pub extensions: Vec<String>,
    /// The minor protocol version that the client asks for.
    pub minor_version: u16,
}

/// How a client asks to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// TLS.
    Ssl,
    /// GSSAPI.
    Gss,
}

impl Encryption {
    /// The name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encryption::Ssl => "SSL",
            Encryption::Gss => "GSSAPI encryption",
        }
    }

    /// What the question is when it is asked again: a protocol version that there is not.
    pub(super) fn as_version(self) -> ProtocolError {
        let version = match self {
            Encryption::Ssl => SSL,
            Encryption::Gss => GSS,
        };
        ProtocolError::Version {
            major: (version >> 16) as u16,
            minor: (version & 0xffff) as u16,
        }
    }
}

/// What the bytes at the start of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// A question whether to encrypt: the answer is one byte, `N`.
    Encryption(Encryption),
    /// The startup packet itself.
    Startup(Startup),
}

/// Takes the first packet from `input`; `None` when it is not complete yet.
pub(super) fn decode(input: &mut BytesMut) -> Result<Option<Packet>, ProtocolError> {
    let Some(length) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| ProtocolError::StartupLength)?;
    if !(8..=LIMIT).contains(&length) {
        return Err(ProtocolError::StartupLength);
    }
    if input.len() < length {
        return Ok(None);
    }
    let packet = input.split_to(length);
    let mut body = Cursor::new(&packet[4..]);
    match body.u32()? {
        SSL => Ok(Some(Packet::Encryption(Encryption::Ssl))),
        GSS => Ok(Some(Packet::Encryption(Encryption::Gss))),
        CANCEL => cancel(body)
            .map(|startup| Some(Packet::Startup(startup)))
            .map_err(|_| ProtocolError::StartupLength),
        version => {
            let (major, minor) = ((version >> 16) as u16, (version & 0xffff) as u16);
            if major != 3 {
                return Err(ProtocolError::Version { major, minor });
            }
            let session = match KNOWN.with_borrow(|known| known.get(&*packet)) {
                Some(known) => known,
                None => remember(&packet, session(body, minor)?),
            };
            Ok(Some(Packet::Startup(Startup::Session(session))))
        }
    }
}

fn remember(packet: &[u8], session: SessionStartup) -> Rc<SessionStartup> {
    let session = Rc::new(session);
    KNOWN.with_borrow_mut(|known| known.keep(packet.into(), Rc::clone(&session)));
    session
}

fn cancel(mut body: Cursor<'_>) -> Result<Startup, ProtocolError> {
    let startup = Startup::Cancel {
        pid: body.i32()?,
        secret: body.i32()?,
    };
    body.end().map(|()| startup)
}

fn session(mut body: Cursor<'_>, minor_version: u16) -> Result<SessionStartup, ProtocolError> {
    let mut startup = SessionStartup {
        minor_version,
        ..SessionStartup::default()
    };
    let mut others = Vec::new();
    loop {
        let name = layout(body.text())?;
        if name.is_empty() {
            break;
        }
        let value = layout(body.text())?;
        match name.as_str() {
            "user" => startup.user = value,
            "database" => startup.database = value,
            "options" => startup.settings.extend(options(&value)?),
            "replication" => startup.replication = replication(&value)?,
            _ if name.starts_with("_pq_.") => startup.extensions.push(name),
            _ => others.push((name, value)),
        }
    }
    if !body.is_empty() {
        return Err(ProtocolError::StartupLayout);
    }
    if startup.user.is_empty() {
        return Err(ProtocolError::NoUser);
    }
    if startup.database.is_empty() {
        startup.database.clone_from(&startup.user);
    }
    startup.settings.append(&mut others);
    Ok(startup)
}

fn layout(text: Result<String, ProtocolError>) -> Result<String, ProtocolError> {
    text.map_err(|error| match error {
        ProtocolError::Text => ProtocolError::StartupLayout,
        other => other,
    })
}

fn replication(value: &str) -> Result<Replication, ProtocolError> {
    match value.to_ascii_lowercase().as_str() {
        "database" => Ok(Replication::Database),
        "true" | "on" | "yes" | "1" | "t" | "y" => Ok(Replication::Physical),
        "false" | "off" | "no" | "0" | "f" | "n" => Ok(Replication::Off),
        _ => Err(ProtocolError::ReplicationValue(value.to_owned())),
    }
}

/// The settings in an `options` value: `-c name=value`, `-cname=value` and `--name=value`, separated by
/// blanks; a backslash takes the next character as it is.
pub fn options(value: &str) -> Result<Vec<(String, String)>, ProtocolError> {
    let mut settings = Vec::new();
    let mut rest = value;
    while let Some(word) = next_word(&mut rest) {
        let invalid = || ProtocolError::Options(word.to_string());
        let following;
        let (flag, setting) = if word == "-c" {
            following = next_word(&mut rest).ok_or_else(invalid)?;
            ("-c ", &*following)
        } else if let Some(setting) = word.strip_prefix("-c") {
            ("-c ", setting)
        } else {
            ("--", word.strip_prefix("--").ok_or_else(invalid)?)
        };
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| ProtocolError::OptionsValue(format!("{flag}{setting}")))?;
        let name = match name.contains('-') {
            true => name.replace('-', "_"),
            false => name.to_owned(),
        };
        settings.push((name, value.to_owned()));
    }
    Ok(settings)
}

/// Takes the next word from `rest`.
fn next_word<'a>(rest: &mut &'a str) -> Option<Cow<'a, str>> {
    let special = |byte: u8| byte.is_ascii_whitespace() || byte == b'\\';
    let text = rest.trim_ascii_start();
    let plain = text.bytes().position(special).unwrap_or(text.len());
    let mut word = Cow::Borrowed(&text[..plain]);
    let mut characters = text[plain..].chars();
    while characters.as_str().starts_with('\\') {
        characters.next();
        let word = word.to_mut();
        word.extend(characters.next());
        let more = characters.as_str();
        let plain = more.bytes().position(special).unwrap_or(more.len());
        word.push_str(&more[..plain]);
        characters = more[plain..].chars();
    }
    *rest = characters.as_str();
    // A backslash at the very end makes a word of nothing.
    (!text.is_empty()).then_some(word)
}
