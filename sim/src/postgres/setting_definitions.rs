//! The settings that there are.

/// Who may change a setting, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Anybody, at any time.
    User,
    /// Superusers.
    Superuser,
    /// Only the configuration file.
    Sighup,
    /// Only the start of the server.
    Postmaster,
    /// Nobody.
    Internal,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on` or `off`.
    Bool,
    /// A time, in milliseconds at rest.
    Milliseconds,
    /// A time, in seconds at rest.
    Seconds,
    /// A number.
    Number,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// One setting that the server knows.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its built-in value.
    pub default: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Who may change it.
    pub context: Context,
}

const fn def(name: &'static str, default: &'static str, kind: Kind, context: Context) -> Definition {
    Definition {
        name,
        default,
        kind,
        context,
    }
}

const LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning", "error",
];
const ISOLATION: &[&str] = &[
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
];

/// Every setting, by name.
pub const DEFINITIONS: &[Definition] = &[
    def("application_name", "", Kind::Text, Context::User),
    def("authentication_timeout", "60", Kind::Seconds, Context::Sighup),
    def("block_size", "8192", Kind::Number, Context::Internal),
    def(
        "bytea_output",
        "hex",
        Kind::Word(&["hex", "escape"]),
        Context::User,
    ),
    def(
        "client_connection_check_interval",
        "0",
        Kind::Milliseconds,
        Context::User,
    ),
    def("client_encoding", "UTF8", Kind::Text, Context::User),
    def("client_min_messages", "notice", Kind::Word(LEVELS), Context::User),
    def("datestyle", "ISO, MDY", Kind::Text, Context::User),
    def("deadlock_timeout", "1000", Kind::Milliseconds, Context::Superuser),
    def("default_transaction_deferrable", "off", Kind::Bool, Context::User),
    def(
        "default_transaction_isolation",
        "read committed",
        Kind::Word(ISOLATION),
        Context::User,
    ),
    def("default_transaction_read_only", "off", Kind::Bool, Context::User),
    def("extra_float_digits", "1", Kind::Number, Context::User),
    def("fsync", "on", Kind::Bool, Context::Sighup),
    def("hot_standby", "on", Kind::Bool, Context::Postmaster),
    def(
        "idle_in_transaction_session_timeout",
        "0",
        Kind::Milliseconds,
        Context::User,
    ),
    def("idle_session_timeout", "0", Kind::Milliseconds, Context::User),
    def("in_hot_standby", "off", Kind::Bool, Context::Internal),
    def("integer_datetimes", "on", Kind::Bool, Context::Internal),
    def("intervalstyle", "postgres", Kind::Text, Context::User),
    def("is_superuser", "off", Kind::Bool, Context::Internal),
    def("lock_timeout", "0", Kind::Milliseconds, Context::User),
    def(
        "log_statement",
        "none",
        Kind::Word(&["none", "ddl", "mod", "all"]),
        Context::Superuser,
    ),
    def("maintenance_work_mem", "65536", Kind::Number, Context::User),
    def("max_connections", "100", Kind::Number, Context::Postmaster),
    def("max_replication_slots", "10", Kind::Number, Context::Postmaster),
    def("max_slot_wal_keep_size", "-1", Kind::Number, Context::Sighup),
    def("max_wal_senders", "10", Kind::Number, Context::Postmaster),
    def("max_worker_processes", "8", Kind::Number, Context::Postmaster),
    def("row_security", "on", Kind::Bool, Context::User),
    def("search_path", "\"$user\", public", Kind::Text, Context::User),
    def("server_encoding", "UTF8", Kind::Text, Context::Internal),
    def("server_version", "15.18", Kind::Text, Context::Internal),
    def("server_version_num", "150018", Kind::Number, Context::Internal),
    def(
        "session_replication_role",
        "origin",
        Kind::Word(&["origin", "replica", "local"]),
        Context::Superuser,
    ),
    def("standard_conforming_strings", "on", Kind::Bool, Context::User),
    def("statement_timeout", "0", Kind::Milliseconds, Context::User),
    def(
        "superuser_reserved_connections",
        "3",
        Kind::Number,
        Context::Postmaster,
    ),
    def(
        "synchronous_commit",
        "on",
        Kind::Word(&["on", "off", "local", "remote_write", "remote_apply"]),
        Context::User,
    ),
    def("tcp_keepalives_count", "0", Kind::Number, Context::User),
    def("tcp_keepalives_idle", "0", Kind::Seconds, Context::User),
    def("tcp_keepalives_interval", "0", Kind::Seconds, Context::User),
    def("tcp_user_timeout", "0", Kind::Milliseconds, Context::User),
    def("timezone", "Etc/UTC", Kind::Text, Context::User),
    def("transaction_deferrable", "off", Kind::Bool, Context::User),
    def(
        "transaction_isolation",
        "read committed",
        Kind::Word(ISOLATION),
        Context::User,
    ),
    def("transaction_read_only", "off", Kind::Bool, Context::User),
    def(
        "wal_level",
        "logical",
        Kind::Word(&["minimal", "replica", "logical"]),
        Context::Postmaster,
    ),
    def("wal_sender_timeout", "60000", Kind::Milliseconds, Context::User),
    def("work_mem", "4096", Kind::Number, Context::User),
];

/// A setting, by its place among [`DEFINITIONS`]: what is looked up at every statement is found without
/// comparing names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(u8);

impl Id {
    /// Its place among [`DEFINITIONS`].
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// The setting's definition.
    pub fn definition(self) -> &'static Definition {
        &DEFINITIONS[self.number()]
    }
}

/// The setting of this name, for names that the code itself has: `const { id("lock_timeout") }`.
///
/// # Panics
/// When there is no such setting: in a constant that is an error of the compiler.
pub const fn id(name: &str) -> Id {
    let mut place = 0;
    while place < DEFINITIONS.len() {
        if same(DEFINITIONS[place].name.as_bytes(), name.as_bytes()) {
            return Id(place as u8);
        }
        place += 1;
    }
    panic!("there is no setting of this name")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The setting of this name, which is matched without regard to case.
pub fn find(name: &str) -> Option<Id> {
    let find = |name: &str| DEFINITIONS.binary_search_by(|d| d.name.cmp(name)).ok();
    let place = find(name).or_else(|| find(&name.to_ascii_lowercase()))?;
    u8::try_from(place).ok().map(Id)
}

/// The definition of a setting, whose name is matched without regard to case.
pub fn definition(name: &str) -> Option<&'static Definition> {
    find(name).map(Id::definition)
}

/// The settings that are told to the client when they change (`GUC_REPORT`), as clients know their names.
pub const REPORTED: &[(Id, &str)] = &[
    (id("application_name"), "application_name"),
    (id("client_encoding"), "client_encoding"),
    (id("datestyle"), "DateStyle"),
    (
        id("default_transaction_read_only"),
        "default_transaction_read_only",
    ),
    (id("in_hot_standby"), "in_hot_standby"),
    (id("integer_datetimes"), "integer_datetimes"),
    (id("intervalstyle"), "IntervalStyle"),
    (id("is_superuser"), "is_superuser"),
    (id("server_encoding"), "server_encoding"),
    (id("server_version"), "server_version"),
    (id("standard_conforming_strings"), "standard_conforming_strings"),
    (id("timezone"), "TimeZone"),
];
