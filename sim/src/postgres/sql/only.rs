//! `FROM ONLY name`, which the parser does not know: ONLY becomes a mark in front of the name.

use sqlparser::ast::{ObjectName, ObjectNamePart};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::names;

/// No table can be in a schema of this name: it is no valid text for a client to send.
const MARK: &str = "\u{1}only";

fn is_word(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. })
        if words.iter().any(|word| value.eq_ignore_ascii_case(word)))
}

/// Replaces `FROM ONLY` and `JOIN ONLY` before a name by the mark and a period. What UPDATE and DELETE change is
/// the table with its partitions in any case.
pub(crate) fn mark(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(&token.token, &["only"])) {
        return tokens;
    }
    let mut marked: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 1);
    for (at, token) in tokens.iter().enumerate() {
        let after = marked
            .last()
            .is_some_and(|last| is_word(&last.token, &["from", "join", "update"]));
        let before_name = matches!(tokens.get(at + 1).map(|next| &next.token), Some(Token::Word(_)));
        let only = after && before_name && is_word(&token.token, &["only"]);
        let changed = at <= 2 && is_word(&tokens[0].token, &["update", "delete"]);
        if only && changed {
            continue;
        }
        if only {
            let word = Token::make_word(MARK, Some('"'));
            marked.push(TokenWithSpan {
                token: word,
                span: token.span,
            });
            marked.push(TokenWithSpan {
                token: Token::Period,
                span: token.span,
            });
        } else {
            marked.push(token.clone());
        }
    }
    marked
}

/// The name without the mark, and whether it had one.
pub(crate) fn unmark(name: &ObjectName) -> (ObjectName, bool) {
    match name.0.split_first() {
        Some((ObjectNamePart::Identifier(first), rest)) if names::fold(first) == MARK => {
            (ObjectName(rest.to_vec()), true)
        }
        _ => (name.clone(), false),
    }
}
