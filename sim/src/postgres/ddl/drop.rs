//! DROP and TRUNCATE.

use std::rc::Rc;

use sqlparser::ast::{ObjectName, ObjectType};

use super::{Answer, notice, tag};
use crate::postgres::catalog::relation::{Relation, RelationKind};
use crate::postgres::heap::Heap;
use crate::postgres::locks::LockMode;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::names;
use crate::postgres::state::State;
use crate::postgres::waits::Wait;

/// `DROP …`.
pub(crate) fn run(
    state: &mut State,
    pid: i32,
    kind: ObjectType,
    if_exists: bool,
    list: &[ObjectName],
    cascade: bool,
) -> Answer {
    let word = match kind {
        ObjectType::Table => "TABLE",
        ObjectType::Index => "INDEX",
        ObjectType::Sequence => "SEQUENCE",
        ObjectType::Schema => "SCHEMA",
        other => return Err(PgError::unsupported(format!("DROP {other}")).into()),
    };
    for name in list {
        match kind {
            ObjectType::Schema => drop_schema(state, pid, &names::last(name), if_exists, cascade)?,
            _ => drop_named(state, pid, word, name, if_exists, cascade)?,
        }
    }
    tag(&format!("DROP {word}"))
}

fn drop_named(
    state: &mut State,
    pid: i32,
    word: &str,
    name: &ObjectName,
    if_exists: bool,
    cascade: bool,
) -> Result<(), Interrupt<Wait>> {
    let parts = names::parts(name);
    let wanted = |relation: &Rc<Relation>| match relation.kind {
        RelationKind::Index(_) => word == "INDEX",
        RelationKind::Sequence => word == "SEQUENCE",
        _ => word == "TABLE",
    };
    let Some(relation) = state.find(pid, &parts) else {
        let message = format!("{} \"{}\" does not exist", word.to_lowercase(), parts.join("."));
        if if_exists {
            notice(state, pid, "00000", format!("{message}, skipping"));
            return Ok(());
        }
        let code = if word == "TABLE" { "42P01" } else { "42704" };
        return Err(PgError::new(code, message).into());
    };
    if !wanted(&relation) {
        let message = format!("\"{}\" is not a {}", relation.name, word.to_lowercase());
        return Err(PgError::new("42809", message).into());
    }
    state.require_owner(pid, &relation)?;
    if relation.index().is_some_and(|index| index.constraint) && !cascade {
        let message = format!(
            "cannot drop index {} because a constraint requires it",
            relation.name
        );
        return Err(PgError::new("2BP01", message).into());
    }
    drop_relation(state, pid, &relation)
}

/// Drops a relation with what belongs to it: indexes, sequences, partitions, its place in publications.
pub(crate) fn drop_relation(state: &mut State, pid: i32, relation: &Relation) -> Result<(), Interrupt<Wait>> {
    state.lock_relation(pid, relation.oid, LockMode::AccessExclusive)?;
    let view = state.catalog_view(pid);
    for child in state.database(pid).children(&state.log, view, relation.oid) {
        drop_relation(state, pid, &child)?;
    }
    if let Some(index) = relation.index() {
        let filenode = state.relation(pid, index.table).map_or(0, |table| table.filenode);
        remove_index(state, pid, filenode, relation.oid);
        return Ok(());
    }
    let view = state.catalog_view(pid);
    let database = state.database(pid);
    let owned = |other: &Relation| {
        other.index().is_some_and(|index| index.table == relation.oid)
            || other.owned_by.is_some_and(|(table, _)| table == relation.oid)
    };
    let mut gone: Vec<u32> = database
        .relations
        .iter(&state.log, view)
        .filter(|(_, other)| owned(other))
        .map(|(oid, _)| *oid)
        .collect();
    gone.push(relation.oid);
    let published: Vec<(u32, _)> = database
        .publications
        .iter(&state.log, view)
        .filter(|(_, publication)| publication.tables.contains_key(&relation.oid))
        .map(|(oid, publication)| (*oid, (**publication).clone()))
        .collect();
    let xid = state.writing_xid(pid);
    state.write_wal(128);
    let (database, log) = state.database_mut(pid);
    for oid in gone {
        database.relations.remove(log, xid, &oid);
    }
    for (oid, mut publication) in published {
        publication.tables.remove(&relation.oid);
        database.publications.put(log, xid, oid, publication);
    }
    Ok(())
}

