//! Roles and who may do what.

use super::catalog::relation::Relation;

/// One role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its oid.
    pub oid: u32,
    /// SUPERUSER.
    pub superuser: bool,
    /// REPLICATION.
    pub replication: bool,
    /// LOGIN.
    pub login: bool,
    /// CREATEDB.
    pub create_database: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// Its password, where it must give one.
    pub password: Option<String>,
    /// CONNECTION LIMIT; -1 is none.
    pub connection_limit: i64,
    /// Roles that it is a member of.
    pub member_of: Vec<String>,
}

/// A role that was dropped while a session of it goes on.
pub static NOBODY: Role = Role {
    oid: 0,
    superuser: false,
    replication: false,
    login: false,
    create_database: false,
    create_role: false,
    password: None,
    connection_limit: -1,
    member_of: Vec::new(),
};

impl Role {
    /// A role that may log in.
    pub fn ordinary(oid: u32) -> Self {
        Self {
            oid,
            login: true,
            ..NOBODY.clone()
        }
    }

    /// A superuser.
    pub fn superuser(oid: u32) -> Self {
        let all = Self::ordinary(oid);
        Self {
            superuser: true,
            replication: true,
            create_database: true,
            create_role: true,
            ..all
        }
    }

    /// A role that may replicate.
    pub fn replicating(oid: u32, password: Option<String>) -> Self {
        Self {
            replication: true,
            password,
            ..Self::ordinary(oid)
        }
    }

    /// Whether it may do this to a relation.
    pub fn may(&self, name: &str, relation: &Relation, privilege: &str) -> bool {
        self.superuser
            || relation.owner == self.oid
            || relation.grants.iter().any(|(to, what)| {
                (to == "public" || to == name || self.member_of.contains(to))
                    && what.eq_ignore_ascii_case(privilege)
            })
    }
}
