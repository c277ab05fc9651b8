//! What a checkpoint does to slots, and what a restart leaves of what was confirmed.

use leftover_core::connection::Lsn;

use super::client::{Pg, code};
use super::stream::{active, confirmed, create_slot, publish, start, streaming};

/// OB-101, 103
#[test]
fn a_confirmation_is_saved_behind_the_running_transactions_that_a_checkpoint_logs() {
    for checkpointed_before in [false, true] {
        Pg::run(1, |pg| async move {
            publish(&pg).await;
            let created = confirmed(&pg);
            let mut client = streaming(&pg, "").await;
            if checkpointed_before {
                pg.sql("checkpoint");
            }
            pg.sql("insert into t values (1)");
            let (_, end) = client.transaction().await;
            client.confirm(end).await;
            pg.sleep(10).await;
            assert_eq!(confirmed(&pg), end);
            pg.sql("checkpoint");
            pg.server.crash();
            pg.server.restart();
            let wanted = if checkpointed_before { end } else { created };
            assert_eq!(
                confirmed(&pg),
                wanted,
                "a checkpoint before: {checkpointed_before}"
            );
        });
    }
}

/// OB-114
#[test]
fn a_slot_that_keeps_too_much_of_the_log_is_lost_at_the_next_checkpoint() {
    Pg::run(2, |pg| async move {
        publish(&pg).await;
        let mut client = streaming(&pg, "").await;
        pg.server.configure("max_slot_wal_keep_size", "20").unwrap();
        let file = || pg.value("select pg_switch_wal()").parse::<Lsn>().unwrap().0 >> 24;
        let first = file();
        assert_eq!(file(), first, "at the start of a file nothing is switched");
        pg.sql("checkpoint");
        assert!(active(&pg), "one file is kept");
        assert_eq!(file(), first + 1);
        create_slot(&pg, "late").await;
        pg.sql("checkpoint");
        assert_eq!(code(&client.until_eof().await).as_deref(), Some("57P01"));
        let lost = "select slot_name || ' ' || wal_status || ' ' || (restart_lsn is null)::text from pg_replication_slots order by 1";
        let rows: Vec<String> = pg
            .sql(lost)
            .into_iter()
            .filter_map(|mut row| row[0].take())
            .collect();
        assert_eq!(rows, ["late reserved false", "s lost true"]);
        let mut other = pg.walsender("").await;
        let message = other.fails(&start("0/0"), "55000").await;
        assert_eq!(message, "cannot read from logical replication slot \"s\"");
        other.rows("DROP_REPLICATION_SLOT s").await;
    });
}
