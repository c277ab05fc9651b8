//! About relations: sizes, definitions, rights.

use super::{Answer, Call};
use crate::postgres::catalog::definitions;
use crate::postgres::catalog::relation::RelationKind;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::value::Value;

fn bytes(call: &Call<'_>, oid: u32) -> Option<u64> {
    let relation = call.state.relation(call.pid, oid)?;
    let heap = call.state.database(call.pid).heaps.get(&relation.filenode);
    Some(match relation.kind {
        RelationKind::Index(_) | RelationKind::Sequence => 8192,
        _ => heap.map_or(0, |heap| heap.bytes()),
    })
}

/// `pg_relation_size`, `pg_table_size`.
pub fn pg_relation_size(call: &mut Call<'_>) -> Answer {
    let size = call.relation(0).and_then(|oid| bytes(call, oid));
    Ok(size.map_or(Value::Null, |bytes| Value::Int(bytes as i64)))
}

/// `pg_indexes_size`.
pub fn pg_indexes_size(call: &mut Call<'_>) -> Answer {
    let Some(oid) = call.relation(0) else {
        return Ok(Value::Null);
    };
    let view = call.state.catalog_view(call.pid);
    let indexes = call
        .state
        .database(call.pid)
        .indexes(&call.state.log, view, oid)
        .len();
    Ok(Value::Int(indexes as i64 * 8192))
}

/// `pg_total_relation_size`.
pub fn pg_total_relation_size(call: &mut Call<'_>) -> Answer {
    let indexes = pg_indexes_size(call)?.as_int().unwrap_or(0);
    let own = pg_relation_size(call)?.as_int();
    Ok(own.map_or(Value::Null, |own| Value::Int(own + indexes)))
}

/// `pg_relation_filenode`.
pub fn pg_relation_filenode(call: &mut Call<'_>) -> Answer {
    let relation = call
        .relation(0)
        .and_then(|oid| call.state.relation(call.pid, oid));
    let stored = relation.filter(|relation| !matches!(relation.kind, RelationKind::Partitioned(_)));
    Ok(stored.map(|relation| relation.filenode).into())
}

/// `pg_relation_is_publishable`.
pub fn pg_relation_is_publishable(call: &mut Call<'_>) -> Answer {
    let relation = call
        .relation(0)
        .and_then(|oid| call.state.relation(call.pid, oid));
    let publishable = relation.map(|r| r.persistence == 'p' && matches!(r.relkind(), 'r' | 'p'));
    Ok(publishable.into())
}

/// `pg_get_expr(expr, relation [, pretty])`: expressions are kept as text.
pub fn pg_get_expr(call: &mut Call<'_>) -> Answer {
    Ok(call.arguments.first().cloned().unwrap_or_default())
}

/// `pg_get_constraintdef(oid)`.
pub fn pg_get_constraintdef(call: &mut Call<'_>) -> Answer {
    let text = call
        .int(0)
        .and_then(|oid| definitions::constraint(call.state, call.pid, oid as u32));
    Ok(text.into())
}

/// `pg_get_indexdef(oid)`.
pub fn pg_get_indexdef(call: &mut Call<'_>) -> Answer {
    Ok(call
        .relation(0)
        .and_then(|oid| definitions::index(call.state, call.pid, oid))
        .into())
}

/// `pg_get_partkeydef(oid)`.
pub fn pg_get_partkeydef(call: &mut Call<'_>) -> Answer {
    Ok(call
        .relation(0)
        .and_then(|oid| definitions::partition_key(call.state, call.pid, oid))
        .into())
}

/// `pg_get_userbyid(oid)`.
pub fn pg_get_userbyid(call: &mut Call<'_>) -> Answer {
    let Some(oid) = call.int(0) else {
        return Ok(Value::Null);
    };
    let name = call.state.role_name(oid as u32).map(str::to_owned);
    Ok(name.unwrap_or_else(|| format!("unknown (OID={oid})")).into())
}

/// `pg_table_is_visible(oid)`.
pub fn pg_table_is_visible(call: &mut Call<'_>) -> Answer {
    let visible = call
        .relation(0)
        .and_then(|oid| call.state.is_visible(call.pid, oid));
    Ok(visible.map_or(Value::Null, Value::Bool))
}

/// `obj_description(oid, catalog)`, `col_description(oid, column)`.
pub fn comment(call: &mut Call<'_>) -> Answer {
    let Some(oid) = call.relation(0) else {
        return Ok(Value::Null);
    };
    let column = if call.name == "col_description" {
        call.int(1).unwrap_or(0) as i32
    } else {
        0
    };
    Ok(call
        .state
        .database(call.pid)
        .comments
        .get(&(oid, column))
        .cloned()
        .into())
}

