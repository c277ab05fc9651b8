//! Durations as people write them, to the nanosecond: `1.5s`, `250ms`, `12.034µs`, `7ns`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in a case file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written(pub(super) Duration);

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:?}", self.0))
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let problem = || {
            serde::de::Error::custom(format!(
                "{text:?} is no duration; write it as `1.5s`, `250ms`, `12µs` or `7ns`"
            ))
        };
        parse(&text).map(Written).ok_or_else(problem)
    }
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(unit);
    // The unit in nanoseconds, as a power of ten.
    let digits: usize = match unit {
        "s" => 9,
        "ms" => 6,
        "us" | "µs" => 3,
        "ns" => 0,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > digits || number.ends_with('.') {
        return None;
    }
    let nanos: u128 = format!("{whole}{part:0<digits$}").parse().ok()?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("1.5s", 1_500_000_000),
            ("1.000000001s", 1_000_000_001),
            ("250ms", 250_000_000),
            ("0.25ms", 250_000),
            ("12.034µs", 12_034),
            ("12us", 12_000),
            ("7ns", 7),
        ] {
            assert_eq!(parse(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        let most = Duration::MAX;
        assert_eq!(parse(&format!("{most:?}")), Some(most));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "s",
            ".5s",
            "5.s",
            "1.2.3s",
            "-1s",
            "1.5ns",
            "5 s",
            "5min",
            "99999999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
