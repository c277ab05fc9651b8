//! The mirror that users run, between two simulated servers.

use std::sync::Arc;

use futures_util::FutureExt;
use leftover_core::connection::Row;
use leftover_core::mirror::Mirror;
use leftover_core::names::MirrorName;
use leftover_core::settings::Settings;
use leftover_sim::net::{Network, PipeOptions};
use leftover_sim::postgres::options::ServerOptions;
use leftover_sim::postgres::server::PgServer;
use leftover_sim::runtime::{Handle, Simulation};
use leftover_wire::Connector;
use leftover_wire::login::Login;

use super::connector::Port;

fn at_once(server: &PgServer, sql: &str) -> Vec<Row> {
    let answer = server.sql("app", "mirror", sql).now_or_never();
    answer.expect("a fixture takes no time").unwrap()
}

const FIXTURE: &str = r#"
    CREATE TABLE accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, balance numeric(12,2) DEFAULT 0);
    CREATE TABLE "Ünïcode ""table""" (id int PRIMARY KEY, "Column" varchar(20) COLLATE "C", twice int GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE empty (id serial PRIMARY KEY, at timestamptz DEFAULT now(), flag boolean);
    CREATE TABLE no_key (a int, b text, c double precision, d bytea, e uuid, f jsonb);
    CREATE SCHEMA other;
    CREATE TABLE other.parts (id bigint, region text, at date, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
    CREATE TABLE other.parts_eu PARTITION OF other.parts FOR VALUES IN ('eu', 'uk');
    CREATE TABLE other.parts_rest PARTITION OF other.parts DEFAULT;
    CREATE UNLOGGED TABLE scratch (a int);
    INSERT INTO accounts (name, balance) SELECT 'account ' || g, g * 1.5 FROM generate_series(1, 500) g;
    INSERT INTO "Ünïcode ""table""" SELECT g, 'zeile ' || g FROM generate_series(1, 30) g;
    INSERT INTO no_key SELECT g, 'x', g / 3.0, NULL, NULL, '{"a": 1}' FROM generate_series(1, 40) g;
    INSERT INTO other.parts SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, '2026-01-01' FROM generate_series(1, 100) g;
"#;

fn server(sim: &Handle, name: &str) -> (PgServer, Connector) {
    let network = Network::new(sim, &sim.chooser().fork("network"), PipeOptions::default());
    let (listener, dialer) = network.listen(name);
    let options = ServerOptions {
        rows_per_block: Some(20),
        ..ServerOptions::default()
    };
    let server = PgServer::new(options, sim.clock(), sim.chooser().fork(name));
    let (accepting, handle) = (server.clone(), sim.clone());
    sim.spawn(async move {
        loop {
            let socket = listener.accept().await;
            handle.spawn(accepting.serve(socket));
        }
    });
    let login = Login {
        user: "mirror".to_owned(),
        password: None,
        database: "app".to_owned(),
    };
    (server, Connector::new(Arc::new(Port(dialer)), login))
}

#[test]
fn a_mirror_loads_every_kind_of_table_and_dropping_it_leaves_nothing() {
    for seed in 0..5 {
        Simulation::new(seed)
            .run(|sim| async move {
                let (source, to_source) = server(&sim, "source");
                let (target, to_target) = server(&sim, "target");
                at_once(&source, FIXTURE);
                let settings = Settings {
                    partition_bytes: 8192 * 5,
                    workers: 3,
                    ..Settings::default()
                };
                let name = "m".parse::<MirrorName>().unwrap();
                let mirror = Mirror::new(name, to_source, to_target, sim.clock(), settings);
                let loaded = mirror
                    .load()
                    .await
                    .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
                assert!(!format!("{loaded:?}").is_empty());
                for sums in [
                    "select count(*), sum(id), sum(balance), max(name) from accounts",
                    r#"select count(*), sum(id), sum(twice), max("Column") from "Ünïcode ""table""""#,
                    "select count(*) from empty",
                    "select count(*), sum(a), sum(c), max(f::text) from no_key",
                    "select count(*), sum(id) from other.parts_eu",
                    "select count(*), sum(id) from other.parts_rest",
                ] {
                    let of = |server: &PgServer| at_once(server, sums);
                    assert_eq!(of(&source), of(&target), "{sums}");
                }
                let census = source.census();
                assert_eq!(census.sessions, []);
                assert_eq!((census.slots.len(), census.publications.len()), (1, 1));
                assert_eq!(census.slots[0].active_pid, None);
                assert_eq!(target.census().sessions, []);
                let dropped = mirror.drop_all().await;
                assert!(!format!("{dropped:?}").is_empty());
                for server in [&source, &target] {
                    let census = server.census();
                    assert_eq!(
                        (census.sessions, census.slots, census.publications),
                        Default::default(),
                        "{dropped:?}"
                    );
                }
            })
            .unwrap();
    }
}
