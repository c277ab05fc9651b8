//! From text to commands, with a cache: the same texts come again in every run.

use std::cell::RefCell;
use std::rc::Rc;

use sqlparser::ast::{SchemaName, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::command::{Command, Parsed};
use super::error::PgError;
use super::names;
use super::words::Words;
use crate::postgres::remembered::Remembered;

/// How many texts a thread remembers.
const CACHED_TEXTS: usize = 2048;
/// Longer texts are not remembered.
const CACHED_LENGTH: usize = 16 * 1024;

type Cache = Remembered<Box<str>, Result<Rc<[Parsed]>, PgError>>;

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Remembered::new(CACHED_TEXTS)) };
}

/// Parses the statements of a simple query; none for an empty one.
///
/// # Errors
/// `42601` for a syntax error anywhere, `0A000` for a statement of Postgres that the parser does not know.
pub fn parse(sql: &str) -> Result<Rc<[Parsed]>, PgError> {
    if let Some(known) = CACHE.with_borrow(|cache| cache.get(sql)) {
        return known;
    }
    let parsed = parse_text(sql);
    if sql.len() <= CACHED_LENGTH {
        CACHE.with_borrow_mut(|cache| cache.keep(sql.into(), parsed.clone()));
    }
    parsed
}

fn parse_text(sql: &str) -> Result<Rc<[Parsed]>, PgError> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| PgError::new("42601", error.message.to_lowercase()))?;
    let lines = line_starts(sql);
    let mut statements = Vec::new();
    let mut piece: Vec<TokenWithSpan> = Vec::new();
    let mut start = None;
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::SemiColon => {
                let end = offset(sql, &lines, token.span.start);
                finish(
                    sql,
                    start.take(),
                    end,
                    std::mem::take(&mut piece),
                    &mut statements,
                )?;
            }
            Token::EOF => {}
            _ => {
                start.get_or_insert_with(|| offset(sql, &lines, token.span.start));
                piece.push(token);
            }
        }
    }
    finish(sql, start, sql.len(), piece, &mut statements)?;
    Ok(statements.into())
}

fn finish(
    sql: &str,
    start: Option<usize>,
    end: usize,
    tokens: Vec<TokenWithSpan>,
    statements: &mut Vec<Parsed>,
) -> Result<(), PgError> {
    let Some(start) = start else { return Ok(()) };
    let text: Rc<str> = sql.get(start..end).unwrap_or(sql).trim_end().into();
    let statement = parse_one(&text, super::only::mark(tokens))?;
    statements.push(Parsed { text, statement });
    Ok(())
}

fn parse_one(text: &str, tokens: Vec<TokenWithSpan>) -> Result<Command, PgError> {
    if let Some(command) = super::hand::parse(&mut Words::new(&tokens), text)? {
        return Ok(command);
    }
    let first = tokens
        .first()
        .map(|token| token.token.to_string())
        .unwrap_or_default();
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement().map_err(|error| {
        if UNKNOWN_TO_PARSER
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word))
        {
            return PgError::unsupported(text);
        }
        parser_error(&error)
    })?;
    match parser.peek_token().token {
        Token::EOF => Ok(command(statement)),
        token => Err(PgError::syntax(&token.to_string())),
    }
}

/// First words of statements that are Postgres's, but of which the parser knows little or nothing.
const UNKNOWN_TO_PARSER: &[&str] = &[
    "alter", "call", "cluster", "comment", "create", "declare", "do", "drop", "execute", "explain", "fetch",
    "grant", "import", "listen", "load", "merge", "move", "notify", "prepare", "reassign", "refresh",
    "reindex", "revoke", "security", "unlisten",
];

fn command(statement: Statement) -> Command {
    match statement {
        Statement::Query(query) => Command::Query(query),
        Statement::Insert(insert) => Command::Insert(Box::new(insert)),
        Statement::Update(update) => Command::Update(Box::new(update)),
        Statement::Delete(delete) => Command::Delete(Box::new(delete)),
        Statement::CreateTable(create) => Command::CreateTable(Box::new(create)),
        Statement::AlterTable(alter) => Command::AlterTable(Box::new(alter)),
        Statement::CreateIndex(create) => Command::CreateIndex(Box::new(create)),
        Statement::Drop {
            object_type,
            if_exists,
            names,
            cascade,
            ..
        } => Command::Drop {
            kind: object_type,
            if_exists,
            names,
            cascade,
        },
        Statement::CreateSchema {
            schema_name: SchemaName::Simple(name),
            if_not_exists,
            ..
        } => Command::CreateSchema {
            name: names::last(&name),
            if_not_exists,
        },
        other => Command::Other(Box::new(other)),
    }
}

/// What a parser's error is to the client.
pub(crate) fn parser_error(error: &ParserError) -> PgError {
    match error {
        ParserError::RecursionLimitExceeded => PgError::new("54001", "stack depth limit exceeded"),
        ParserError::TokenizerError(message) => PgError::new("42601", message.to_lowercase()),
        ParserError::ParserError(message) => {
            let found = message.split_once("found: ").map_or("", |(_, found)| found);
            let end = found.rfind(" at Line:").unwrap_or(found.len());
            if found.is_empty() {
                return PgError::new("42601", format!("syntax error: {message}"));
            }
            PgError::syntax(&found[..end])
        }
    }
}

fn line_starts(sql: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(
            sql.bytes()
                .enumerate()
                .filter(|(_, b)| *b == b'\n')
                .map(|(at, _)| at + 1),
        )
        .collect()
}

/// The byte of a location: lines and columns count from 1, columns in characters.
fn offset(sql: &str, lines: &[usize], at: Location) -> usize {
    let line = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
    let start = lines.get(line).copied().unwrap_or(sql.len());
    let column = usize::try_from(at.column).unwrap_or(1).saturating_sub(1);
    sql[start..]
        .char_indices()
        .nth(column)
        .map_or(sql.len(), |(byte, _)| start + byte)
}
