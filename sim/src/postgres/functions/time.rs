//! Time, as the server's clock has it.

use leftover_core::clock::Instant;

use super::{Answer, Call};
use crate::postgres::sql::value::Value;

/// Microseconds from 2000-01-01 to 2026-01-01, when every simulation starts.
const EPOCH: i64 = 9_497 * 86_400_000_000;

/// A point of the clock in microseconds since 2000-01-01 UTC.
pub fn micros(at: Instant) -> i64 {
    EPOCH + i64::try_from(at.as_micros()).unwrap_or(i64::MAX - EPOCH)
}

/// `clock_timestamp()`.
pub fn clock_timestamp(call: &mut Call<'_>) -> Answer {
    Ok(Value::Timestamp(micros(call.state.now())))
}

/// `now()`: when the transaction began.
pub fn now(call: &mut Call<'_>) -> Answer {
    Ok(Value::Timestamp(micros(
        call.state.ensure_transaction(call.pid).started,
    )))
}

/// `statement_timestamp()`.
pub fn statement_timestamp(call: &mut Call<'_>) -> Answer {
    Ok(Value::Timestamp(micros(
        call.state.backend_ref(call.pid).activity.query_start,
    )))
}

/// `pg_postmaster_start_time()`.
pub fn start(_call: &mut Call<'_>) -> Answer {
    Ok(Value::Timestamp(EPOCH))
}
