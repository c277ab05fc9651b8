//! Functions that read or change the server.
//!
//! A function that waits leaves a [`Pending`] behind and is called again with it once its wait is over.

pub mod advisory;
pub mod backends;
pub mod relations;
pub mod sequences;
pub mod session;
pub mod slots;
pub mod time;

use leftover_core::clock::Instant;

use super::sql::host::Interrupt;
use super::sql::value::Value;
use super::state::State;
use super::waits::Wait;
use super::walsender::create_slot::Creation;

/// What a function answers.
pub type Answer = Result<Value, Interrupt<Wait>>;

/// A call that is under way.
#[derive(Debug)]
pub enum Pending {
    /// `pg_sleep`, until then.
    Sleep(Instant),
    /// `pg_terminate_backend` with a timeout: whose end, until when.
    Termination(i32, Instant),
    /// `pg_create_logical_replication_slot`.
    Slot(Box<Creation>),
    /// A blocking lock function that has queued: once the wait is over it is held.
    Lock,
}

impl Pending {
    /// The call is given up.
    pub fn forsake(&self, state: &mut State, _pid: i32) {
        if let Pending::Slot(creation) = self {
            state.slots.remove(&creation.name);
            state.slots_changed();
        }
    }
}

/// What answers a call.
pub type Function = fn(&mut Call<'_>) -> Answer;

/// One call of a function.
pub struct Call<'a> {
    /// The server.
    pub state: &'a mut State,
    /// The calling backend.
    pub pid: i32,
    /// The function's name.
    pub name: &'a str,
    /// The arguments.
    pub arguments: &'a [Value],
    /// What an earlier execution of this call left.
    pub pending: &'a mut Option<Pending>,
}

impl Call<'_> {
    /// A text argument.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).and_then(Value::as_str)
    }

    /// An integer argument.
    pub fn int(&self, index: usize) -> Option<i64> {
        match self.arguments.get(index)? {
            Value::Text(text) => text.parse().ok(),
            value => value.as_int(),
        }
    }

    /// An oid argument, which may be the name of a relation.
    pub fn relation(&self, index: usize) -> Option<u32> {
        match self.arguments.get(index)? {
            Value::Text(text) => match text.parse::<u32>() {
                Ok(oid) => Some(oid),
                Err(_) => {
                    let parts = super::sql::names::parse_qualified(text).ok()?;
                    self.state.named(self.pid, &parts)
                }
            },
            value => value.as_int().map(|int| int as u32),
        }
    }

    /// A boolean argument.
    pub fn bool(&self, index: usize) -> Option<bool> {
        match self.arguments.get(index)? {
            Value::Text(text) => Some(matches!(&**text, "t" | "true" | "on" | "1")),
            value => value.as_bool(),
        }
    }
}

