//! A strike in words: what a `[[strike]]` of a case file says.
//!
//! To add an act, add its word to [`ActWord`], its parameters to [`Words`], and an arm to [`Words::act_of`]
//! and [`Words::act`]; the compiler asks for both.

use serde::{Deserialize, Serialize};

use super::duration::Written;
use crate::fault::plan::{Act, At, Await, Fault, Passed, Persistence, Point, Scope, Strike, When};
use crate::log::Way;
use crate::world::{Server, Silence};

/// What strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ActWord {
    #[serde(rename = "cancel")]
    Cancel,
    #[serde(rename = "stop")]
    Stop,
    #[serde(rename = "kill")]
    Kill,
    #[serde(rename = "drop")]
    Drop,
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "crash of the source")]
    CrashSource,
    #[serde(rename = "crash of the target")]
    CrashTarget,
    #[serde(rename = "terminate")]
    Terminate,
    #[serde(rename = "FIN")]
    Fin,
    #[serde(rename = "RST")]
    Reset,
    #[serde(rename = "half-close")]
    HalfClose,
    #[serde(rename = "silence both ways")]
    SilenceBoth,
    #[serde(rename = "silence to the server")]
    SilenceToServer,
    #[serde(rename = "silence to the client")]
    SilenceToClient,
    #[serde(rename = "stall")]
    Stall,
    #[serde(rename = "delay")]
    Delay,
}

/// Where or when it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum AtWord {
    #[serde(rename = "before sending")]
    BeforeSend,
    #[serde(rename = "after sending")]
    AfterSend,
    #[serde(rename = "before the delivery")]
    BeforeDelivery,
    #[serde(rename = "await after sending")]
    AwaitAfterSending,
    #[serde(rename = "await after the delivery")]
    AwaitAfterDelivery,
    #[serde(rename = "await before any message")]
    AwaitBeforeAny,
    #[serde(rename = "time")]
    Time,
}

/// A strike. What is `None` says nothing with this act at this kind of place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    act: ActWord,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<Written>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistence: Option<Persistence>,
    at: AtWord,
    process: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nth: Option<u32>,
    #[serde(rename = "await", skip_serializing_if = "Option::is_none")]
    await_nth: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Written>,
}

impl Words {
    /// The words of a strike.
    pub(super) fn of(strike: &Strike) -> Words {
        let mut words = Words {
            act: ActWord::Cancel,
            delay: None,
            sqlstate: None,
            scope: None,
            persistence: None,
            at: AtWord::Time,
            process: strike.at.process().to_owned(),
            server: None,
            role: None,
            connection: None,
            message: None,
            nth: None,
            await_nth: None,
            time: None,
        };
        words.act_of(&strike.act);
        words.at_of(&strike.at);
        words
    }

    fn act_of(&mut self, act: &Act) {
        self.act = match act {
            Act::Cancel => ActWord::Cancel,
            Act::Stop => ActWord::Stop,
            Act::Kill => ActWord::Kill,
            Act::Drop => ActWord::Drop,
            Act::Error { sqlstate } => {
                self.sqlstate = Some(sqlstate.clone());
                ActWord::Error
            }
            Act::Crash { server } => match server {
                Server::Source => ActWord::CrashSource,
                Server::Target => ActWord::CrashTarget,
            },
            Act::Terminate => ActWord::Terminate,
            Act::Fault {
                fault,
                scope,
                persistence,
            } => {
                (self.scope, self.persistence) = (Some(*scope), Some(*persistence));
                self.fault_of(*fault)
            }
        };
    }

    fn fault_of(&mut self, fault: Fault) -> ActWord {
        match fault {
            Fault::Fin => ActWord::Fin,
            Fault::Reset => ActWord::Reset,
            Fault::HalfClose => ActWord::HalfClose,
            Fault::Silence(Silence::Both) => ActWord::SilenceBoth,
            Fault::Silence(Silence::ToServer) => ActWord::SilenceToServer,
            Fault::Silence(Silence::ToClient) => ActWord::SilenceToClient,
            Fault::Stall => ActWord::Stall,
            Fault::Delay(by) => {
                self.delay = Some(Written(by));
                ActWord::Delay
            }
        }
    }

    fn at_of(&mut self, at: &At) {
        self.at = match at {
            At::Message { point, when } => {
                self.point_of(point);
                match when {
                    When::BeforeSend => AtWord::BeforeSend,
                    When::AfterSend => AtWord::AfterSend,
                    When::BeforeDelivery => AtWord::BeforeDelivery,
                }
            }
            At::Await(Await { after, nth, .. }) => {
                self.await_nth = Some(*nth);
                match after {
                    None => AtWord::AwaitBeforeAny,
                    Some(Passed { way, point }) => {
                        self.point_of(point);
                        match way {
                            Way::Sent => AtWord::AwaitAfterSending,
                            Way::Received => AtWord::AwaitAfterDelivery,
                        }
                    }
                }
            }
            At::Time { after, .. } => {
                self.time = Some(Written(*after));
                AtWord::Time
            }
        };
    }

