//! `START_REPLICATION SLOT … LOGICAL`: what is asked for, and whether the slot can give it.

use leftover_core::connection::Lsn;

use super::pgoutput::PgOutput;
use super::stream::Stream;
use crate::postgres::checkpoint::lost;
use crate::postgres::process::Process;
use crate::postgres::protocol::Format;
use crate::postgres::slots::active;
use crate::postgres::sql::error::PgError;
use crate::postgres::state::State;
use crate::postgres::transaction::Block;
use crate::postgres::waits::Step;

/// The newest version of the logical replication protocol (`LOGICALREP_PROTO_MAX_VERSION_NUM`).
const NEWEST_PROTOCOL: u32 = 3;

type Options = [(String, Option<String>)];

/// Runs the command: from here to the end of the stream.
///
/// # Errors
/// What refuses it (then the client never sees CopyBothResponse), what ends it, or the backend's end.
pub async fn run(process: &mut Process, slot: &str, from: Lsn, options: &Options) -> Step<()> {
    let pid = process.pid;
    let (from, output) = {
        let mut state = process.state.borrow_mut();
        let explicit = |t: &crate::postgres::transaction::Transaction| t.block == Block::Explicit;
        if state.backend_ref(pid).transaction.as_ref().is_some_and(explicit) {
            let message = "START_REPLICATION cannot run inside a transaction block";
            return Err(PgError::new("25001", message).into());
        }
        let confirmed = acquire(&mut state, pid, slot)?;
        (from.max(confirmed), configure(options)?)
    };
    process.client.replies().copy_both_response(Format::Text, 0);
    process.flush().await?;
    process.streaming = true;
    let streamed = Stream::new(process, slot, from, output).run().await;
    process.streaming = false;
    streamed?;
    let mut state = process.state.borrow_mut();
    if state.slots.release(pid, false) {
        state.slots_changed();
    }
    drop(state);
    process
        .client
        .replies()
        .command_complete("COPY 0")
        .command_complete("START_REPLICATION");
    Ok(())
}

/// Makes the slot this backend's; answers up to where it is confirmed.
fn acquire(state: &mut State, pid: i32, name: &str) -> Result<Lsn, PgError> {
    let database = state.database(pid).oid;
    let slot = state.slots.get(name)?;
    if let Some(owner) = slot.active_pid.filter(|owner| *owner != pid) {
        return Err(active(name, owner));
    }
    if slot.database != database {
        let message = format!("replication slot \"{name}\" was not created in this database");
        return Err(PgError::new("55000", message));
    }
    if slot.plugin != "pgoutput" {
        return Err(PgError::unsupported(format!(
            "streaming with the output plugin {}",
            slot.plugin
        )));
    }
    if slot.restart_lsn.is_none() {
        return Err(lost(name));
    }
    let confirmed = slot.confirmed_flush.unwrap_or_default();
    if let Some(slot) = state.slots.get_mut(name) {
        slot.active_pid = Some(pid);
    }
    Ok(confirmed)
}

/// The plugin with its options, as `pgoutput` reads them.
fn configure(options: &Options) -> Result<PgOutput, PgError> {
    let (mut version, mut publications, mut streaming) = (0, Vec::new(), false);
    for (index, (name, value)) in options.iter().enumerate() {
        if options[..index].iter().any(|(known, _)| known == name) {
            return Err(PgError::new("42601", "conflicting or redundant options"));
        }
        let text = value.as_deref().unwrap_or_default();
        match name.as_str() {
            "proto_version" => {
                let invalid = |_| PgError::new("22023", "invalid proto_version");
                version = text.trim().parse().map_err(invalid)?;
            }
            "publication_names" => {
                let invalid = || PgError::new("42602", "invalid publication_names syntax");
                publications = split_identifiers(text).ok_or_else(invalid)?;
            }
            "streaming" => streaming = boolean(name, value.as_deref())?,
            "binary" | "messages" | "two_phase" => {
                if boolean(name, value.as_deref())? {
                    return Err(PgError::unsupported(format!("the pgoutput option {name}")));
                }
            }
            _ => {
                return Err(PgError::new(
                    "XX000",
                    format!("unrecognized pgoutput option: {name}"),
                ));
            }
        }
    }
    let supported = |bound: &str| {
        let message = format!("client sent proto_version={version} but we only support protocol {bound}");
        Err(PgError::new("0A000", message))
    };
    if version > NEWEST_PROTOCOL {
        return supported(&format!("{NEWEST_PROTOCOL} or lower"));
    }
    if version < 1 {
        return supported("1 or higher");
    }
    if publications.is_empty() {
        return Err(PgError::new("22023", "publication_names parameter missing"));
    }
    if streaming && version < 2 {
        let message =
            format!("requested proto_version={version} does not support streaming, need 2 or higher");
        return Err(PgError::new("22023", message));
    }
    if streaming {
        return Err(PgError::unsupported("the pgoutput option streaming"));
    }
    Ok(PgOutput::new(publications))
}

/// The names in a list as SQL writes them: folded to lower case unless they are quoted.
fn split_identifiers(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim_start();
    let mut names = Vec::new();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let mut name = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (content, after) = quoted.split_once('"')?;
                name.push_str(content);
                match after.strip_prefix('"') {
                    Some(after) => quoted = after,
                    None => break rest = after,
                }
                name.push('"');
            }
        } else {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            (name, rest) = (rest[..end].to_lowercase(), &rest[end..]);
        }
        if name.is_empty() {
            return None;
        }
        names.push(name);
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None => return rest.is_empty().then_some(names),
        }
    }
}

/// An option that is on or off; on when it has no value.
fn boolean(name: &str, value: Option<&str>) -> Result<bool, PgError> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true" | "on" | "1") => Ok(true),
        Some("false" | "off" | "0") => Ok(false),
        Some(_) => Err(PgError::new("42601", format!("{name} requires a Boolean value"))),
    }
}
