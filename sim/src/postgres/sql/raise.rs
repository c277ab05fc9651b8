//! `DO` with a block that raises an exception, and does nothing else: of PL/pgSQL no more is simulated.

use sqlparser::tokenizer::Token;

use super::command::Command;
use super::error::PgError;
use super::words::Words;

/// The SQLSTATEs that can be raised.
const SQLSTATES: [&str; 29] = [
    "08006", "0A000", "22023", "23505", "25006", "25P02", "25P03", "40001", "40P01", "42501", "42601",
    "42602", "42703", "42704", "42710", "42P01", "53100", "53200", "53300", "53400", "55000", "55006",
    "55P03", "57014", "57P01", "57P03", "58030", "58P01", "XX000",
];

/// Parses `DO $$BEGIN RAISE EXCEPTION USING ERRCODE='…', MESSAGE='…'; END$$`, written exactly so.
pub(crate) fn parse(words: &mut Words<'_>, text: &str) -> Result<Command, PgError> {
    words.expect("do")?;
    let raised = match words.next() {
        Token::DollarQuotedString(block) if words.is_end() => raised(&block.value),
        _ => None,
    };
    raised.ok_or_else(|| PgError::unsupported(text))
}

fn raised(block: &str) -> Option<Command> {
    let options = block.strip_prefix("BEGIN RAISE EXCEPTION USING ERRCODE='")?;
    let (code, message) = options.strip_suffix("'; END")?.split_once("', MESSAGE='")?;
    let code = SQLSTATES.into_iter().find(|known| *known == code)?;
    (!message.contains('\'')).then(|| Command::Raise {
        code,
        message: message.to_owned(),
    })
}