/// Drops an index. Its entries go at once: a rollback does not bring uniqueness back, which no scenario needs.
pub(crate) fn remove_index(state: &mut State, pid: i32, filenode: u32, index: u32) {
    let xid = state.writing_xid(pid);
    let (database, log) = state.database_mut(pid);
    database.relations.remove(log, xid, &index);
    if let Some(heap) = database.heaps.get_mut(&filenode) {
        heap.drop_unique(index);
    }
}

fn drop_schema(
    state: &mut State,
    pid: i32,
    name: &str,
    if_exists: bool,
    cascade: bool,
) -> Result<(), Interrupt<Wait>> {
    let view = state.catalog_view(pid);
    let Some(oid) = state.database(pid).schema(&state.log, view, name) else {
        let message = format!("schema \"{name}\" does not exist");
        if if_exists {
            notice(state, pid, "00000", format!("{message}, skipping"));
            return Ok(());
        }
        return Err(PgError::new("3F000", message).into());
    };
    let role = state.role(pid);
    let owner = state
        .database(pid)
        .schemas
        .get(&state.log, view, &oid)
        .map(|schema| schema.owner);
    if !role.superuser && owner != Some(role.oid) {
        return Err(PgError::new("42501", format!("must be owner of schema {name}")).into());
    }
    let inside = |relation: &&Rc<Relation>| relation.schema == oid && relation.index().is_none();
    let relations: Vec<Rc<Relation>> = state
        .database(pid)
        .relations
        .iter(&state.log, view)
        .map(|(_, r)| r)
        .filter(inside)
        .cloned()
        .collect();
    if !relations.is_empty() && !cascade {
        let message = format!("cannot drop schema {name} because other objects depend on it");
        return Err(PgError::new("2BP01", message)
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
            .into());
    }
    // All locks first: a statement that waits has changed nothing.
    for relation in &relations {
        state.lock_relation(pid, relation.oid, LockMode::AccessExclusive)?;
    }
    for relation in &relations {
        if state.relation(pid, relation.oid).is_some() {
            drop_relation(state, pid, relation)?;
        }
    }
    let xid = state.writing_xid(pid);
    let (database, log) = state.database_mut(pid);
    database.schemas.remove(log, xid, &oid);
    Ok(())
}

/// `TRUNCATE`: a new, empty storage, which even older snapshots see (OB-105).
pub(crate) fn truncate(
    state: &mut State,
    pid: i32,
    tables: &[ObjectName],
    cascade: bool,
    restart: bool,
) -> Answer {
    let (mut stores, mut emptied) = (Vec::new(), Vec::new());
    for name in tables {
        let relation = state.locked_table(pid, name, LockMode::AccessExclusive)?;
        state.require(pid, &relation, "TRUNCATE")?;
        let leaves = state.leaves(pid, &relation);
        for leaf in &leaves {
            state.lock_relation(pid, leaf.oid, LockMode::AccessExclusive)?;
        }
        emptied.push(relation.oid);
        emptied.extend(leaves.iter().map(|leaf| leaf.oid));
        stores.extend(if leaves.is_empty() { vec![relation] } else { leaves });
    }
    let xid = state.writing_xid(pid);
    let lsn = state.wal_end();
    for relation in stores {
        // Its indexes are made anew, under a lock of their own.
        state.lock_relation(pid, relation.oid, LockMode::Share)?;
        let filenode = state.new_oid();
        let mut heap = Heap::new(state.options.rows_per_block);
        state.write_wal(64);
        let (database, log) = state.database_mut(pid);
        let emptied = database.heaps.get(&relation.filenode);
        for (index, columns) in emptied.into_iter().flat_map(Heap::unique_columns) {
            heap.add_unique(index, columns.to_vec());
        }
        database.heaps.insert(filenode, heap);
        database.relations.put(
            log,
            xid,
            relation.oid,
            Relation {
                filenode,
                ..(*relation).clone()
            },
        );
        if restart {
            let view = state.catalog_view(pid);
            let owned = |r: &Relation| r.owned_by.is_some_and(|(table, _)| table == relation.oid);
            let sequences: Vec<u32> = state
                .database(pid)
                .relations
                .iter(&state.log, view)
                .filter(|(_, r)| owned(r))
                .map(|(oid, _)| *oid)
                .collect();
            for oid in sequences {
                if let Some(sequence) = state.database_mut(pid).0.sequences.get_mut(&oid) {
                    (sequence.last, sequence.called) = (1, false);
                }
            }
        }
    }
    state.log_truncate(pid, lsn, &emptied, (cascade, restart));
    tag("TRUNCATE TABLE")
}
