//! A statement that fails with a given SQLSTATE, to stand in another's place.

use super::plan::When;

/// Whether a statement of this message can be made to fail with this SQLSTATE, on this side of it.
pub(super) fn can_fail(when: When, message: &str, sqlstate: &str) -> bool {
    when == When::BeforeSend && is_replaceable(message) && is_sqlstate(sqlstate)
}

/// Whether the statement of this message can be replaced by one that fails.
pub(crate) fn is_replaceable(message: &str) -> bool {
    message.starts_with("Query ") || message == "Parse COPY"
}

fn is_sqlstate(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// The message with this SQL in place of its own: a `Query`, or a `Parse`, whose name and parameters stay.
pub(super) fn failing(message: &[u8], sqlstate: &str) -> Vec<u8> {
    let (head, after) = match message {
        [b'P', ..] => {
            let name = 5 + text_length(&message[5..]);
            (
                &message[5..name],
                &message[name + text_length(&message[name..])..],
            )
        }
        _ => (&message[5..5], &message[message.len()..]),
    };
    let sql = raising(sqlstate);
    let length = 4 + head.len() + sql.len() + 1 + after.len();
    let mut failing = vec![message[0]];
    failing.extend_from_slice(&u32::try_from(length).expect("a short message").to_be_bytes());
    failing.extend_from_slice(head);
    failing.extend_from_slice(sql.as_bytes());
    failing.push(0);
    failing.extend_from_slice(after);
    failing
}

/// The length of a text with the 0 that ends it.
fn text_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| *byte == 0)
        .map_or(bytes.len(), |end| end + 1)
}

fn raising(sqlstate: &str) -> String {
    let message = text(sqlstate);
    format!("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='{sqlstate}', MESSAGE='{message}'; END$$")
}

/// What Postgres says with it, where a client tells one cause from another by that.
fn text(sqlstate: &str) -> &'static str {
    match sqlstate {
        "22023" => "invalid snapshot identifier: \"struck\"",
        "55000" => "could not import the requested snapshot",
        _ => "struck by the plan",
    }
}

/// The errors with which the server may answer a statement of this kind, by section 3 of
/// `postgres-behaviours.md`; none where the statement cannot be replaced.
pub(crate) fn sqlstates(message: &str) -> &'static [&'static str] {
    if !is_replaceable(message) {
        return &[];
    }
    match message.split_once(' ').map_or("", |(_, statement)| statement) {
        "CREATE_REPLICATION_SLOT" => &["55P03", "57014", "53400", "42710", "58P01"],
        "SELECT pg_drop_replication_slot" => &["55006", "42704", "57014"],
        "SELECT pg_terminate_backend" => &["42501", "57014"],
        "BEGIN" => &["22023", "55000", "57014"],
        "COMMIT" => &["40001", "53100", "58030"],
        "COPY" => &["57014", "53100", "53200", "XX000"],
        "INSERT" | "UPDATE" | "DELETE" => &["40001", "40P01", "53100", "55P03"],
        "SELECT" => &["57014", "53200", "XX000"],
        "LOCK TABLE" | "TRUNCATE" => &["55P03", "40P01", "57014"],
        ddl if ["CREATE ", "ALTER ", "DROP "]
            .iter()
            .any(|word| ddl.starts_with(word)) =>
        {
            &["55P03", "53100", "57014"]
        }
        _ => &["57014", "XX000"],
    }
}