    /// An await and the message before it are of one process, so that the process is written once.
    fn point_of(&mut self, point: &Point) {
        self.server = Some(point.server);
        self.role = Some(point.role.clone());
        self.connection = Some(point.connection);
        self.message = Some(point.message.clone());
        self.nth = Some(point.nth);
    }

    /// The strike that the words say. Ordinals that are not given are 1, a scope is the connection, a
    /// persistence once.
    pub(super) fn strike(&self) -> Result<Strike, String> {
        let strike = Strike {
            act: self.act()?,
            at: self.at()?,
        };
        let means = Words::of(&strike);
        let surplus = [
            ("delay", self.delay.is_some() && means.delay.is_none()),
            ("sqlstate", self.sqlstate.is_some() && means.sqlstate.is_none()),
            ("scope", self.scope.is_some() && means.scope.is_none()),
            (
                "persistence",
                self.persistence.is_some() && means.persistence.is_none(),
            ),
            ("server", self.server.is_some() && means.server.is_none()),
            ("role", self.role.is_some() && means.role.is_none()),
            (
                "connection",
                self.connection.is_some() && means.connection.is_none(),
            ),
            ("message", self.message.is_some() && means.message.is_none()),
            ("nth", self.nth.is_some() && means.nth.is_none()),
            ("await", self.await_nth.is_some() && means.await_nth.is_none()),
            ("time", self.time.is_some() && means.time.is_none()),
        ];
        match surplus.into_iter().find(|(_, surplus)| *surplus) {
            Some((key, _)) => Err(format!(
                "`{key}` says nothing about {} at {}",
                word(&self.act),
                word(&self.at)
            )),
            None => Ok(strike),
        }
    }

    fn act(&self) -> Result<Act, String> {
        let fault = |fault| Act::Fault {
            fault,
            scope: self.scope.unwrap_or_default(),
            persistence: self.persistence.unwrap_or_default(),
        };
        Ok(match self.act {
            ActWord::Cancel => Act::Cancel,
            ActWord::Stop => Act::Stop,
            ActWord::Kill => Act::Kill,
            ActWord::Drop => Act::Drop,
            ActWord::Error => Act::Error {
                sqlstate: self.sqlstate.clone().ok_or_else(|| self.missing("sqlstate"))?,
            },
            ActWord::CrashSource => Act::Crash {
                server: Server::Source,
            },
            ActWord::CrashTarget => Act::Crash {
                server: Server::Target,
            },
            ActWord::Terminate => Act::Terminate,
            ActWord::Fin => fault(Fault::Fin),
            ActWord::Reset => fault(Fault::Reset),
            ActWord::HalfClose => fault(Fault::HalfClose),
            ActWord::SilenceBoth => fault(Fault::Silence(Silence::Both)),
            ActWord::SilenceToServer => fault(Fault::Silence(Silence::ToServer)),
            ActWord::SilenceToClient => fault(Fault::Silence(Silence::ToClient)),
            ActWord::Stall => fault(Fault::Stall),
            ActWord::Delay => {
                let Written(by) = self.delay.ok_or_else(|| self.missing("delay"))?;
                fault(Fault::Delay(by))
            }
        })
    }

    fn at(&self) -> Result<At, String> {
        let message = |when| self.point().map(|point| At::Message { point, when });
        let waits = |way: Option<Way>| {
            let passed = |way| self.point().map(|point| Passed { way, point });
            Ok(At::Await(Await {
                process: self.process.clone(),
                after: way.map(passed).transpose()?,
                nth: self.await_nth.unwrap_or(1),
            }))
        };
        match self.at {
            AtWord::BeforeSend => message(When::BeforeSend),
            AtWord::AfterSend => message(When::AfterSend),
            AtWord::BeforeDelivery => message(When::BeforeDelivery),
            AtWord::AwaitAfterSending => waits(Some(Way::Sent)),
            AtWord::AwaitAfterDelivery => waits(Some(Way::Received)),
            AtWord::AwaitBeforeAny => waits(None),
            AtWord::Time => {
                let Written(after) = self.time.ok_or_else(|| self.missing("time"))?;
                let process = self.process.clone();
                Ok(At::Time { process, after })
            }
        }
    }

    fn point(&self) -> Result<Point, String> {
        let text = |key, text: &Option<String>| text.clone().ok_or_else(|| self.missing(key));
        Ok(Point {
            process: self.process.clone(),
            server: self.server.ok_or_else(|| self.missing("server"))?,
            role: text("role", &self.role)?,
            connection: self.connection.unwrap_or(1),
            message: text("message", &self.message)?,
            nth: self.nth.unwrap_or(1),
        })
    }

    fn missing(&self, key: &str) -> String {
        format!(
            "`{key}` is missing: {} at {} needs it",
            word(&self.act),
            word(&self.at)
        )
    }
}

/// A word as the file has it.
fn word(word: &impl Serialize) -> String {
    toml::Value::try_from(word).map_or_else(|error| error.to_string(), |word| word.to_string())
}
