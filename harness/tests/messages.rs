//! Message boundaries and meanings, whatever the pieces in which bytes come.

use leftover_harness::fault::message::{
    Frame, Opening, backend, frontend, meaning, merges, opening, role, typed, untyped,
};
use proptest::prelude::*;

fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).expect("short");
    [&[tag][..], &length.to_be_bytes(), payload].concat()
}

#[test]
fn a_statement_is_known_by_its_keywords_and_the_functions_of_the_server() {
    for (sql, expected) in [
        ("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ", "BEGIN"),
        ("  commit", "COMMIT"),
        (
            "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput",
            "CREATE_REPLICATION_SLOT",
        ),
        ("CREATE PUBLICATION p FOR TABLE t", "CREATE PUBLICATION"),
        ("COPY t TO STDOUT", "COPY"),
        ("SELECT pg_export_snapshot()", "SELECT pg_export_snapshot"),
        (
            "select pg_catalog.pg_terminate_backend(7, 5000)",
            "SELECT pg_terminate_backend",
        ),
        ("SELECT 1", "SELECT"),
        ("SET TRANSACTION SNAPSHOT '1'", "SET TRANSACTION"),
        ("", "nothing"),
    ] {
        assert_eq!(meaning(sql), expected, "{sql}");
    }
}

#[test]
fn messages_of_both_sides_have_kinds() {
    assert_eq!(frontend(b'Q', b"BEGIN\0"), "Query BEGIN");
    assert_eq!(frontend(b'P', b"name\0SELECT 1\0\0\0"), "Parse SELECT");
    assert_eq!(backend(b'C', b"SELECT 12\0"), "CommandComplete SELECT");
    assert_eq!(
        backend(b'E', b"SERROR\0VERROR\0C57014\0Mcanceling\0\0"),
        "ErrorResponse 57014"
    );
    assert_eq!(backend(b'Z', b"T"), "ReadyForQuery in transaction");
    assert_eq!(backend(b'R', &[0, 0, 0, 0]), "Authentication ok");
    assert_eq!(backend(b'R', &[0, 0, 0, 10]), "Authentication");
    assert!(merges("CopyData") && merges("DataRow") && !merges("Query BEGIN"));
}

#[test]
fn a_role_is_the_fourth_part_of_our_names_and_all_of_any_other() {
    assert_eq!(role("leftover/shop/2/copy/7"), "copy");
    assert_eq!(role("leftover/shop"), "leftover/shop");
    assert_eq!(role("peerdb/flow/slot"), "peerdb/flow/slot");
    assert_eq!(role(""), "unnamed");
}

#[test]
fn a_first_packet_starts_a_session_or_cancels_one_or_asks_for_encryption() {
    let startup = [
        &196_608u32.to_be_bytes()[..],
        b"user\0u\0application_name\0me\0\0",
    ]
    .concat();
    assert_eq!(
        opening(&startup),
        Opening::Startup {
            application_name: "me".to_owned()
        }
    );
    assert_eq!(opening(&80_877_102u32.to_be_bytes()), Opening::Cancel);
    assert_eq!(opening(&80_877_103u32.to_be_bytes()), Opening::Encryption);
}

#[test]
fn bulk_data_is_known_by_its_header_and_all_else_only_as_a_whole() {
    let data = message(b'd', &[7; 100]);
    assert_eq!(
        typed(&data[..7]),
        Frame::Message {
            tag: b'd',
            payload: &data[5..7],
            length: 105
        }
    );
    let query = message(b'Q', b"SELECT 1\0");
    assert_eq!(typed(&query[..7]), Frame::Incomplete);
    assert_eq!(typed(&[]), Frame::Incomplete);
    assert_eq!(untyped(&[0, 0]), Frame::Incomplete);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for frame in [typed(&bytes), untyped(&bytes)] {
            if let Frame::Message { tag, payload, length } = frame {
                prop_assert!(length > payload.len());
                let _ = (frontend(tag, payload), backend(tag, payload), opening(payload));
            }
        }
    }
}
