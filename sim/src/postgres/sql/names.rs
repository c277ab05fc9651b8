//! Identifiers as Postgres folds and quotes them.

use std::borrow::Cow;

use sqlparser::ast::{Ident, ObjectName};

use super::error::PgError;
use super::text::first_bytes;

/// An identifier folded to lower case unless quoted, and cut to 63 bytes.
#[must_use]
pub fn fold(ident: &Ident) -> String {
    folded(ident).into_owned()
}

/// The same, borrowed where the identifier is so already, as most are.
fn folded(ident: &Ident) -> Cow<'_, str> {
    let name = ident.value.as_str();
    let kept = ident.quote_style.is_some() || !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if kept {
        Cow::Borrowed(first_bytes(name, 63))
    } else {
        Cow::Owned(cut(downcase(name)))
    }
}

/// What is not quoted, in lower case: ASCII alone, since the encoding is UTF-8 (`downcase_identifier`).
pub(crate) fn downcase(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The 63 bytes that Postgres keeps of a name.
fn cut(mut name: String) -> String {
    name.truncate(first_bytes(&name, 63).len());
    name
}

/// The parts of a qualified name, folded.
#[must_use]
pub fn parts(name: &ObjectName) -> Vec<Cow<'_, str>> {
    let idents = name.0.iter().filter_map(|part| part.as_ident());
    idents.map(folded).collect()
}

/// The last part of a name, folded.
#[must_use]
pub fn last(name: &ObjectName) -> String {
    parts(name).pop().unwrap_or_default().into_owned()
}

/// Whether a word must be quoted as an identifier: not lower case and plain, or a keyword that is not
/// unreserved.
fn must_quote(name: &str) -> bool {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    !plain || RESERVED.contains(&name)
}

/// `quote_ident`.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    if must_quote(name) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

/// `quote_literal`.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Reads a name as text (`'public."T"'`) into its parts, folded. As `SplitIdentifierString`, which is laxer than
/// SQL: what is not quoted ends at a dot or a space alone.
///
/// # Errors
/// `42602` when it is no name.
pub fn parse_qualified(text: &str) -> Result<Vec<String>, PgError> {
    split_qualified(text).ok_or_else(|| PgError::new("42602", "invalid name syntax"))
}

fn split_qualified(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim_ascii_start();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(|c: char| c == '.' || c.is_ascii_whitespace());
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                if word.is_empty() {
                    return None;
                }
                (downcase(word), after)
            }
        };
        parts.push(cut(part));
        let after = after.trim_ascii_start();
        if after.is_empty() {
            return Some(parts);
        }
        rest = after.strip_prefix('.')?.trim_ascii_start();
    }
}

/// What is quoted, and what follows the closing quote: the text begins behind the opening one.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// The keywords of Postgres 15 that are not unreserved, which `quote_ident` quotes.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];
