//! Sequences. They are not transactional.

use super::{Answer, Call};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;
use crate::postgres::sql::value::Value;

/// `nextval(regclass)`.
pub fn nextval(call: &mut Call<'_>) -> Answer {
    let Some(oid) = call.relation(0) else {
        return Err(missing(call).into());
    };
    call.state.write_wal(72);
    let pid = call.pid;
    let Some(sequence) = call.state.database_mut(pid).0.sequences.get_mut(&oid) else {
        return Err(missing(call).into());
    };
    if sequence.called {
        sequence.last += sequence.increment;
    }
    sequence.called = true;
    let value = sequence.last;
    call.state.backend(pid).sequences.insert(oid, value);
    Ok(value.into())
}

fn missing(call: &Call<'_>) -> PgError {
    PgError::undefined_table(call.text(0).unwrap_or_default())
}

/// `currval(regclass)`.
pub fn currval(call: &mut Call<'_>) -> Answer {
    let Some(oid) = call.relation(0) else {
        return Err(missing(call).into());
    };
    let value = call.state.backend_ref(call.pid).sequences.get(&oid).copied();
    value.map(Value::from).ok_or_else(|| {
        let name = call.state.regclass(call.pid, oid).unwrap_or_default();
        PgError::new(
            "55000",
            format!("currval of sequence \"{name}\" is not yet defined in this session"),
        )
        .into()
    })
}

/// `lastval()`.
pub fn lastval(call: &mut Call<'_>) -> Answer {
    let last = call
        .state
        .backend_ref(call.pid)
        .sequences
        .values()
        .next_back()
        .copied();
    last.map(Value::from)
        .ok_or_else(|| PgError::new("55000", "lastval is not yet defined in this session").into())
}

/// `setval(regclass, bigint [, called])`.
pub fn setval(call: &mut Call<'_>) -> Answer {
    let (Some(oid), Some(value)) = (call.relation(0), call.int(1)) else {
        return Ok(Value::Null);
    };
    let called = call.bool(2).unwrap_or(true);
    let pid = call.pid;
    let Some(sequence) = call.state.database_mut(pid).0.sequences.get_mut(&oid) else {
        return Err(missing(call).into());
    };
    (sequence.last, sequence.called) = (value, called);
    Ok(value.into())
}

/// `pg_get_serial_sequence(table, column)`.
pub fn pg_get_serial_sequence(call: &mut Call<'_>) -> Answer {
    let (Some(table), Some(column)) = (call.relation(0), call.text(1)) else {
        return Ok(Value::Null);
    };
    let pid = call.pid;
    let Some(relation) = call.state.relation(pid, table) else {
        return Ok(Value::Null);
    };
    let Some(position) = relation.column(column) else {
        return Err(PgError::undefined_column(column).into());
    };
    let database = call.state.database(pid);
    let view = call.state.catalog_view(pid);
    let owned = database
        .relations
        .iter(&call.state.log, view)
        .find(|(_, r)| r.owned_by == Some((table, position)));
    let name = owned.map(|(_, sequence)| {
        let schema = call.state.schema_name(pid, sequence.schema);
        format!(
            "{}.{}",
            names::quote_ident(&schema),
            names::quote_ident(&sequence.name)
        )
    });
    Ok(name.into())
}
