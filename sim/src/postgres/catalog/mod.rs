//! The catalogs: what exists in each database, and the views that show it.

pub mod constraints;
pub mod database;
pub mod definitions;
pub mod lookup;
pub mod relation;
pub mod views;
