//! Every way of getting servers ends in two servers that serve, and removes them again. A run on servers that
//! are not what they claim to be proves nothing, and servers that stay are this project's own kind of bug.

use std::path::Path;
use std::process::Command;

use leftover_harness::world::{Server, World};
use leftover_testcontainers::{Provider, RealWorld};

use crate::support::{block_on, local_major, start};

/// Set in the environment of a test that runs itself in another process.
const INNER: &str = "LEFTOVER_TEST_INNER";

async fn serves(world: &RealWorld, major: u32) {
    assert!(
        world.version().starts_with(&format!("{major}.")),
        "{}",
        world.version()
    );
    for server in Server::BOTH {
        let rows = world
            .sql(
                server,
                "SELECT current_user, rolsuper, rolreplication, current_database(), current_setting('wal_level'), \
                 d.datdba = r.oid FROM pg_roles r, pg_database d \
                 WHERE rolname = current_user AND datname = current_database()",
            )
            .await
            .expect("the role of the code under test can log in");
        let login = world.login(server);
        let seen: Vec<&str> = (0..6)
            .map(|column| rows[0].get(column).unwrap_or("NULL"))
            .collect();
        assert_eq!(seen, [&login.user, "f", "t", &login.database, "logical", "t"]);
        let census = world.census(server).await.expect("the server answers");
        assert_eq!(
            census,
            leftover_harness::census::Census::default(),
            "the {server} is not empty"
        );
    }
}

#[test]
fn private_clusters_serve_and_leave_nothing() {
    let world = start(Provider::Local, local_major());
    assert_eq!(world.provider(), Provider::Local);
    block_on(serves(&world, local_major()));
    let rows = block_on(world.admin_sql(Server::Source, "SHOW data_directory")).expect("the server answers");
    let directory = Path::new(rows[0].get(0).expect("a path"))
        .parent()
        .expect("a parent")
        .to_path_buf();
    assert!(directory.exists());
    let addresses = Server::BOTH.map(|server| world.address(server).1);
    drop(world);
    for port in addresses {
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
            "port {port} still serves"
        );
    }
    assert!(!directory.exists(), "{} is still there", directory.display());
}

fn containers_serve(major: u32) {
    let world = start(Provider::Container, major);
    assert_eq!(world.provider(), Provider::Container);
    block_on(serves(&world, major));
    let log = block_on(world.log(Server::Source)).expect("the log can be read");
    assert!(
        log.contains("database system is ready to accept connections"),
        "{log}"
    );
    let addresses = Server::BOTH.map(|server| world.address(server).1);
    drop(world);
    for port in addresses {
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
            "port {port} still serves"
        );
    }
}

#[test]
fn a_world_starts_serves_and_goes_inside_a_runtime() {
    for (provider, major) in [(Provider::Local, local_major()), (Provider::Container, 17)] {
        block_on(async {
            let world = start(provider, major);
            serves(&world, major).await;
        });
    }
}

#[test]
fn containers_of_15_serve_and_leave_nothing() {
    containers_serve(15);
}

#[test]
fn containers_of_17_serve_and_leave_nothing() {
    containers_serve(17);
}

#[test]
fn a_given_server_serves_and_keeps_what_is_not_ours() {
    if std::env::var_os(INNER).is_some() {
        return on_a_given_server();
    }
    let theirs = start(Provider::Local, local_major());
    block_on(theirs.sql(Server::Source, "CREATE TABLE precious (id int)")).expect("a table can be made");
    let (host, port) = theirs.address(Server::Source);
    let superuser = theirs.superuser(Server::Source);
    let url = format!(
        "postgres://{}:{}@{host}:{port}/postgres",
        superuser.user,
        superuser.password.as_deref().unwrap_or_default()
    );
    let output = Command::new(std::env::current_exe().expect("a test has a file"))
        .args([
            "--exact",
            "providers::a_given_server_serves_and_keeps_what_is_not_ours",
        ])
        .env("LEFTOVER_POSTGRES_URL", url)
        .env(INNER, "1")
        .output()
        .expect("a test can run itself");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let rows = block_on(theirs.sql(Server::Source, "SELECT count(*) FROM precious"));
    assert_eq!(rows.expect("the table is still there")[0].get(0), Some("0"));
}

/// The part that runs in a process of its own, with its environment.
fn on_a_given_server() {
    let world = start(Provider::Auto, 17);
    assert_eq!(world.provider(), Provider::Url);
    block_on(async {
        serves(&world, local_major()).await;
        world
            .sql(
                Server::Source,
                "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
            )
            .await
            .expect("a slot can be made");
        assert_eq!(
            world
                .census(Server::Source)
                .await
                .expect("the server answers")
                .slots
                .len(),
            1
        );
        assert_eq!(
            world
                .census(Server::Target)
                .await
                .expect("the server answers")
                .slots
                .len(),
            0
        );
        world.reset().await.expect("a world can be reset");
        serves(&world, local_major()).await;
        let refused = world
            .crash(Server::Source)
            .await
            .expect_err("it is not ours to crash");
        assert!(refused.to_string().contains("not ours"), "{refused}");
    });
}

#[test]
fn a_killed_process_leaves_no_server() {
    if std::env::var_os(INNER).is_some() {
        return start_and_hang();
    }
    let mut child = Command::new(std::env::current_exe().expect("a test has a file"))
        .args([
            "--exact",
            "providers::a_killed_process_leaves_no_server",
            "--nocapture",
        ])
        .env(INNER, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a test can run itself");
    let stdout = child.stdout.take().expect("it was piped");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let ports: Vec<u16> = lines
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("port ").and_then(|(_, port)| port.parse().ok()))
        .take(2)
        .collect();
    assert_eq!(ports.len(), 2);
    let serves = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
    assert!(ports.iter().all(serves));
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    while ports.iter().any(serves) {
        assert!(tokio::time::Instant::now() < deadline, "{ports:?} still serve");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The part that is killed.
fn start_and_hang() {
    let world = start(Provider::Local, local_major());
    for server in Server::BOTH {
        println!("\nport {}", world.address(server).1);
    }
    block_on(std::future::pending::<()>());
}
