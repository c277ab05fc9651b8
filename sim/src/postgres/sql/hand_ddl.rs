//! Those of the statements that are parsed by hand which make, alter and drop publications, databases and roles.

use sqlparser::tokenizer::Token;

use super::command::{Command, PublicationChange, PublicationTables};
use super::error::PgError;
use super::hand::{setting_name, setting_value};
use super::words::Words;

pub(super) fn create(words: &mut Words<'_>) -> Result<Option<Command>, PgError> {
    if words.take("create publication") {
        let name = words.ident()?;
        let tables = if words.take("for all tables") {
            PublicationTables::All
        } else if words.take("for table") {
            PublicationTables::Tables(words.tables()?.0)
        } else {
            PublicationTables::Tables(Vec::new())
        };
        let options = if words.take("with") {
            words.options(true)?
        } else {
            Vec::new()
        };
        return Ok(Some(Command::CreatePublication {
            name,
            tables,
            options,
        }));
    }
    if words.take("create database") {
        let name = words.ident()?;
        return Ok(Some(Command::CreateDatabase {
            name,
            options: words.rest(),
        }));
    }
    for (keywords, user) in [("create role", false), ("create user", true)] {
        if words.take(keywords) {
            let name = words.ident()?;
            words.take("with");
            return Ok(Some(Command::CreateRole {
                name,
                user,
                options: words.rest(),
            }));
        }
    }
    Ok(None)
}

pub(super) fn alter(words: &mut Words<'_>) -> Result<Option<Command>, PgError> {
    if words.take("alter publication") {
        let name = words.ident()?;
        return Ok(Some(Command::AlterPublication {
            name,
            change: publication_change(words)?,
        }));
    }
    if words.take("alter system") {
        return Ok(Some(if words.take("reset") {
            Command::AlterSystem {
                setting: setting_name(words)?,
                value: None,
            }
        } else {
            words.expect("set")?;
            let (setting, value) = assignment(words)?;
            Command::AlterSystem { setting, value }
        }));
    }
    for (keywords, database) in [
        ("alter role", false),
        ("alter user", false),
        ("alter database", true),
    ] {
        if !words.take(keywords) {
            continue;
        }
        let name = words.ident()?;
        if words.take("set") {
            let (setting, value) = assignment(words)?;
            return Ok(Some(Command::AlterSettings {
                database,
                name,
                setting,
                value,
            }));
        }
        if words.take("reset") {
            let setting = setting_name(words)?;
            return Ok(Some(Command::AlterSettings {
                database,
                name,
                setting,
                value: None,
            }));
        }
        if !database {
            words.take("with");
            return Ok(Some(Command::AlterRole {
                name,
                options: words.rest(),
            }));
        }
        return Err(PgError::unsupported(format!(
            "ALTER DATABASE {name} {}",
            words.rest().join(" ")
        )));
    }
    Ok(None)
}

fn assignment(words: &mut Words<'_>) -> Result<(String, Option<String>), PgError> {
    let name = setting_name(words)?;
    if !words.take("to") {
        words.expect_token(&Token::Eq)?;
    }
    Ok((name, setting_value(words)?))
}

fn publication_change(words: &mut Words<'_>) -> Result<PublicationChange, PgError> {
    Ok(match () {
        () if words.take("add table") => PublicationChange::Add(words.tables()?.0),
        () if words.take("drop table") => PublicationChange::Drop(words.tables()?.0),
        () if words.take("set table") => PublicationChange::Set(words.tables()?.0),
        () if words.take("rename to") => PublicationChange::Rename(words.ident()?),
        () if words.take("owner to") => PublicationChange::Owner(words.ident()?),
        () => {
            words.expect("set")?;
            PublicationChange::Options(words.options(true)?)
        }
    })
}

pub(super) fn drop(words: &mut Words<'_>) -> Result<Option<Command>, PgError> {
    if words.take("drop publication") {
        let if_exists = words.take("if exists");
        let names = words.idents()?;
        if !words.take("cascade") {
            words.take("restrict");
        }
        return Ok(Some(Command::DropPublication { if_exists, names }));
    }
    if words.take("drop database") {
        let if_exists = words.take("if exists");
        let name = words.ident()?;
        words.take("with");
        let force = *words.peek() == Token::LParen
            && words.options(false)?.iter().any(|(option, _)| option == "force");
        return Ok(Some(Command::DropDatabase {
            name,
            if_exists,
            force,
        }));
    }
    if words.take("drop role") || words.take("drop user") {
        let if_exists = words.take("if exists");
        return Ok(Some(Command::DropRole {
            names: words.idents()?,
            if_exists,
        }));
    }
    Ok(None)
}
