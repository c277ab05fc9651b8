//! Why a mirror refuses to start. Nothing has been created when it does; each says what to change.

use crate::failure::Side;
use crate::names::{MirrorName, TableName};

/// Why a mirror refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `client_connection_check_interval` and `pg_terminate_backend` with a timeout need Postgres 14.
    #[error("the {side} runs Postgres {version}; a mirror needs Postgres 14 or later")]
    TooOld {
        /// Which server.
        side: Side,
        /// `server_version`.
        version: String,
    },
    /// Logical decoding is off.
    #[error("the source has wal_level = {found}; set wal_level = logical and restart it")]
    WalLevel {
        /// What it is set to.
        found: String,
    },
    /// A standby cannot be a mirror's source.
    #[error("the source is a standby; name its primary as the source")]
    Standby,
    /// The role may not create replication slots.
    #[error("role {role} may not replicate from the source; run ALTER ROLE {role} REPLICATION")]
    NoReplication {
        /// The role.
        role: String,
    },
    /// The role may not create publications or schemas.
    #[error(
        "role {role} may not create objects in database {database} of the {side}; run GRANT CREATE ON DATABASE {database} TO {role}"
    )]
    NoCreate {
        /// Which server.
        side: Side,
        /// The role.
        role: String,
        /// The database.
        database: String,
    },
    /// No replication slot is free.
    #[error("all {max} replication slots of the source are in use; drop one or raise max_replication_slots")]
    NoFreeSlot {
        /// `max_replication_slots`.
        max: i64,
    },
    /// No walsender is free.
    #[error("all {max} walsenders of the source are in use; end one or raise max_wal_senders")]
    NoFreeWalsender {
        /// `max_wal_senders`.
        max: i64,
    },
    /// Too few connections are free.
    #[error(
        "the {side} has {free} free connections and the mirror needs {needed}; use fewer workers or raise max_connections"
    )]
    NoFreeConnections {
        /// Which server.
        side: Side,
        /// How many the mirror needs.
        needed: i64,
        /// How many ordinary roles can still open.
        free: i64,
    },
    /// A table that was asked for is not there.
    #[error("the source has no table {0}")]
    NoSuchTable(TableName),
    /// A table cannot be published.
    #[error("table {table} cannot be mirrored: {reason}")]
    Unsupported {
        /// The table.
        table: TableName,
        /// Why.
        reason: &'static str,
    },
    /// Only a table's owner can publish it.
    #[error("role {role} does not own table {table} of the source and so cannot publish it")]
    NotOwner {
        /// The role.
        role: String,
        /// The table.
        table: TableName,
    },
    /// The role may not read a table.
    #[error("role {role} may not read table {table} of the source; run GRANT SELECT ON {table} TO {role}")]
    NotReadable {
        /// The role.
        role: String,
        /// The table.
        table: TableName,
    },
    /// The role may not write a table.
    #[error("role {role} may not write table {table} of the target; run GRANT INSERT ON {table} TO {role}")]
    NotWritable {
        /// The role.
        role: String,
        /// The table.
        table: TableName,
    },
    /// The role may not make tables in a schema.
    #[error(
        "role {role} may not create tables in schema {schema} of the target; run GRANT CREATE ON SCHEMA {schema} TO {role}"
    )]
    NoCreateInSchema {
        /// The role.
        role: String,
        /// The schema.
        schema: String,
    },
    /// The target has a table of that name with other columns.
    #[error(
        "table {table} of the target has other columns than the source's ({difference}); drop or change it"
    )]
    ColumnsDiffer {
        /// The table.
        table: TableName,
        /// The first difference.
        difference: String,
    },
    /// The target's table has rows that this mirror did not write.
    #[error("table {0} of the target already has rows; empty it first")]
    NotEmpty(TableName),
    /// A column's type does not exist on the target.
    #[error("the target has no type {ty}; create it there first")]
    NoSuchType {
        /// The type.
        ty: String,
    },
    /// A slot of another database of the same server has the name.
    #[error(
        "mirror name {mirror} is in use in database {database} of the source (slot {slot}); choose another name"
    )]
    NameInUse {
        /// The mirror.
        mirror: MirrorName,
        /// The other database.
        database: String,
        /// The slot.
        slot: String,
    },
}
