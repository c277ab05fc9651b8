//! Dates, timestamps and intervals in text. The session's time zone is always UTC.

use super::error::PgError;
use super::value::Interval;

const DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// Midnight of a date, in microseconds since 2000-01-01; the extremes stay extremes.
#[must_use]
pub fn date_to_micros(days: i32) -> i64 {
    match days {
        i32::MAX => i64::MAX,
        i32::MIN => i64::MIN,
        _ => i64::from(days).saturating_mul(DAY),
    }
}

/// The date of an instant.
#[must_use]
pub fn micros_to_date(micros: i64) -> i32 {
    match micros {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        _ => micros.div_euclid(DAY) as i32,
    }
}

/// Days since 2000-01-01 of a date of the proleptic Gregorian calendar.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468 - EPOCH_DAYS
}

/// Year, month and day of a count of days since 2000-01-01.
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_DAYS + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A date as Postgres prints it.
#[must_use]
pub fn format_date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        _ => {
            let (year, month, day) = civil_from_days(i64::from(days));
            let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
            format!("{year:04}-{month:02}-{day:02}{era}")
        }
    }
}

/// A timestamp as Postgres prints it; with the offset of UTC for `timestamptz`.
#[must_use]
pub fn format_timestamp(micros: i64, zone: bool) -> String {
    match micros {
        i64::MAX => return "infinity".into(),
        i64::MIN => return "-infinity".into(),
        _ => {}
    }
    let date = format_date(micros_to_date(micros));
    let (date, era) = match date.strip_suffix(" BC") {
        Some(date) => (date.to_owned(), " BC"),
        None => (date, ""),
    };
    let zone = if zone { "+00" } else { "" };
    format!("{date} {}{zone}{era}", format_time(micros.rem_euclid(DAY)))
}

fn format_time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{hours:02}:{minutes:02}:{seconds:02}");
    let fraction = micros % 1_000_000;
    if fraction != 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    text
}

/// An interval as Postgres prints it.
#[must_use]
pub fn format_interval(interval: Interval) -> String {
    let mut parts = Vec::new();
    let mut after_negative = false;
    let (years, months) = (interval.months / 12, interval.months % 12);
    for (count, one, many) in [
        (years, "year", "years"),
        (months, "mon", "mons"),
        (interval.days, "day", "days"),
    ] {
        if count != 0 {
            let plus = if after_negative && count > 0 { "+" } else { "" };
            parts.push(format!("{plus}{count} {}", if count == 1 { one } else { many }));
            after_negative = count < 0;
        }
    }
    if interval.micros != 0 || parts.is_empty() {
        let sign = match interval.micros {
            negative if negative < 0 => "-",
            _ if after_negative => "+",
            _ => "",
        };
        let magnitude = i64::try_from(interval.micros.unsigned_abs()).unwrap_or(i64::MAX);
        parts.push(format!("{sign}{}", format_time(magnitude)));
    }
    parts.join(" ")
}

/// Reads a date.
///
/// # Errors
/// `22007` for what is no date, `22008` for one outside the calendar.
pub fn parse_date(text: &str) -> Result<i32, PgError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i32::MAX),
        "-infinity" => return Ok(i32::MIN),
        "epoch" => return Ok(-(EPOCH_DAYS as i32)),
        _ => {}
    }
    let date = text.trim().split([' ', 'T']).next().unwrap_or_default();
    let days = civil(date).ok_or_else(|| invalid("date", text))??;
    i32::try_from(days).map_err(|_| PgError::new("22008", "date out of range"))
}

fn civil(text: &str) -> Option<Result<i64, PgError>> {
    let mut parts = text.splitn(3, '-');
    let mut next = || parts.next()?.parse::<u32>().ok().map(i64::from);
    let (year, month, day) = (next()?, next()?, next()?);
    let days = days_from_civil(year, month.clamp(1, 12), day);
    if !(1..=12).contains(&month) || year > 200_000 || civil_from_days(days) != (year, month, day) {
        let message = format!("date/time field value out of range: \"{text}\"");
        return Some(Err(PgError::new("22008", message)));
    }
    Some(Ok(days))
}

