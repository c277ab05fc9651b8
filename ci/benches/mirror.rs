//! How fast `leftover mirror run` copies a large table, beside `psql COPY | psql COPY`.
//!
//! `cargo bench -p leftover --bench mirror` starts two private clusters of Postgres 15, makes a table of
//! 4 million rows and 370 MB, and copies it in turn with the mirror and with psql (binary, one pipe, into the
//! same table with its primary key). It prints each wall time, the ratio of the medians (above 1: the mirror
//! is faster) and the mirror's peak memory, and fails when the copies differ from the source.
//! `LEFTOVER_BENCH_ROWS` and `LEFTOVER_BENCH_ROUNDS` change the size.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use leftover_core::clock::Clock;
use leftover_harness::world::{Server, World};
use leftover_testcontainers::{Options, Provider, RealWorld};
use leftover_wire::tokio_clock::TokioClock;

type Failure = Box<dyn std::error::Error>;

const CHECKSUM: &str = "SELECT count(*), sum(id), sum(hashtext(owner)::bigint), sum(balance), sum(hashtext(note)::bigint) \
    FROM accounts";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

async fn run() -> Result<(), Failure> {
    let (rows, rounds) = (
        number("LEFTOVER_BENCH_ROWS", 4_000_000),
        number("LEFTOVER_BENCH_ROUNDS", 3),
    );
    let world = RealWorld::start(Options {
        provider: Provider::Local,
        major: 15,
    })?;
    world.reset().await?;
    world.sql(Server::Source, &fixture(rows)).await?;
    let bytes = world
        .sql(
            Server::Source,
            "SELECT pg_size_pretty(pg_relation_size('accounts'))",
        )
        .await?;
    let expected = world.sql(Server::Source, CHECKSUM).await?;
    println!(
        "{rows} rows, {}; {}",
        bytes[0].get(0).unwrap_or("?"),
        world.describe()
    );
    let (source, target) = (url(&world, Server::Source), url(&world, Server::Target));
    let (mut mirror, mut psql, mut peak) = (Vec::new(), Vec::new(), 0);
    for round in 1..=rounds {
        let (wall, memory) = mirror_run(&source, &target)?;
        same(&world, &expected).await?;
        mirror_drop(&source, &target)?;
        world.sql(Server::Target, "TRUNCATE accounts").await?;
        peak = peak.max(memory);
        mirror.push(wall);
        let wall = psql_pipe(&source, &target)?;
        same(&world, &expected).await?;
        world.sql(Server::Target, "TRUNCATE accounts").await?;
        psql.push(wall);
        println!(
            "round {round}: mirror {:.2?}, psql {wall:.2?}",
            mirror[mirror.len() - 1]
        );
    }
    let ratio = median(&mut psql).as_secs_f64() / median(&mut mirror).as_secs_f64();
    println!("speed of the mirror / speed of psql | psql: {ratio:.2} (medians of {rounds})");
    println!(
        "peak resident memory of the mirror: {:.1} MB",
        peak as f64 / 1024.0
    );
    Ok(())
}

fn fixture(rows: u64) -> String {
    format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, balance numeric(12,2), note text); \
        INSERT INTO accounts SELECT g, md5(g::text), g % 100000 / 7.0, 'note-' || lpad(g::text, 8, '0') \
        FROM generate_series(1, {rows}) g"
    )
}

fn url(world: &RealWorld, server: Server) -> String {
    let (host, port) = world.address(server);
    let login = world.login(server);
    let password = login
        .password
        .map(|password| format!(":{password}"))
        .unwrap_or_default();
    format!(
        "postgres://{}{password}@{host}:{port}/{}",
        login.user, login.database
    )
}

async fn same(world: &RealWorld, expected: &[leftover_core::connection::Row]) -> Result<(), Failure> {
    let found = world.sql(Server::Target, CHECKSUM).await?;
    if found == expected {
        return Ok(());
    }
    Err(format!("the target differs: {found:?} instead of {expected:?}").into())
}

/// Returns the wall time and the peak resident memory in KiB.
fn mirror_run(source: &str, target: &str) -> Result<(Duration, u64), Failure> {
    let clock = TokioClock::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_leftover"))
        .args(["mirror", "run", "bench", "--source", source, "--target", target])
        .stdout(Stdio::null())
        .spawn()?;
    let mut peak = 0;
    let status = loop {
        // The high-water mark only grows: the last look is at most one interval old.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mark = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap_or_default();
        peak = peak.max(mark.trim().trim_end_matches(" kB").parse().unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if !status.success() {
        return Err(format!("leftover mirror run: {status}").into());
    }
    Ok((clock.now(), peak))
}

fn mirror_drop(source: &str, target: &str) -> Result<(), Failure> {
    let status = Command::new(env!("CARGO_BIN_EXE_leftover"))
        .args(["mirror", "drop", "bench", "--source", source, "--target", target])
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("leftover mirror drop: {status}").into())
    }
}

fn psql_pipe(source: &str, target: &str) -> Result<Duration, Failure> {
    let clock = TokioClock::new();
    let mut reader = Command::new("psql")
        .args([source, "-qXc", "COPY accounts TO STDOUT (FORMAT binary)"])
        .stdout(Stdio::piped())
        .spawn()?;
    let pipe = reader.stdout.take().expect("it was asked for");
    let writer = Command::new("psql")
        .args([target, "-qXc", "COPY accounts FROM STDIN (FORMAT binary)"])
        .stdin(pipe)
        .status()?;
    let reader = reader.wait()?;
    if reader.success() && writer.success() {
        Ok(clock.now())
    } else {
        Err(format!("psql | psql: {reader}, {writer}").into())
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
