//! The replication grammar: the old one, and the new one with options in parentheses.

use leftover_core::connection::Lsn;

use crate::postgres::sql::error::PgError;

/// What becomes of the snapshot of a new slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOption {
    /// It is exported.
    Export,
    /// The open transaction uses it.
    Use,
    /// Nothing.
    Nothing,
}

/// A replication command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replication {
    /// `IDENTIFY_SYSTEM`.
    IdentifySystem,
    /// `SHOW name`.
    Show(String),
    /// `CREATE_REPLICATION_SLOT … LOGICAL`.
    CreateSlot {
        /// The slot's name.
        name: String,
        /// TEMPORARY.
        temporary: bool,
        /// The output plugin.
        plugin: String,
        /// What becomes of the snapshot.
        snapshot: SnapshotOption,
    },
    /// `DROP_REPLICATION_SLOT`.
    DropSlot {
        /// The slot's name.
        name: String,
        /// WAIT.
        wait: bool,
    },
    /// `START_REPLICATION SLOT … LOGICAL`.
    Start {
        /// The slot's name.
        slot: String,
        /// From where.
        from: Lsn,
        /// The output plugin's options.
        options: Vec<(String, Option<String>)>,
    },
    /// A replication command that is not simulated.
    Unsupported(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Sign(char),
}

const COMMANDS: [&str; 9] = [
    "IDENTIFY_SYSTEM",
    "BASE_BACKUP",
    "START_REPLICATION",
    "CREATE_REPLICATION_SLOT",
    "DROP_REPLICATION_SLOT",
    "READ_REPLICATION_SLOT",
    "TIMELINE_HISTORY",
    "SHOW",
    "ALTER_REPLICATION_SLOT",
];

fn tokens(text: &str) -> Result<Vec<Token>, PgError> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(&first) = characters.peek() {
        if first.is_whitespace() {
            characters.next();
        } else if first == '"' || first == '\'' {
            characters.next();
            let mut content = String::new();
            loop {
                match characters.next() {
                    None => return Err(PgError::new("42601", "unterminated quoted string")),
                    Some(c) if c == first && characters.peek() == Some(&first) => {
                        characters.next();
                        content.push(c);
                    }
                    Some(c) if c == first => break,
                    Some(c) => content.push(c),
                }
            }
            tokens.push(if first == '"' {
                Token::Quoted(content)
            } else {
                Token::Text(content)
            });
        } else if first.is_alphanumeric() || first == '_' {
            let mut word = String::new();
            while let Some(&c) = characters
                .peek()
                .filter(|c| c.is_alphanumeric() || matches!(c, '_' | '/' | '$' | '.'))
            {
                word.push(c);
                characters.next();
            }
            tokens.push(Token::Word(word));
        } else {
            characters.next();
            tokens.push(Token::Sign(first));
        }
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn take(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Result<String, PgError> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word.to_lowercase()),
            Some(Token::Quoted(name)) => Ok(name),
            other => Err(syntax(other.as_ref())),
        }
    }

    fn text(&mut self) -> Result<String, PgError> {
        match self.next() {
            Some(Token::Text(text) | Token::Word(text)) => Ok(text),
            other => Err(syntax(other.as_ref())),
        }
    }

    fn end(&mut self) -> Result<(), PgError> {
        self.sign(';');
        match self.next() {
            None => Ok(()),
            other => Err(syntax(other.as_ref())),
        }
    }
}

fn syntax(at: Option<&Token>) -> PgError {
    PgError::syntax(&match at {
        None => String::new(),
        Some(Token::Word(text) | Token::Quoted(text) | Token::Text(text)) => text.clone(),
        Some(Token::Sign(sign)) => sign.to_string(),
    })
}

/// Parses a replication command; `None` when the text is SQL.
///
/// # Errors
/// `42601`.
pub fn parse(text: &str) -> Result<Option<Replication>, PgError> {
    let first: String = text
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let Some(command) = COMMANDS
        .iter()
        .find(|command| first.eq_ignore_ascii_case(command))
    else {
        return Ok(None);
    };
    let mut reader = Reader {
        tokens: tokens(text)?,
        at: 1,
    };
    let parsed = match *command {
        "IDENTIFY_SYSTEM" => Replication::IdentifySystem,
        "SHOW" => Replication::Show(reader.name()?),
        "CREATE_REPLICATION_SLOT" => create(&mut reader, text)?,
        "DROP_REPLICATION_SLOT" => Replication::DropSlot {
            name: reader.name()?,
            wait: reader.take("WAIT"),
        },
        "START_REPLICATION" => start(&mut reader, text)?,
        _ => return Ok(Some(Replication::Unsupported(text.to_owned()))),
    };
    reader.end()?;
    Ok(Some(parsed))
}