/// The role that the optional first argument names, and where the other arguments begin.
fn role_argument(call: &Call<'_>, others: usize) -> Result<(String, usize), PgError> {
    if call.arguments.len() <= others {
        return Ok((call.state.backend_ref(call.pid).role.clone(), 0));
    }
    let name = match call.arguments.first() {
        Some(Value::Text(text)) => text.to_string(),
        Some(value) => {
            let oid = value.as_int().unwrap_or(0) as u32;
            call.state
                .role_name(oid)
                .map_or_else(|| oid.to_string(), str::to_owned)
        }
        None => String::new(),
    };
    if name != "public" && !call.state.roles.contains_key(&name) {
        return Err(PgError::new("42704", format!("role \"{name}\" does not exist")));
    }
    Ok((name, 1))
}

/// `has_table_privilege([role,] table, privilege)`; several privileges in one text: any of them.
pub fn has_table_privilege(call: &mut Call<'_>) -> Answer {
    let (role, at) = role_argument(call, 2)?;
    let Some(relation) = call
        .relation(at)
        .and_then(|oid| call.state.relation(call.pid, oid))
    else {
        if let Some(Value::Text(name)) = call.arguments.get(at) {
            return Err(PgError::undefined_table(name).into());
        }
        return Ok(Value::Null);
    };
    let wanted = call.text(at + 1).unwrap_or_default();
    let role_row = call
        .state
        .roles
        .get(&role)
        .unwrap_or(&crate::postgres::roles::NOBODY);
    let may = |privilege: &str| {
        let word = privilege.trim().to_ascii_uppercase();
        role_row.may(
            &role,
            &relation,
            word.strip_suffix(" WITH GRANT OPTION").unwrap_or(&word),
        )
    };
    Ok(wanted.split(',').any(may).into())
}

/// `has_database_privilege([role,] database, privilege)`: CREATE is the owner's, CONNECT and TEMP everybody's.
pub fn has_database_privilege(call: &mut Call<'_>) -> Answer {
    let (role, at) = role_argument(call, 2)?;
    let database = match call.arguments.get(at) {
        Some(Value::Text(name)) => call.state.databases.get(&**name),
        Some(value) => {
            let oid = value.as_int().unwrap_or(0) as u32;
            call.state.databases.values().find(|database| database.oid == oid)
        }
        None => None,
    };
    let Some(database) = database else {
        let name = call.text(at).unwrap_or_default();
        return Err(PgError::new("3D000", format!("database \"{name}\" does not exist")).into());
    };
    let wanted = call.text(at + 1).unwrap_or_default().to_ascii_uppercase();
    let role = call
        .state
        .roles
        .get(&role)
        .unwrap_or(&crate::postgres::roles::NOBODY);
    let owner = role.superuser || role.oid == database.owner;
    Ok(wanted
        .split(',')
        .any(|privilege| owner || !privilege.trim().starts_with("CREATE"))
        .into())
}

/// `has_schema_privilege([role,] schema, privilege)`: CREATE is the owner's; USAGE the owner's too, but everybody's in
/// `public` and `pg_catalog`.
pub fn has_schema_privilege(call: &mut Call<'_>) -> Answer {
    let (role, at) = role_argument(call, 2)?;
    let view = call.state.catalog_view(call.pid);
    let database = call.state.database(call.pid);
    let schema = match call.arguments.get(at) {
        Some(Value::Text(name)) => database.schema(&call.state.log, view, name),
        Some(value) => value.as_int().map(|oid| oid as u32),
        None => None,
    };
    let found = schema.and_then(|oid| Some((oid, database.schemas.get(&call.state.log, view, &oid)?)));
    let Some((oid, schema)) = found else {
        let name = call.text(at).unwrap_or_default();
        return Err(PgError::new("3F000", format!("schema \"{name}\" does not exist")).into());
    };
    let wanted = call.text(at + 1).unwrap_or_default().to_ascii_uppercase();
    let role = call
        .state
        .roles
        .get(&role)
        .unwrap_or(&crate::postgres::roles::NOBODY);
    let owner = role.superuser || role.oid == schema.owner;
    let open = matches!(oid, 11 | 2200 | 13_000);
    Ok(wanted
        .split(',')
        .any(|p| owner || (open && p.trim().starts_with("USAGE")))
        .into())
}

/// `pg_has_role([role,] group, privilege)`.
pub fn pg_has_role(call: &mut Call<'_>) -> Answer {
    let (role, at) = role_argument(call, 2)?;
    let group = match call.arguments.get(at) {
        Some(Value::Text(name)) => name.to_string(),
        Some(value) => {
            let oid = value.as_int().unwrap_or(0) as u32;
            call.state.role_name(oid).unwrap_or_default().to_owned()
        }
        None => String::new(),
    };
    let row = call
        .state
        .roles
        .get(&role)
        .unwrap_or(&crate::postgres::roles::NOBODY);
    Ok((row.superuser || role == group || row.member_of.contains(&group)).into())
}