/// Reads a timestamp; an offset is applied when `zone`, and ignored otherwise, as Postgres does.
///
/// # Errors
/// `22007` for what is no timestamp, `22008` for one outside the calendar.
pub fn parse_timestamp(text: &str, zone: bool) -> Result<i64, PgError> {
    let name = if zone {
        "timestamp with time zone"
    } else {
        "timestamp"
    };
    let trimmed = text.trim();
    match trimmed.to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i64::MAX),
        "-infinity" => return Ok(i64::MIN),
        "epoch" => return Ok(-EPOCH_DAYS * DAY),
        _ => {}
    }
    let (date, time) = trimmed.split_once([' ', 'T']).unwrap_or((trimmed, ""));
    let days = civil(date).ok_or_else(|| invalid(name, text))??;
    let (micros, offset) = clock(time.trim()).ok_or_else(|| invalid(name, text))?;
    let total = i128::from(days) * i128::from(DAY) + i128::from(micros);
    let total = if zone { total - i128::from(offset) } else { total };
    i64::try_from(total).map_err(|_| PgError::new("22008", format!("timestamp out of range: \"{text}\"")))
}

/// Microseconds of the day, and the offset from UTC in microseconds.
fn clock(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let upper = text.to_ascii_uppercase();
    let text = upper.trim_end_matches('Z').trim_end_matches("UTC").trim_end();
    let at = text.find(['+', '-']).unwrap_or(text.len());
    let (time, offset) = text.split_at(at);
    let micros = hours(time.trim())?;
    let offset = match offset.as_bytes().first() {
        Some(b'-') => -hours(&offset[1..])?,
        Some(_) => hours(&offset[1..])?,
        None => 0,
    };
    (micros <= DAY).then_some((micros, offset))
}

/// `h`, `h:m` or `h:m:s.f` in microseconds.
fn hours(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hour: u32 = parts.next()?.parse().ok()?;
    let minute: u32 = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    let seconds = parts.next().map_or(Some(0), seconds)?;
    if parts.next().is_some() || minute > 59 || hour > 2_000_000_000 || seconds > 60_000_000 {
        return None;
    }
    Some((i64::from(hour) * 3600 + i64::from(minute) * 60) * 1_000_000 + seconds)
}

/// `s.f` in microseconds.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u32 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(i64::from(whole) * 1_000_000 + six.parse::<i64>().ok()?)
}

/// Reads an interval: `1 day 02:03:04.5`, `-5 minutes`, `2 years 3 mons`.
///
/// # Errors
/// `22007` for what is no interval.
pub fn parse_interval(text: &str) -> Result<Interval, PgError> {
    read_interval(text).ok_or_else(|| invalid("interval", text))
}

fn read_interval(text: &str) -> Option<Interval> {
    let lower = text.trim().to_ascii_lowercase();
    let mut interval = Interval::default();
    let mut words = lower.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        let (sign, unsigned) = match word.as_bytes().first() {
            Some(b'-') => (-1, &word[1..]),
            Some(b'+') => (1, &word[1..]),
            _ => (1, word),
        };
        if unsigned.contains(':') {
            interval.micros = interval.micros.checked_add(sign * hours(unsigned)?)?;
            continue;
        }
        let split = unsigned
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(unsigned.len());
        let (number, unit) = unsigned.split_at(split);
        let number: f64 = number.parse().ok()?;
        let unit = if unit.is_empty() {
            words.next().unwrap_or("s")
        } else {
            unit
        };
        add_unit(&mut interval, number * sign as f64, unit)?;
    }
    Some(interval)
}

fn add_unit(interval: &mut Interval, number: f64, unit: &str) -> Option<()> {
    let unit = if unit.len() > 1 {
        unit.trim_end_matches('s')
    } else {
        unit
    };
    let (months, days, micros) = match unit {
        "y" | "yr" | "year" => (12.0, 0.0, 0.0),
        "mon" | "month" => (1.0, 0.0, 0.0),
        "w" | "week" => (0.0, 7.0, 0.0),
        "d" | "day" => (0.0, 1.0, 0.0),
        "h" | "hr" | "hour" => (0.0, 0.0, 3_600_000_000.0),
        "m" | "min" | "minute" => (0.0, 0.0, 60_000_000.0),
        "s" | "sec" | "second" => (0.0, 0.0, 1_000_000.0),
        "m\u{0}" | "ms" | "msec" | "millisecond" => (0.0, 0.0, 1000.0),
        "u" | "usec" | "microsecond" => (0.0, 0.0, 1.0),
        _ => return None,
    };
    let whole_months = (months * number).trunc();
    let all_days = days * number + (months * number - whole_months) * 30.0;
    let whole_days = all_days.trunc();
    let rest = micros * number + (all_days - whole_days) * DAY as f64;
    interval.months = interval.months.checked_add(whole_months as i32)?;
    interval.days = interval.days.checked_add(whole_days as i32)?;
    interval.micros = interval.micros.checked_add(rest.round() as i64)?;
    Some(())
}

fn invalid(name: &str, text: &str) -> PgError {
    PgError::new(
        "22007",
        format!("invalid input syntax for type {name}: \"{text}\""),
    )
}
