//! `numeric` up to 38 digits.

use std::cmp::Ordering;

use super::error::PgError;

/// A decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numeric {
    /// The digits without the point; `None` is NaN.
    pub digits: Option<i128>,
    /// How many of them stand behind the point.
    pub scale: u16,
}

impl From<i64> for Numeric {
    fn from(int: i64) -> Self {
        Self {
            digits: Some(i128::from(int)),
            scale: 0,
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value; NaN equals itself and is above every number.
impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.digits, other.digits) {
            (None, None) => Ordering::Equal,
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
            (Some(a), Some(b)) => match align(a, self.scale, b, other.scale) {
                Some((a, b, _)) => a.cmp(&b),
                None => self.to_f64().total_cmp(&other.to_f64()),
            },
        }
    }
}

impl Numeric {
    /// Not a number.
    pub const NAN: Numeric = Numeric {
        digits: None,
        scale: 0,
    };

    /// Reads a decimal number, exponent allowed.
    ///
    /// # Errors
    /// `22P02` for what is no number, `22003` beyond 38 digits.
    pub fn parse(text: &str) -> Result<Self, PgError> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("nan") {
            return Ok(Self::NAN);
        }
        let invalid = || PgError::invalid_text("numeric", text);
        let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
            None => (trimmed, 0),
        };
        let (negative, unsigned) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.len() + fraction.len() == 0
            || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        {
            return Err(invalid());
        }
        let mut digits: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            digits = digits
                .checked_mul(10)
                .and_then(|digits| digits.checked_add(i128::from(digit - b'0')))
                .ok_or_else(too_large)?;
        }
        let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX) - i64::from(exponent);
        if scale < 0 {
            let factor = power(u32::try_from(-scale).map_err(|_| too_large())?).ok_or_else(too_large)?;
            digits = digits.checked_mul(factor).ok_or_else(too_large)?;
        }
        let scale = u16::try_from(scale.max(0)).map_err(|_| too_large())?;
        Ok(Self {
            digits: Some(if negative { -digits } else { digits }),
            scale,
        })
    }

    /// The nearest float.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The number with this many digits behind the point, rounded half away from zero.
    ///
    /// # Errors
    /// `22003` beyond 38 digits.
    pub fn rescale(self, scale: u16) -> Result<Self, PgError> {
        let Some(digits) = self.digits else {
            return Ok(self);
        };
        if scale >= self.scale {
            let factor = power(u32::from(scale - self.scale)).ok_or_else(too_large)?;
            return Ok(Self {
                digits: Some(digits.checked_mul(factor).ok_or_else(too_large)?),
                scale,
            });
        }
        let rounded = match power(u32::from(self.scale - scale)) {
            Some(factor) => divide_rounding(digits, factor),
            None => 0,
        };
        Ok(Self {
            digits: Some(rounded),
            scale,
        })
    }

    /// The nearest integer.
    ///
    /// # Errors
    /// `22003` when it does not fit, `0A000` for NaN.
    pub fn to_i64(self) -> Result<i64, PgError> {
        let whole = self.rescale(0)?;
        let digits = whole
            .digits
            .ok_or_else(|| PgError::new("0A000", "cannot convert NaN to bigint"))?;
        i64::try_from(digits).map_err(|_| PgError::out_of_range("bigint"))
    }

    /// `+`, `-`, `*`, `/` or `%`.
    ///
    /// # Errors
    /// `22003` beyond 38 digits, `22012` for division by zero.
    pub fn arithmetic(self, operator: char, other: Self) -> Result<Self, PgError> {
        let (Some(a), Some(b)) = (self.digits, other.digits) else {
            return Ok(Self::NAN);
        };
        match operator {
            '*' => {
                let digits = a.checked_mul(b).ok_or_else(too_large)?;
                Ok(Self {
                    digits: Some(digits),
                    scale: self.scale.checked_add(other.scale).ok_or_else(too_large)?,
                })
            }
            '/' => self.divide(a, other, b),
            _ => {
                let (a, b, scale) = align(a, self.scale, b, other.scale).ok_or_else(too_large)?;
                let digits = match operator {
                    '+' => a.checked_add(b),
                    '-' => a.checked_sub(b),
                    _ if b == 0 => return Err(PgError::division_by_zero()),
                    _ => a.checked_rem(b),
                };
                Ok(Self {
                    digits: Some(digits.ok_or_else(too_large)?),
                    scale,
                })
            }
        }
    }

    fn divide(self, a: i128, other: Self, b: i128) -> Result<Self, PgError> {
        if b == 0 {
            return Err(PgError::division_by_zero());
        }
        let scale = quotient_scale(self, other);
        let shift = i32::from(scale) + i32::from(other.scale) - i32::from(self.scale);
        let shifted = power(shift.unsigned_abs()).ok_or_else(too_large)?;
        let quotient = if shift >= 0 {
            divide_rounding(a.checked_mul(shifted).ok_or_else(too_large)?, b)
        } else {
            divide_rounding(a, b.checked_mul(shifted).ok_or_else(too_large)?)
        };
        Ok(Self {
            digits: Some(quotient),
            scale,
        })
    }

    /// The number in groups of four decimal digits, as Postgres stores it: weight of the first group, groups.
    #[must_use]
    pub fn groups(self) -> (i16, Vec<i16>) {
        let digits = self.digits.unwrap_or(0).unsigned_abs();
        if digits == 0 {
            return (0, Vec::new());
        }
        let text = digits.to_string();
        let scale = usize::from(self.scale);
        let text = format!("{text:0>width$}", width = scale + 1);
        let (whole, fraction) = text.split_at(text.len() - scale);
        let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let fraction = format!("{fraction}{}", "0".repeat((4 - scale % 4) % 4));
        let mut weight = (whole.len() / 4) as i16 - 1;
        let all = format!("{whole}{fraction}");
        let mut groups: Vec<i16> = all
            .as_bytes()
            .chunks(4)
            .map(|four| four.iter().fold(0, |n, b| n * 10 + i16::from(b - b'0')))
            .collect();
        while groups.last() == Some(&0) {
            groups.pop();
        }
        let zeros = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..zeros);
        weight -= zeros as i16;
        (weight, groups)
    }

    /// The number of these groups of four digits, the first with this weight.
    ///
    /// # Errors
    /// `22003` beyond 38 digits.
    pub fn from_groups(negative: bool, weight: i16, groups: &[i16], scale: u16) -> Result<Self, PgError> {
        let mut digits: i128 = 0;
        for group in groups {
            digits = digits
                .checked_mul(10_000)
                .and_then(|digits| digits.checked_add(i128::from(*group)))
                .ok_or_else(too_large)?;
        }
        // The last group stands at 10000^(weight - len + 1).
        let exponent = 4 * (i32::from(weight) - groups.len() as i32 + 1) + i32::from(scale);
        let factor = if groups.is_empty() {
            Some(1)
        } else {
            power(exponent.unsigned_abs())
        };
        let factor = factor.ok_or_else(too_large)?;
        let digits = if exponent >= 0 {
            digits.checked_mul(factor).ok_or_else(too_large)?
        } else {
            digits / factor
        };
        Ok(Self {
            digits: Some(if negative { -digits } else { digits }),
            scale,
        })
    }
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(digits) = self.digits else {
            return f.write_str("NaN");
        };
        let sign = if digits < 0 { "-" } else { "" };
        let scale = usize::from(self.scale);
        let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = text.split_at(text.len() - scale);
        if scale == 0 {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

/// How many digits a quotient shows: at least 16 significant ones, and as many as either side had.
fn quotient_scale(a: Numeric, b: Numeric) -> u16 {
    let (weight_a, groups_a) = a.groups();
    let (weight_b, groups_b) = b.groups();
    let first_a = groups_a.first().copied().unwrap_or(0);
    let first_b = groups_b.first().copied().unwrap_or(0);
    let mut weight = i32::from(weight_a) - i32::from(weight_b);
    if first_a <= first_b {
        weight -= 1;
    }
    let scale = (16 - weight * 4)
        .max(i32::from(a.scale))
        .max(i32::from(b.scale))
        .clamp(0, 1000);
    scale as u16
}

fn align(a: i128, scale_a: u16, b: i128, scale_b: u16) -> Option<(i128, i128, u16)> {
    let scale = scale_a.max(scale_b);
    let a = a.checked_mul(power(u32::from(scale - scale_a))?)?;
    let b = b.checked_mul(power(u32::from(scale - scale_b))?)?;
    Some((a, b, scale))
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

fn divide_rounding(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    let rest = (a % b).unsigned_abs();
    if rest >= b.unsigned_abs() - rest {
        quotient + (a.signum() * b.signum())
    } else {
        quotient
    }
}

fn too_large() -> PgError {
    PgError::new(
        "22003",
        "value overflows numeric format (the simulated server holds 38 digits)",
    )
}
