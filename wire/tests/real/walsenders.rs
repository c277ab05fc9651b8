//! Walsenders: slots and their snapshots.

use leftover_core::connection::{
    Closed, Connector as _, Lsn, NewSlot, Session as _, SlotSnapshot, Startup, Walsender as _,
};
use leftover_wire::walsender::Walsender;

use crate::cluster::{Cluster, shared};

async fn walsender(cluster: &Cluster) -> Walsender {
    cluster.connector().walsender(&Startup::default()).await.unwrap()
}

fn slot(name: &str, snapshot: SlotSnapshot) -> NewSlot {
    NewSlot {
        name: name.to_owned(),
        temporary: true,
        plugin: "pgoutput".to_owned(),
        snapshot,
    }
}

#[tokio::test]
async fn an_exported_snapshot_can_be_imported_until_the_next_command() {
    let cluster = shared().await;
    let mut walsender = walsender(&cluster).await;
    let created = walsender
        .create_slot(&slot("wire_export", SlotSnapshot::Export))
        .await
        .unwrap();
    assert_eq!(created.name, "wire_export");
    assert!(created.consistent_point > Lsn(0));
    let import = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{}'; ROLLBACK",
        created.snapshot.unwrap()
    );
    let mut session = cluster.session().await;
    session.query(&import).await.unwrap();
    walsender.query("SELECT 1").await.unwrap();
    assert_eq!(session.query(&import).await.unwrap_err().code(), Some("22023"));
    assert_eq!(walsender.close().await, Closed::Released);
}

#[tokio::test]
async fn a_snapshot_can_be_used_in_the_walsenders_own_transaction() {
    let cluster = shared().await;
    let mut walsender = walsender(&cluster).await;
    walsender
        .query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
        .await
        .unwrap();
    let created = walsender
        .create_slot(&slot("wire_use", SlotSnapshot::Use))
        .await
        .unwrap();
    assert_eq!(created.snapshot, None);
    let exported = walsender
        .query("SELECT pg_export_snapshot(), NULL, 'ä'")
        .await
        .unwrap();
    assert!(exported[0].get(0).is_some());
    assert_eq!((exported[0].get(1), exported[0].get(2)), (None, Some("ä")));
    walsender.query("COMMIT").await.unwrap();
    assert_eq!(walsender.close().await, Closed::Released);
}

#[tokio::test]
async fn a_slot_without_a_snapshot_has_none() {
    let cluster = shared().await;
    let mut walsender = walsender(&cluster).await;
    let created = walsender
        .create_slot(&slot("wire_nothing", SlotSnapshot::Nothing))
        .await
        .unwrap();
    assert_eq!(created.snapshot, None);
    let mut session = cluster.session().await;
    let find = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'wire_nothing' AND temporary";
    assert_eq!(
        session.query(find).await.unwrap()[0].parse::<i32>(0),
        Some(walsender.backend().pid)
    );
    assert_eq!(walsender.close().await, Closed::Released);
    assert_eq!(session.query(find).await.unwrap(), []);
}

#[tokio::test]
async fn a_refused_slot_is_the_servers_error_and_the_connection_goes_on() {
    let cluster = shared().await;
    let mut walsender = walsender(&cluster).await;
    let refused = walsender
        .create_slot(&slot("Not A Name", SlotSnapshot::Nothing))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("42602"), "{refused}");
    let refused = walsender
        .create_slot(&slot("wire_in_no_transaction", SlotSnapshot::Use))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("XX000"), "{refused}");
    walsender
        .create_slot(&slot("wire_after_refusals", SlotSnapshot::Nothing))
        .await
        .unwrap();
    assert_eq!(walsender.close().await, Closed::Released);
}

#[tokio::test]
async fn several_rows_and_statements_of_a_walsender_come_back() {
    let cluster = shared().await;
    let mut walsender = walsender(&cluster).await;
    let rows = walsender
        .query("SELECT i FROM generate_series(1, 5000) AS i")
        .await
        .unwrap();
    assert_eq!((rows.len(), rows[4999].get(0)), (5000, Some("5000")));
    let identity = walsender.query("IDENTIFY_SYSTEM").await.unwrap();
    assert_eq!(identity[0].get(3), Some("postgres"));
}
