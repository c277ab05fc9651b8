//! A case file: reading it, with every error at its line, and writing it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Spanned;

use super::words::Words;
use crate::config::Config;
use crate::fault::plan::{Plan, Then};
use crate::lab::Trial;
use crate::scenario::Scenario;
use crate::signature::Signature;
use crate::verdict::Outcome;

/// The version of the format that this code reads and writes.
pub const VERSION: i64 = 1;

/// How the name of a case file ends.
pub const SUFFIX: &str = ".case.toml";

/// One run to repeat, and what it is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The scenario's name.
    pub scenario: String,
    /// Everything else that decides the run.
    pub trial: Trial,
    /// What is left; empty for a case that is clean.
    pub expect: Signature,
}

/// Why a case file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct CaseError {
    /// The file.
    pub file: String,
    /// The line, from 1, where the problem has one.
    pub line: Option<usize>,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl Case {
    /// The case that `outcome` is; `None` when its plan met nothing.
    pub fn of(outcome: &Outcome) -> Option<Case> {
        Some(Case {
            scenario: outcome.scenario.clone(),
            trial: outcome.trial(),
            expect: Signature::of(&outcome.verdict)?,
        })
    }

    /// Reads a case file.
    ///
    /// # Errors
    /// When it cannot be read or is no case.
    pub fn read(path: &Path) -> Result<Case, CaseError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Case::parse(&file, &text),
            Err(error) => Err(CaseError {
                file,
                line: None,
                problem: format!("cannot be read: {error}"),
            }),
        }
    }

    /// Reads the text of a case file; `file` is how errors name it.
    ///
    /// # Errors
    /// When it is no case.
    pub fn parse(file: &str, text: &str) -> Result<Case, CaseError> {
        let error = |span: Option<Range<usize>>, problem: String| CaseError {
            file: file.to_owned(),
            line: span.map(|span| line_of(text, span.start)),
            problem,
        };
        let syntax = |problem: toml::de::Error| error(problem.span(), problem.message().to_owned());
        let Versioned { version } = toml::from_str(text).map_err(syntax)?;
        let written = match version
            .as_ref()
            .map(|version| (version.span(), version.get_ref()))
        {
            Some((_, toml::Value::Integer(VERSION))) => toml::from_str::<Reading>(text).map_err(syntax)?,
            Some((span, version)) => {
                let problem =
                    format!("this is version {version} of the format; version {VERSION} can be read");
                return Err(error(Some(span), problem));
            }
            None => return Err(error(None, format!("`version = {VERSION}` is missing"))),
        };
        let mut strikes = Vec::new();
        for strike in written.strike {
            let words = strike.get_ref().strike();
            strikes.push(words.map_err(|problem| error(Some(strike.span()), problem))?);
        }
        let plan = Plan {
            strikes,
            then: written.then,
        };
        Ok(Case {
            scenario: written.scenario,
            trial: Trial {
                seed: written.seed.0,
                config: written.config,
                plan,
            },
            expect: written.expect.0,
        })
    }

    /// The text of the case file. `head` is what people read first, and nobody else.
    pub fn render(&self, head: &str) -> String {
        let mut text = String::new();
        for line in head.lines() {
            // No control character may stand in a comment.
            let line = line.replace(char::is_control, " ");
            let _ = writeln!(text, "{}", format!("# {line}").trim_end());
        }
        let head = Head {
            version: VERSION,
            scenario: &self.scenario,
            seed: Seed(self.trial.seed),
            expect: Expect(self.expect.clone()),
            then: self.trial.plan.then,
        };
        let body = Body {
            config: differs(&self.trial.config),
            strike: self.trial.plan.strikes.iter().map(Words::of).collect(),
        };
        const PLAIN: &str = "a case is plain data";
        text += &toml::to_string_pretty(&head).expect(PLAIN);
        let body = toml::to_string(&body).expect(PLAIN);
        if !body.is_empty() {
            let _ = write!(text, "\n{body}");
        }
        text
    }

    /// The case's scenario.
    ///
    /// # Errors
    /// With the names that there are, when it is none of `known`.
    pub fn find<'a>(&self, known: &'a [Scenario]) -> Result<&'a Scenario, String> {
        let found = known.iter().find(|scenario| scenario.name == self.scenario);
        found.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|scenario| scenario.name).collect();
            format!(
                "there is no scenario {:?}; there are {}",
                self.scenario,
                names.join(", ")
            )
        })
    }
}

/// The line, from 1, of a byte.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// The entries of a configuration that are not the default's.
fn differs(config: &Config) -> toml::Table {
    let table = |config: &Config| toml::Table::try_from(config).expect("a configuration is plain data");
    let (mut table, default) = (table(config), table(&Config::default()));
    table.retain(|key, value| default.get(key) != Some(value));
    table
}

#[derive(Deserialize)]
struct Versioned {
    version: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    #[serde(rename = "version")]
    _version: i64,
    scenario: String,
    seed: Seed,
    expect: Expect,
    #[serde(default)]
    then: Then,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    strike: Vec<Spanned<Words>>,
}

#[derive(Serialize)]
struct Head<'a> {
    version: i64,
    scenario: &'a str,
    seed: Seed,
    expect: Expect,
    then: Then,
}

#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "toml::Table::is_empty")]
    config: toml::Table,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    strike: Vec<Words>,
}

/// `"clean"`, or what is left.
struct Expect(Signature);

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_clean() {
            serializer.serialize_str("clean")
        } else {
            serializer.collect_seq(self.0.kinds())
        }
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const ALLOWED: &str = "\"clean\" or a list of what is left, of at least one";
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(word) if word == "clean" => Ok(Expect(Signature::default())),
            toml::Value::Array(kinds) if !kinds.is_empty() => {
                let kinds: Result<BTreeSet<String>, _> =
                    kinds.into_iter().map(toml::Value::try_into).collect();
                let kinds = kinds.map_err(|_| D::Error::custom(format!("expected {ALLOWED}")))?;
                Ok(Expect(kinds.into_iter().collect()))
            }
            other => Err(D::Error::custom(format!("{other} is not {ALLOWED}"))),
        }
    }
}

/// A seed. TOML's integers end at 2^63, so a larger one is a string.
struct Seed(u64);

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(seed) => serializer.serialize_i64(seed),
            Err(_) => serializer.serialize_str(&self.0.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeedVisitor)
    }
}

struct SeedVisitor;

impl Visitor<'_> for SeedVisitor {
    type Value = Seed;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a seed from 0 to 18446744073709551615, in quotes when it is above 9223372036854775807")
    }

    fn visit_i64<E: serde::de::Error>(self, seed: i64) -> Result<Seed, E> {
        let wrong = |_| E::invalid_value(serde::de::Unexpected::Signed(seed), &self);
        u64::try_from(seed).map(Seed).map_err(wrong)
    }

    fn visit_u64<E: serde::de::Error>(self, seed: u64) -> Result<Seed, E> {
        Ok(Seed(seed))
    }

    fn visit_str<E: serde::de::Error>(self, seed: &str) -> Result<Seed, E> {
        let wrong = |_| E::invalid_value(serde::de::Unexpected::Str(seed), &self);
        seed.parse().map(Seed).map_err(wrong)
    }
}