fn create(reader: &mut Reader, text: &str) -> Result<Replication, PgError> {
    let name = reader.name()?;
    let temporary = reader.take("TEMPORARY");
    if reader.take("PHYSICAL") {
        reader.at = reader.tokens.len();
        return Ok(Replication::Unsupported(text.to_owned()));
    }
    if !reader.take("LOGICAL") {
        return Err(syntax(reader.next().as_ref()));
    }
    let plugin = reader.name()?;
    let mut snapshot = SnapshotOption::Export;
    if reader.sign('(') {
        loop {
            let option = reader.name()?;
            match option.as_str() {
                "snapshot" => snapshot = snapshot_value(&reader.text()?)?,
                "two_phase" => {
                    let on = matches!(
                        reader.tokens.get(reader.at),
                        Some(Token::Word(_) | Token::Text(_))
                    );
                    if !(on
                        && matches!(
                            reader.text()?.to_ascii_lowercase().as_str(),
                            "false" | "off" | "0"
                        ))
                    {
                        return Err(PgError::unsupported("slots with two_phase"));
                    }
                }
                _ => return Err(PgError::new("42601", format!("unrecognized option: {option}"))),
            }
            if !reader.sign(',') {
                break;
            }
        }
        if !reader.sign(')') {
            return Err(syntax(reader.next().as_ref()));
        }
    } else if reader.take("NOEXPORT_SNAPSHOT") {
        snapshot = SnapshotOption::Nothing;
    } else if reader.take("USE_SNAPSHOT") {
        snapshot = SnapshotOption::Use;
    } else {
        reader.take("EXPORT_SNAPSHOT");
    }
    Ok(Replication::CreateSlot {
        name,
        temporary,
        plugin,
        snapshot,
    })
}

fn start(reader: &mut Reader, text: &str) -> Result<Replication, PgError> {
    let slot = reader.take("SLOT").then(|| reader.name()).transpose()?;
    let (Some(slot), true) = (slot, reader.take("LOGICAL")) else {
        reader.at = reader.tokens.len();
        return Ok(Replication::Unsupported(text.to_owned()));
    };
    let from = reader.next();
    let from = match &from {
        Some(Token::Word(word)) => word.parse().map_err(|_| syntax(from.as_ref()))?,
        _ => return Err(syntax(from.as_ref())),
    };
    let mut options = Vec::new();
    if reader.sign('(') {
        loop {
            let name = reader.name()?;
            let value = match reader.tokens.get(reader.at) {
                Some(Token::Text(_)) => Some(reader.text()?),
                _ => None,
            };
            options.push((name, value));
            if !reader.sign(',') {
                break;
            }
        }
        if !reader.sign(')') {
            return Err(syntax(reader.next().as_ref()));
        }
    }
    Ok(Replication::Start { slot, from, options })
}

fn snapshot_value(value: &str) -> Result<SnapshotOption, PgError> {
    match value {
        "export" => Ok(SnapshotOption::Export),
        "use" => Ok(SnapshotOption::Use),
        "nothing" => Ok(SnapshotOption::Nothing),
        other => {
            let message =
                format!("unrecognized value for CREATE_REPLICATION_SLOT option \"snapshot\": \"{other}\"");
            Err(PgError::new("42601", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(text: &str) -> (String, bool, SnapshotOption) {
        match parse(text) {
            Ok(Some(Replication::CreateSlot {
                name,
                temporary,
                snapshot,
                ..
            })) => (name, temporary, snapshot),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn both_grammars_say_the_same() {
        let cases = [
            (
                "CREATE_REPLICATION_SLOT a LOGICAL pgoutput",
                false,
                SnapshotOption::Export,
            ),
            (
                "  create_replication_slot A LOGICAL pgoutput EXPORT_SNAPSHOT;",
                false,
                SnapshotOption::Export,
            ),
            (
                "CREATE_REPLICATION_SLOT a TEMPORARY LOGICAL pgoutput USE_SNAPSHOT",
                true,
                SnapshotOption::Use,
            ),
            (
                "CREATE_REPLICATION_SLOT a LOGICAL pgoutput (SNAPSHOT 'nothing')",
                false,
                SnapshotOption::Nothing,
            ),
            (
                r#"CREATE_REPLICATION_SLOT "a" TEMPORARY LOGICAL "pgoutput" (SNAPSHOT 'use')"#,
                true,
                SnapshotOption::Use,
            ),
        ];
        for (text, temporary, snapshot) in cases {
            assert_eq!(slot(text), ("a".to_owned(), temporary, snapshot), "{text}");
        }
    }

    #[test]
    fn a_stream_has_a_slot_a_place_and_the_plugins_options() {
        let text = r#"START_REPLICATION SLOT "a" LOGICAL 16/B374D848 (proto_version '1', "publication_names" 'p,"Q"')"#;
        let wanted = Replication::Start {
            slot: "a".to_owned(),
            from: Lsn(0x16_B374_D848),
            options: vec![
                ("proto_version".to_owned(), Some("1".to_owned())),
                ("publication_names".to_owned(), Some("p,\"Q\"".to_owned())),
            ],
        };
        assert_eq!(parse(text), Ok(Some(wanted)));
        let physical = "START_REPLICATION 0/0";
        assert_eq!(
            parse(physical),
            Ok(Some(Replication::Unsupported(physical.to_owned())))
        );
        assert_eq!(
            parse("START_REPLICATION SLOT a LOGICAL nowhere")
                .unwrap_err()
                .code,
            "42601"
        );
    }

    /// OB-61: several statements with a CREATE are no replication command.
    #[test]
    fn a_second_statement_is_a_syntax_error_and_sql_is_left_alone() {
        let error = parse("CREATE_REPLICATION_SLOT a LOGICAL pgoutput; SELECT 1").unwrap_err();
        assert_eq!(error.code, "42601");
        assert_eq!(parse("SELECT 1"), Ok(None));
    }
}
