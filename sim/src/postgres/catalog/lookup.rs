//! From names to relations, through the search path.

use std::rc::Rc;

use sqlparser::ast::ObjectName;

use super::database::PG_CATALOG;
use super::relation::{Relation, RelationKind};
use super::views::{self, View};
use crate::postgres::locks::{Keep, LockMode, LockTag};
use crate::postgres::settings::id;
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::names;
use crate::postgres::state::State;
use crate::postgres::waits::Wait;

impl State {
    /// The schemas of the search path that exist, in order, without `pg_catalog`.
    pub fn search_path(&self, pid: i32) -> Vec<u32> {
        let backend = self.backend_ref(pid);
        let (database, view) = (self.database(pid), self.catalog_view(pid));
        let path = backend.settings.value(const { id("search_path") });
        let mut schemas = Vec::new();
        for entry in path.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let name = match entry.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some("$user") => backend.role.clone(),
                Some(quoted) => quoted.replace("\"\"", "\""),
                None if entry == "$user" => backend.role.clone(),
                None => names::downcase(entry),
            };
            schemas.extend(database.schema(&self.log, view, &name));
        }
        schemas
    }

    /// The relation that these name parts mean.
    pub fn find(&self, pid: i32, parts: &[impl AsRef<str>]) -> Option<Rc<Relation>> {
        let (database, view) = (self.database(pid), self.catalog_view(pid));
        match parts {
            [name] => self
                .search_path(pid)
                .into_iter()
                .find_map(|schema| database.relation(&self.log, view, schema, name.as_ref())),
            [.., schema, name] => {
                let schema = database.schema(&self.log, view, schema.as_ref())?;
                database.relation(&self.log, view, schema, name.as_ref())
            }
            [] => None,
        }
    }

    /// The system catalog that these name parts mean. `pg_catalog` comes before the search path, unless the path
    /// names it (manual, 5.9.5); then what the path finds before it hides it.
    pub fn catalog(&self, pid: i32, parts: &[impl AsRef<str>]) -> Option<&'static View> {
        let view = views::lookup(parts)?;
        let path = self.backend_ref(pid).settings.value(const { id("search_path") });
        let hidden = parts.len() == 1 && path.contains("pg_catalog") && self.find(pid, parts).is_some();
        (!hidden).then_some(view)
    }

    /// The oid of the relation, or the system catalog, that these name parts mean.
    pub fn named(&self, pid: i32, parts: &[String]) -> Option<u32> {
        match self.catalog(pid, parts) {
            Some(view) => Some(view.oid),
            None => self.find(pid, parts).map(|relation| relation.oid),
        }
    }

    /// The relation of this oid in the backend's database.
    pub fn relation(&self, pid: i32, oid: u32) -> Option<Rc<Relation>> {
        self.database(pid)
            .relations
            .get(&self.log, self.catalog_view(pid), &oid)
            .cloned()
    }

    /// A table by name.
    ///
    /// # Errors
    /// `3F000` without the schema, `42P01` without the table, `42809` when it is something else.
    pub fn table(&self, pid: i32, name: &ObjectName) -> Result<Rc<Relation>, PgError> {
        let parts = names::parts(name);
        let Some(relation) = self.find(pid, &parts) else {
            if let [.., schema, _] = parts.as_slice()
                && self
                    .database(pid)
                    .schema(&self.log, self.catalog_view(pid), schema)
                    .is_none()
            {
                return Err(PgError::new(
                    "3F000",
                    format!("schema \"{schema}\" does not exist"),
                ));
            }
            return Err(PgError::undefined_table(&parts.join(".")));
        };
        if matches!(relation.kind, RelationKind::Index(_)) {
            return Err(PgError::new(
                "42809",
                format!("\"{}\" is an index", relation.name),
            ));
        }
        Ok(relation)
    }

    /// A table by name, locked; looked up again once the lock is held.
    ///
    /// # Errors
    /// As [`State::table`], and the wait for the lock.
    pub fn locked_table(
        &mut self,
        pid: i32,
        name: &ObjectName,
        mode: LockMode,
    ) -> Result<Rc<Relation>, Interrupt<Wait>> {
        let relation = self.table(pid, name)?;
        self.lock_relation(pid, relation.oid, mode)?;
        Ok(relation)
    }

    /// Locks a relation.
    ///
    /// # Errors
    /// The wait for the lock.
    pub fn lock_relation(&mut self, pid: i32, relation: u32, mode: LockMode) -> Result<(), Interrupt<Wait>> {
        let database = self.database(pid).oid;
        self.lock(pid, LockTag::Relation { database, relation }, mode)
    }

    /// `LOCK TABLE`.
    ///
    /// # Errors
    /// `55P03` with NOWAIT, or the wait for the lock.
    pub fn lock_table(
        &mut self,
        pid: i32,
        name: &ObjectName,
        mode: LockMode,
        nowait: bool,
    ) -> Result<(), Interrupt<Wait>> {
        let relation = self.table(pid, name)?;
        let needed = if mode == LockMode::AccessShare {
            "SELECT"
        } else {
            "UPDATE"
        };
        self.require(pid, &relation, needed)?;
        for oid in
            std::iter::once(relation.oid).chain(self.leaves(pid, &relation).iter().map(|leaf| leaf.oid))
        {
            let tag = LockTag::Relation {
                database: self.database(pid).oid,
                relation: oid,
            };
            if nowait {
                self.log_lock(pid, tag, mode);
                if !self.locks.holds(pid, tag, mode)
                    && !self.locks.try_lock_now(pid, tag, mode, Keep::Transaction)
                {
                    let message = format!("could not obtain lock on relation \"{}\"", relation.name);
                    return Err(PgError::new("55P03", message).into());
                }
            } else {
                self.lock(pid, tag, mode)?;
            }
        }
        Ok(())
    }

    /// The tables that hold the rows of a partitioned table, in name order; none for an ordinary one.
    pub fn leaves(&self, pid: i32, relation: &Relation) -> Vec<Rc<Relation>> {
        if !matches!(relation.kind, RelationKind::Partitioned(_)) {
            return Vec::new();
        }
        let children = self
            .database(pid)
            .children(&self.log, self.catalog_view(pid), relation.oid);
        let mut leaves = Vec::new();
        for child in children {
            match child.kind {
                RelationKind::Partitioned(_) => leaves.extend(self.leaves(pid, &child)),
                _ => leaves.push(child),
            }
        }
        leaves
    }

    /// Whether the backend's role may do this.
    ///
    /// # Errors
    /// `42501`.
    pub fn require(&self, pid: i32, relation: &Relation, privilege: &str) -> Result<(), PgError> {
        let role = &self.backend_ref(pid).role;
        if self.role(pid).may(role, relation, privilege) {
            return Ok(());
        }
        let what = match relation.kind {
            RelationKind::Sequence => "sequence",
            _ => "table",
        };
        Err(PgError::new(
            "42501",
            format!("permission denied for {what} {}", relation.name),
        ))
    }

    /// Whether the backend's role owns the relation, or may act as if.
    ///
    /// # Errors
    /// `42501`.
    pub fn require_owner(&self, pid: i32, relation: &Relation) -> Result<(), PgError> {
        let role = self.role(pid);
        if role.superuser || role.oid == relation.owner {
            return Ok(());
        }
        let kind = match relation.kind {
            RelationKind::Index(_) => "index",
            RelationKind::Sequence => "sequence",
            _ => "table",
        };
        Err(PgError::new(
            "42501",
            format!("must be owner of {kind} {}", relation.name),
        ))
    }

    /// The schema and the name of a relation or system catalog.
    fn name_of(&self, pid: i32, oid: u32) -> Option<(String, String)> {
        Some(match self.relation(pid, oid) {
            Some(relation) => (self.schema_name(pid, relation.schema), relation.name.clone()),
            None => ("pg_catalog".to_owned(), views::name_of(oid)?.to_owned()),
        })
    }

    /// Whether the name of a relation or system catalog means it without its schema.
    pub fn is_visible(&self, pid: i32, oid: u32) -> Option<bool> {
        let (_, name) = self.name_of(pid, oid)?;
        Some(self.named(pid, &[name]) == Some(oid))
    }

    /// The name as `regclass` prints it: qualified when the search path does not find it.
    pub fn regclass(&self, pid: i32, oid: u32) -> Option<String> {
        let (schema, name) = self.name_of(pid, oid)?;
        let quoted = names::quote_ident(&name);
        if self.named(pid, &[name]) == Some(oid) {
            return Some(quoted);
        }
        Some(format!("{}.{quoted}", names::quote_ident(&schema)))
    }

    /// The name of a schema.
    pub fn schema_name(&self, pid: i32, oid: u32) -> String {
        let schema = self
            .database(pid)
            .schemas
            .get(&self.log, self.catalog_view(pid), &oid);
        schema.map_or_else(|| oid.to_string(), |schema| schema.name.clone())
    }

    /// The schema in which new things are made, and their name.
    ///
    /// # Errors
    /// `3F000` when there is none.
    pub fn creation_schema(&self, pid: i32, parts: &[impl AsRef<str>]) -> Result<(u32, String), PgError> {
        let name = parts
            .last()
            .map_or_else(String::new, |name| name.as_ref().to_owned());
        if let [.., schema, _] = parts {
            let schema = schema.as_ref();
            let found = self
                .database(pid)
                .schema(&self.log, self.catalog_view(pid), schema);
            let oid =
                found.ok_or_else(|| PgError::new("3F000", format!("schema \"{schema}\" does not exist")))?;
            return Ok((oid, name));
        }
        let first = self.search_path(pid).into_iter().find(|oid| *oid != PG_CATALOG);
        let oid = first.ok_or_else(|| PgError::new("3F000", "no schema has been selected to create in"))?;
        Ok((oid, name))
    }
}
