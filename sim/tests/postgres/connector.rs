//! The client that users run, against the simulated server, inside the simulation.

use std::pin::Pin;
use std::sync::Arc;

use leftover_core::connection::{
    Closed, Connector as _, NewSlot, Session as _, SlotSnapshot, Startup, Walsender as _,
};
use leftover_wire::Connector;
use leftover_wire::dial::{BoxedStream, Dial};
use leftover_wire::login::Login;

use super::client::Pg;

pub struct Port(pub leftover_sim::net::Dialer);

impl Dial for Port {
    fn dial(&self) -> Pin<Box<dyn Future<Output = std::io::Result<BoxedStream>> + Send + '_>> {
        let dial = self.0.dial();
        Box::pin(async move { Ok(Box::new(dial.await?) as BoxedStream) })
    }
}

fn connector(pg: &Pg) -> Connector {
    let login = Login {
        user: "mirror".to_owned(),
        password: None,
        database: "app".to_owned(),
    };
    Connector::new(Arc::new(Port(pg.dialer())), login)
}

fn startup(name: &str) -> Startup {
    let settings = [
        ("client_connection_check_interval", "5s"),
        ("idle_in_transaction_session_timeout", "60s"),
        ("tcp_keepalives_idle", "15"),
        ("lock_timeout", "10s"),
    ];
    Startup {
        application_name: name.to_owned(),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

/// The whole of an initial load, by hand: slot, snapshot, binary COPY out of one table and into another, and every
/// session released.
#[test]
fn a_table_is_copied_through_a_slots_snapshot_and_every_session_is_released() {
    for seed in 0..20 {
        Pg::run(seed, |pg| async move {
            pg.sql("create table source (id bigint primary key, name text, at timestamptz)");
            pg.sql("grant select on source to mirror");
            pg.sql("insert into source select g, 'row ' || g, now() from generate_series(1, 3000) g");
            let connector = connector(&pg);
            let mut holder = connector.walsender(&startup("m/holder")).await.unwrap();
            holder
                .query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
                .await
                .unwrap();
            let slot = NewSlot {
                name: "m_1".to_owned(),
                temporary: false,
                plugin: "pgoutput".to_owned(),
                snapshot: SlotSnapshot::Use,
            };
            let created = holder.create_slot(&slot).await.unwrap();
            assert_eq!((created.name.as_str(), created.snapshot), ("m_1", None));
            let snapshot = holder.query("SELECT pg_export_snapshot()").await.unwrap()[0]
                .get(0)
                .unwrap()
                .to_owned();
            pg.sql("insert into source values (9999, 'too late', now())");

            let mut reader = connector.session(&startup("m/reader")).await.unwrap();
            let mut writer = connector.session(&startup("m/writer")).await.unwrap();
            writer
                .query("create table target (id bigint primary key, name text, at timestamptz)")
                .await
                .unwrap();
            reader
                .query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
                .await
                .unwrap();
            reader
                .query(&format!("SET TRANSACTION SNAPSHOT '{snapshot}'"))
                .await
                .unwrap();
            reader
                .copy_out("COPY (SELECT * FROM source WHERE ctid >= '(0,0)' AND ctid < '(100000,0)') TO STDOUT (FORMAT binary)")
                .await
                .unwrap();
            writer
                .copy_in("COPY target FROM STDIN (FORMAT binary)")
                .await
                .unwrap();
            while let Some(data) = reader.copy_out_next().await.unwrap() {
                writer.copy_in_send(data).await.unwrap();
            }
            assert_eq!(writer.copy_in_finish().await.unwrap(), 3000);
            let sums = "select count(*), sum(id), min(name), max(at) from";
            assert_eq!(
                pg.sql(&format!("{sums} source where id < 9999")),
                pg.sql(&format!("{sums} target"))
            );
            assert_eq!(pg.server.peak_sessions("m/"), 3);
            assert_eq!(reader.close().await, Closed::Released);
            assert_eq!(writer.close().await, Closed::Released);
            assert_eq!(holder.close().await, Closed::Released);
            assert_eq!(pg.server.census().sessions, []);
            assert_eq!(pg.slots(), [("m_1".to_owned(), false, false)]);
        });
    }
}