/// Functions by name; those of the first part change nothing and never wait.
const PURE: &[(&str, Function)] = &[
    ("age", session::age),
    ("clock_timestamp", time::clock_timestamp),
    ("col_description", relations::comment),
    ("current_catalog", session::current_database),
    ("current_database", session::current_database),
    ("current_role", session::current_user),
    ("current_schema", session::current_schema),
    ("current_schemas", session::current_schemas),
    ("current_setting", session::current_setting),
    ("current_timestamp", time::now),
    ("current_user", session::current_user),
    ("has_any_column_privilege", relations::has_table_privilege),
    ("has_database_privilege", relations::has_database_privilege),
    ("has_schema_privilege", relations::has_schema_privilege),
    ("has_sequence_privilege", relations::has_table_privilege),
    ("has_table_privilege", relations::has_table_privilege),
    ("inet_server_port", session::server_port),
    ("localtimestamp", time::now),
    ("now", time::now),
    ("obj_description", relations::comment),
    ("pg_backend_pid", session::pg_backend_pid),
    ("pg_blocking_pids", backends::pg_blocking_pids),
    ("pg_current_wal_flush_lsn", session::pg_current_wal_lsn),
    ("pg_current_wal_insert_lsn", session::pg_current_wal_lsn),
    ("pg_current_wal_lsn", session::pg_current_wal_lsn),
    ("pg_encoding_to_char", session::pg_encoding_to_char),
    ("pg_get_constraintdef", relations::pg_get_constraintdef),
    ("pg_get_expr", relations::pg_get_expr),
    ("pg_get_indexdef", relations::pg_get_indexdef),
    ("pg_get_partkeydef", relations::pg_get_partkeydef),
    ("pg_get_serial_sequence", sequences::pg_get_serial_sequence),
    ("pg_get_userbyid", relations::pg_get_userbyid),
    ("pg_has_role", relations::pg_has_role),
    ("pg_indexes_size", relations::pg_indexes_size),
    ("pg_is_in_recovery", session::pg_is_in_recovery),
    ("pg_postmaster_start_time", time::start),
    ("pg_relation_filenode", relations::pg_relation_filenode),
    (
        "pg_relation_is_publishable",
        relations::pg_relation_is_publishable,
    ),
    ("pg_relation_size", relations::pg_relation_size),
    ("pg_table_is_visible", relations::pg_table_is_visible),
    ("pg_table_size", relations::pg_relation_size),
    ("pg_total_relation_size", relations::pg_total_relation_size),
    ("pg_wal_lsn_diff", session::pg_wal_lsn_diff),
    ("session_user", session::current_user),
    ("statement_timestamp", time::statement_timestamp),
    ("transaction_timestamp", time::now),
    ("txid_current_if_assigned", session::txid_if_assigned),
    ("pg_current_xact_id_if_assigned", session::txid_if_assigned),
    ("user", session::current_user),
    ("version", session::version),
];

const CHANGING: &[(&str, Function)] = &[
    ("currval", sequences::currval),
    ("nextval", sequences::nextval),
    ("setval", sequences::setval),
    ("lastval", sequences::lastval),
    ("pg_advisory_lock", advisory::lock),
    ("pg_advisory_lock_shared", advisory::lock),
    ("pg_advisory_unlock", advisory::unlock),
    ("pg_advisory_unlock_all", advisory::unlock_all),
    ("pg_advisory_unlock_shared", advisory::unlock),
    ("pg_advisory_xact_lock", advisory::lock),
    ("pg_advisory_xact_lock_shared", advisory::lock),
    ("pg_cancel_backend", backends::pg_cancel_backend),
    ("pg_create_logical_replication_slot", slots::create),
    ("pg_current_xact_id", session::txid_current),
    ("pg_drop_replication_slot", slots::drop),
    ("pg_export_snapshot", session::pg_export_snapshot),
    ("pg_logical_slot_get_binary_changes", slots::decode),
    ("pg_logical_slot_get_changes", slots::decode),
    ("pg_logical_slot_peek_binary_changes", slots::decode),
    ("pg_logical_slot_peek_changes", slots::decode),
    ("pg_logical_emit_message", session::emit_message),
    ("pg_replication_slot_advance", slots::advance),
    ("pg_sleep", backends::pg_sleep),
    ("pg_switch_wal", session::pg_switch_wal),
    ("pg_terminate_backend", backends::pg_terminate_backend),
    ("pg_try_advisory_lock", advisory::try_lock),
    ("pg_try_advisory_lock_shared", advisory::try_lock),
    ("pg_try_advisory_xact_lock", advisory::try_lock),
    ("pg_try_advisory_xact_lock_shared", advisory::try_lock),
    ("set_config", session::set_config),
    ("txid_current", session::txid_current),
];

/// The function of this name, and whether it changes nothing and never waits.
pub fn find(name: &str) -> Option<(Function, bool)> {
    let of = |table: &[(&str, Function)]| table.iter().find(|(known, _)| *known == name).map(|(_, f)| *f);
    of(PURE)
        .map(|f| (f, true))
        .or_else(|| of(CHANGING).map(|f| (f, false)))
}
