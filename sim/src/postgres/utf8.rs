//! What is no text.

/// The first bytes of `bytes` that are not UTF-8, as Postgres names them (`report_invalid_encoding`): as many as
/// the character would have by its first byte. A NUL is no text either.
pub fn invalid_utf8(bytes: &[u8]) -> Option<String> {
    let invalid = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
    let nul = bytes.iter().position(|byte| *byte == 0);
    let at = [invalid, nul].into_iter().flatten().min()?;
    let length = match bytes[at] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    let shown = bytes[at..].iter().take(length).map(|byte| format!("{byte:#04x}"));
    Some(shown.collect::<Vec<_>>().join(" "))
}
