//! The statements that are parsed by hand, tried on the first word.

use sqlparser::tokenizer::Token;

use super::command::{Command, Isolation, TransactionModes};
use super::copy;
use super::error::PgError;
use super::hand_ddl::{alter, create, drop};
use super::words::Words;

/// Parses one of these statements; `None` when it is none of them.
pub(crate) fn parse(words: &mut Words<'_>, text: &str) -> Result<Option<Command>, PgError> {
    let Token::Word(first) = words.peek() else {
        return Ok(None);
    };
    if first.quote_style.is_some() {
        return Err(words.syntax());
    }
    let parsed = match first.value.to_ascii_lowercase().as_str() {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            transaction(words, text)?
        }
        "set" if words.take("set constraints") => return Err(PgError::unsupported(text)),
        "create" if words.take("create user mapping for") => return Err(PgError::unsupported(text)),
        "alter" if words.take("alter user mapping for") => return Err(PgError::unsupported(text)),
        "set" => set(words)?,
        "reset" => {
            words.next();
            Command::Reset(Some(setting_name(words)?).filter(|name| name != "all"))
        }
        "show" => {
            words.next();
            Command::Show(setting_name(words)?)
        }
        "lock" => lock(words)?,
        "copy" => Command::Copy(copy::parse_copy(words, text)?),
        "truncate" => truncate(words)?,
        "vacuum" => vacuum(words, text)?,
        "do" => super::raise::parse(words, text)?,
        "checkpoint" => {
            words.next();
            Command::Checkpoint
        }
        "deallocate" => {
            words.next();
            words.take("prepare");
            if !words.take("all") {
                return Ok(None);
            }
            Command::DeallocateAll
        }
        "discard" => {
            words.next();
            Command::Discard(words.ident()?)
        }
        "create" => match create(words)? {
            Some(command) => command,
            None => return Ok(None),
        },
        "alter" => match alter(words)? {
            Some(command) => command,
            None => return Ok(None),
        },
        "drop" => match drop(words)? {
            Some(command) => command,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    words.end()?;
    Ok(Some(parsed))
}

fn transaction(words: &mut Words<'_>, text: &str) -> Result<Command, PgError> {
    let first = words.ident()?;
    if first == "savepoint" {
        return Ok(Command::Savepoint(words.ident()?));
    }
    if first == "release" {
        words.take("savepoint");
        return Ok(Command::Release(words.ident()?));
    }
    if words.take("prepared") {
        return Err(PgError::unsupported(text));
    }
    if first == "start" {
        words.expect("transaction")?;
    } else if !words.take("transaction") {
        words.take("work");
    }
    if matches!(first.as_str(), "begin" | "start") {
        return Ok(Command::Begin {
            modes: modes(words)?,
            start: first == "start",
        });
    }
    if words.take("to") {
        words.take("savepoint");
        return Ok(Command::RollbackTo(words.ident()?));
    }
    if words.take("and chain") {
        return Err(PgError::unsupported(text));
    }
    words.take("and no chain");
    Ok(if matches!(first.as_str(), "commit" | "end") {
        Command::Commit
    } else {
        Command::Rollback
    })
}

fn modes(words: &mut Words<'_>) -> Result<TransactionModes, PgError> {
    let mut modes = TransactionModes::default();
    while !words.is_end() {
        if words.take("isolation level") {
            modes.isolation = Some(match () {
                () if words.take("serializable") => Isolation::Serializable,
                () if words.take("repeatable read") => Isolation::RepeatableRead,
                () if words.take("read committed") => Isolation::ReadCommitted,
                () if words.take("read uncommitted") => Isolation::ReadUncommitted,
                () => return Err(words.syntax()),
            });
        } else if words.take("read only") {
            modes.read_only = Some(true);
        } else if words.take("read write") {
            modes.read_only = Some(false);
        } else if words.take("deferrable") {
            modes.deferrable = Some(true);
        } else if words.take("not deferrable") {
            modes.deferrable = Some(false);
        } else {
            return Err(words.syntax());
        }
        words.take_token(&Token::Comma);
    }
    Ok(modes)
}

/// The name of a setting, with its dots, in lower case.
pub(super) fn setting_name(words: &mut Words<'_>) -> Result<String, PgError> {
    if words.take("transaction isolation level") {
        return Ok("transaction_isolation".into());
    }
    if words.take("time zone") {
        return Ok("timezone".into());
    }
    if words.take("session authorization") {
        return Ok("session_authorization".into());
    }
    let mut name = words.ident()?;
    while words.take_token(&Token::Period) {
        name = format!("{name}.{}", words.ident()?);
    }
    Ok(name.to_lowercase())
}

pub(super) fn setting_value(words: &mut Words<'_>) -> Result<Option<String>, PgError> {
    if words.take("default") {
        return Ok(None);
    }
    let mut value = words.value()?;
    while words.take_token(&Token::Comma) {
        value = format!("{value}, {}", words.value()?);
    }
    Ok(Some(value))
}

fn set(words: &mut Words<'_>) -> Result<Command, PgError> {
    words.expect("set")?;
    if words.take("transaction snapshot") {
        return Ok(Command::SetTransactionSnapshot(words.string()?));
    }
    if words.take("session characteristics as transaction") {
        return Ok(Command::SetTransaction {
            modes: modes(words)?,
            session: true,
        });
    }
    if words.take("transaction") {
        return Ok(Command::SetTransaction {
            modes: modes(words)?,
            session: false,
        });
    }
    let local = words.take("local");
    if !local && !Words::is_word(words.ahead(1), "authorization") {
        words.take("session");
    }
    let named = match () {
        () if words.take("time zone") => Some("timezone"),
        () if words.take("names") => Some("client_encoding"),
        () if words.take("role") => Some("role"),
        () if words.take("session authorization") => Some("session_authorization"),
        () => None,
    };
    if let Some(name) = named {
        words.take("to");
        words.take_token(&Token::Eq);
        return Ok(Command::Set {
            local,
            name: name.into(),
            value: setting_value(words)?,
        });
    }
    let name = setting_name(words)?;
    if !words.take("to") {
        words.expect_token(&Token::Eq)?;
    }
    Ok(Command::Set {
        local,
        name,
        value: setting_value(words)?,
    })
}

fn lock(words: &mut Words<'_>) -> Result<Command, PgError> {
    words.expect("lock")?;
    words.take("table");
    let (tables, _) = words.tables()?;
    let mut mode = String::from("ACCESS EXCLUSIVE");
    if words.take("in") {
        const MODES: [&str; 8] = [
            "ACCESS SHARE",
            "ROW SHARE",
            "ROW EXCLUSIVE",
            "SHARE UPDATE EXCLUSIVE",
            "SHARE ROW EXCLUSIVE",
            "ACCESS EXCLUSIVE",
            "SHARE",
            "EXCLUSIVE",
        ];
        mode = MODES
            .into_iter()
            .find(|mode| words.take(mode))
            .ok_or_else(|| words.syntax())?
            .into();
        words.expect("mode")?;
    }
    Ok(Command::LockTable {
        tables,
        mode,
        nowait: words.take("nowait"),
    })
}

fn truncate(words: &mut Words<'_>) -> Result<Command, PgError> {
    words.expect("truncate")?;
    words.take("table");
    let (tables, only) = words.tables()?;
    let restart_identity = words.take("restart identity");
    words.take("continue identity");
    let cascade = words.take("cascade");
    words.take("restrict");
    Ok(Command::Truncate {
        tables,
        only,
        restart_identity,
        cascade,
    })
}

fn vacuum(words: &mut Words<'_>, text: &str) -> Result<Command, PgError> {
    words.expect("vacuum")?;
    let (mut full, mut freeze) = (false, false);
    if *words.peek() == Token::LParen {
        for (name, value) in words.options(false)? {
            let on = value.is_none_or(|value| matches!(value.as_str(), "true" | "on" | "1"));
            match name.as_str() {
                "full" => full = on,
                "freeze" => freeze = on,
                "verbose"
                | "analyze"
                | "disable_page_skipping"
                | "skip_locked"
                | "truncate"
                | "parallel"
                | "index_cleanup"
                | "process_toast" => {}
                _ => return Err(PgError::unsupported(text)),
            }
        }
    } else {
        full = words.take("full");
        freeze = words.take("freeze");
        words.take("verbose");
        words.take("analyze");
    }
    let tables = if words.is_end() {
        Vec::new()
    } else {
        words.tables()?.0
    };
    Ok(Command::Vacuum { tables, full, freeze })
}
