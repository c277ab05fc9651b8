//! `ONLY`, which the parser does not know in FROM: it becomes a mark on the table's name.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// No identifier of Postgres holds a NUL.
const MARK: &str = "\0only";

/// Turns `FROM ONLY t` into a name with the mark as its first part; so too after JOIN and UPDATE.
pub(crate) fn mark(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let keyword = |token: Option<&TokenWithSpan>| match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let is_only = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        keyword(tokens.get(at)) == Keyword::ONLY
            && matches!(keyword(before), Keyword::FROM | Keyword::JOIN | Keyword::UPDATE)
            && matches!(tokens.get(at + 1).map(|next| &next.token), Some(Token::Word(_)))
    };
    if !(0..tokens.len()).any(is_only) {
        return tokens;
    }
    let mut marked = Vec::with_capacity(tokens.len() + 1);
    for (at, token) in tokens.iter().enumerate() {
        if is_only(at) {
            let word = Word {
                value: MARK.to_owned(),
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            };
            marked.push(TokenWithSpan::new(Token::Word(word), token.span));
            marked.push(TokenWithSpan::new(Token::Period, token.span));
        } else {
            marked.push(token.clone());
        }
    }
    marked
}

/// The name without the mark, and whether it had one.
pub(crate) fn take(name: &ObjectName) -> (ObjectName, bool) {
    match name.0.split_first() {
        Some((ObjectNamePart::Identifier(Ident { value, .. }), rest)) if value == MARK => {
            (ObjectName(rest.to_vec()), true)
        }
        _ => (name.clone(), false),
    }
}
