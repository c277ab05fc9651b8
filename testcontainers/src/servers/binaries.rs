//! Postgres binaries on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The versions of which this machine has the binaries that private clusters are made of, oldest first.
pub fn installed_majors() -> Vec<u32> {
    (15..=18).filter(|&major| find(major).is_ok()).collect()
}

/// The directory with `initdb` and `postgres` of version `major`.
pub(super) fn find(major: u32) -> Result<PathBuf, String> {
    let mut places = vec![
        PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")),
        PathBuf::from(format!("/usr/pgsql-{major}/bin")),
        PathBuf::from(format!("/opt/homebrew/opt/postgresql@{major}/bin")),
    ];
    places.extend(from_pg_config());
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A link on the PATH leads to where the other programs are.
    let on_path = std::env::split_paths(&path).filter_map(|place| place.join("postgres").canonicalize().ok());
    places.extend(on_path.filter_map(|program| program.parent().map(Path::to_path_buf)));
    let suits = |place: &&PathBuf| version_of(place) == Some(major) && place.join("initdb").exists();
    places.iter().find(suits).cloned().ok_or_else(|| {
        let list: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        format!(
            "no initdb and postgres of version {major} in {}: install postgresql-{major}",
            list.join(", ")
        )
    })
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// The major version of the `postgres` in `place`: `postgres (PostgreSQL) 15.4 (Debian …)`.
fn version_of(place: &Path) -> Option<u32> {
    let output = Command::new(place.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_once("(PostgreSQL) ")?.1;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
