//! What is known of the server's functions before they are called: the types of their results, and which
//! arguments are relations or LSNs. The server itself decides whether it has them.

use super::host::Column;
use super::value::Type;

/// The result type of a function of the server; `None` for one that is not known here, whose result is text.
#[expect(clippy::too_many_lines, reason = "a table of names")]
pub(crate) fn result_type(name: &str) -> Option<Type> {
    Some(match name {
        "current_user"
        | "session_user"
        | "user"
        | "current_role"
        | "current_database"
        | "current_catalog"
        | "current_schema"
        | "pg_get_userbyid"
        | "pg_client_encoding"
        | "getdatabaseencoding" => Type::Name,
        "current_schemas" => Type::Array(Type::Name.into()),
        "now"
        | "transaction_timestamp"
        | "statement_timestamp"
        | "clock_timestamp"
        | "current_timestamp"
        | "pg_postmaster_start_time"
        | "pg_conf_load_time"
        | "pg_last_xact_replay_timestamp" => Type::Timestamptz(None),
        "localtimestamp" => Type::Timestamp(None),
        "current_date" => Type::Date,
        "random" => Type::Float8,
        "gen_random_uuid" => Type::Uuid,
        "pg_backend_pid" | "age" | "age_xid" | "mxid_age" | "inet_server_port" | "inet_client_port" => {
            Type::Int4
        }
        "pg_relation_size"
        | "pg_table_size"
        | "pg_total_relation_size"
        | "pg_indexes_size"
        | "pg_database_size"
        | "nextval"
        | "currval"
        | "lastval"
        | "setval"
        | "txid_current"
        | "txid_current_if_assigned"
        | "pg_stat_get_live_tuples" => Type::Int8,
        "pg_relation_filenode" | "pg_my_temp_schema" | "lo_create" => Type::Oid,
        "to_regclass" => Type::Regclass,
        "pg_terminate_backend"
        | "pg_cancel_backend"
        | "has_table_privilege"
        | "has_schema_privilege"
        | "has_database_privilege"
        | "has_column_privilege"
        | "has_any_column_privilege"
        | "has_sequence_privilege"
        | "has_function_privilege"
        | "pg_has_role"
        | "pg_table_is_visible"
        | "pg_type_is_visible"
        | "pg_function_is_visible"
        | "pg_reload_conf"
        | "pg_is_in_recovery"
        | "pg_try_advisory_lock"
        | "pg_advisory_unlock"
        | "pg_try_advisory_xact_lock"
        | "row_security_active" => Type::Bool,
        "pg_sleep"
        | "pg_sleep_for"
        | "pg_advisory_lock"
        | "pg_advisory_xact_lock"
        | "pg_drop_replication_slot"
        | "pg_stat_clear_snapshot"
        | "pg_replication_origin_drop" => Type::Void,
        "pg_current_wal_lsn"
        | "pg_current_wal_insert_lsn"
        | "pg_current_wal_flush_lsn"
        | "pg_switch_wal"
        | "pg_last_wal_receive_lsn"
        | "pg_last_wal_replay_lsn"
        | "pg_logical_emit_message" => Type::Lsn,
        "pg_current_xact_id" | "pg_current_xact_id_if_assigned" | "pg_snapshot_xmin" => Type::Xid8,
        "pg_blocking_pids" => Type::Array(Type::Int4.into()),
        name if columns(name).is_some() => Type::Record,
        _ => return None,
    })
}

/// The columns of a function of the server that stands in FROM.
pub(crate) fn columns(name: &str) -> Option<Vec<Column>> {
    let of = |list: &[(&str, Type)]| {
        Some(
            list.iter()
                .map(|(name, ty)| Column {
                    name: (*name).into(),
                    ty: ty.clone(),
                })
                .collect(),
        )
    };
    match name {
        "pg_create_logical_replication_slot"
        | "pg_create_physical_replication_slot"
        | "pg_copy_logical_replication_slot"
        | "pg_copy_physical_replication_slot" => of(&[("slot_name", Type::Name), ("lsn", Type::Lsn)]),
        "pg_replication_slot_advance" => of(&[("slot_name", Type::Name), ("end_lsn", Type::Lsn)]),
        "pg_get_publication_tables" => of(&[("relid", Type::Oid)]),
        "pg_partition_tree" => of(&[
            ("relid", Type::Regclass),
            ("parentrelid", Type::Regclass),
            ("isleaf", Type::Bool),
            ("level", Type::Int4),
        ]),
        _ => None,
    }
}

/// The type that an untyped argument of a function of the server becomes.
pub(crate) fn argument_type(name: &str, index: usize) -> Type {
    match (name, index) {
        (
            "pg_relation_size"
            | "pg_table_size"
            | "pg_total_relation_size"
            | "pg_indexes_size"
            | "pg_relation_filenode"
            | "nextval"
            | "currval"
            | "setval"
            | "pg_partition_tree"
            | "pg_partition_root",
            0,
        ) => Type::Regclass,
        ("setval", 1) => Type::Int8,
        ("pg_replication_slot_advance", 1) => Type::Lsn,
        ("pg_terminate_backend" | "pg_cancel_backend" | "pg_blocking_pids", 0) => Type::Int4,
        ("pg_terminate_backend", 1) => Type::Int8,
        ("pg_sleep", 0) => Type::Float8,
        ("pg_sleep_for", 0) => Type::Interval,
        _ => Type::Text,
    }
}
