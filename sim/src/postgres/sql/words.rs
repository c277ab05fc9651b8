//! A reader of tokens for the statements that are parsed by hand.

use sqlparser::ast::{Ident, ObjectName, Query};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::error::PgError;
use super::names::fold;

/// The tokens of one statement, white space and comments left out, and how far they are read.
pub(crate) struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        Self { tokens, at: 0 }
    }

    pub(crate) fn peek(&self) -> &'a Token {
        self.ahead(0)
    }

    pub(crate) fn ahead(&self, count: usize) -> &'a Token {
        self.tokens
            .get(self.at + count)
            .map_or(&Token::EOF, |token| &token.token)
    }

    pub(crate) fn next(&mut self) -> &'a Token {
        let token = self.peek();
        self.at += usize::from(self.at < self.tokens.len());
        token
    }

    pub(crate) fn is_word(token: &Token, keyword: &str) -> bool {
        matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(keyword))
    }

    /// Takes these keywords if they all come next.
    pub(crate) fn take(&mut self, keywords: &str) -> bool {
        let found = keywords
            .split(' ')
            .enumerate()
            .all(|(i, keyword)| Self::is_word(self.ahead(i), keyword));
        if found {
            self.at += keywords.split(' ').count();
        }
        found
    }

    pub(crate) fn take_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, keywords: &str) -> Result<(), PgError> {
        if self.take(keywords) {
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Result<(), PgError> {
        if self.take_token(token) {
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    /// The error that the next token is.
    pub(crate) fn syntax(&self) -> PgError {
        match self.peek() {
            Token::EOF => PgError::syntax(""),
            token => PgError::syntax(&token.to_string()),
        }
    }

    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(crate) fn end(&self) -> Result<(), PgError> {
        if self.is_end() { Ok(()) } else { Err(self.syntax()) }
    }

    fn raw_ident(&mut self) -> Result<Ident, PgError> {
        match self.peek() {
            Token::Word(word) => {
                self.at += 1;
                Ok(Ident {
                    quote_style: word.quote_style,
                    ..Ident::new(word.value.as_str())
                })
            }
            _ => Err(self.syntax()),
        }
    }

    /// An identifier, folded.
    pub(crate) fn ident(&mut self) -> Result<String, PgError> {
        Ok(fold(&self.raw_ident()?))
    }

    /// A name with its qualifiers.
    pub(crate) fn name(&mut self) -> Result<ObjectName, PgError> {
        let mut parts = vec![self.raw_ident()?];
        while self.take_token(&Token::Period) {
            parts.push(self.raw_ident()?);
        }
        Ok(ObjectName::from(parts))
    }

    /// `[ONLY] name [*], …`; whether any was ONLY.
    pub(crate) fn tables(&mut self) -> Result<(Vec<ObjectName>, bool), PgError> {
        let (mut names, mut only) = (Vec::new(), false);
        loop {
            only |= self.take("only");
            names.push(self.name()?);
            self.take_token(&Token::Mul);
            if !self.take_token(&Token::Comma) {
                return Ok((names, only));
            }
        }
    }

    pub(crate) fn idents(&mut self) -> Result<Vec<String>, PgError> {
        let mut names = vec![self.ident()?];
        while self.take_token(&Token::Comma) {
            names.push(self.ident()?);
        }
        Ok(names)
    }

    /// A string literal.
    pub(crate) fn string(&mut self) -> Result<String, PgError> {
        match self.peek() {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.syntax()),
        }
    }

    /// A value of a setting or of an option: a word, a string or a number.
    pub(crate) fn value(&mut self) -> Result<String, PgError> {
        let sign = if self.take_token(&Token::Minus) { "-" } else { "" };
        self.take_token(&Token::Plus);
        match self.peek() {
            Token::Number(text, _) => {
                self.at += 1;
                Ok(format!("{sign}{text}"))
            }
            Token::Word(_) if sign.is_empty() => self.ident(),
            _ => self.string(),
        }
    }

    /// `(name [=] [value], …)`; `separated` when an equals sign stands between.
    pub(crate) fn options(&mut self, separated: bool) -> Result<Vec<(String, Option<String>)>, PgError> {
        let mut options = Vec::new();
        self.expect_token(&Token::LParen)?;
        loop {
            let name = self.ident()?;
            let value = match self.peek() {
                Token::Comma | Token::RParen => None,
                Token::Eq if separated => {
                    self.at += 1;
                    Some(self.value()?)
                }
                _ if separated => return Err(self.syntax()),
                _ => Some(self.value()?),
            };
            options.push((name, value));
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(options)
    }

    /// The query inside the parentheses that open next.
    pub(crate) fn query_in_parentheses(&mut self) -> Result<Box<Query>, PgError> {
        self.expect_token(&Token::LParen)?;
        let start = self.at;
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return Err(PgError::syntax("")),
                _ => {}
            }
        }
        let tokens = self.tokens[start..self.at - 1].to_vec();
        let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(super::only::mark(tokens));
        let query = parser
            .parse_query()
            .map_err(|error| super::parse::parser_error(&error))?;
        match parser.peek_token().token {
            Token::EOF => Ok(query),
            token => Err(PgError::syntax(&token.to_string())),
        }
    }

    /// Everything that is left, as words.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while !self.is_end() {
            words.push(match self.next() {
                Token::SingleQuotedString(text) => text.clone(),
                Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
                token => token.to_string(),
            });
        }
        words
    }
}
