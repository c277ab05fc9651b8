//! Functions of their arguments alone.

use std::rc::Rc;

use super::error::PgError;
use super::plan::{PureFn, Typed};
use super::value::{Numeric, Type, Value};

/// What a parameter takes.
#[derive(Debug)]
pub(crate) enum Param {
    /// Values that become this type by themselves.
    Is(Type),
    /// Any number, as it is.
    Number,
    /// Any array.
    Array,
    /// Anything.
    Any,
}

/// What a function returns.
#[derive(Debug)]
pub(crate) enum Returns {
    Type(Type),
    /// The type of its first argument.
    Same,
}

/// A function.
pub(crate) struct PureFunction {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) required: usize,
    /// The last parameter repeats.
    pub(crate) variadic: bool,
    pub(crate) returns: Returns,
    pub(crate) strict: bool,
    pub(crate) run: PureFn,
}

impl PureFunction {
    pub(crate) fn param(&self, index: usize) -> &Param {
        self.params
            .get(index)
            .or(self.params.last())
            .unwrap_or(&Param::Any)
    }

    pub(crate) fn fits(&self, args: &[Typed]) -> bool {
        let count = args.len() >= self.required && (self.variadic || args.len() <= self.params.len());
        count
            && args
                .iter()
                .enumerate()
                .all(|(index, arg)| takes(self.param(index), &arg.ty))
    }
}

fn takes(param: &Param, ty: &Type) -> bool {
    match param {
        Param::Any => true,
        Param::Array => matches!(ty, Type::Array(_)),
        Param::Number => ty.is_number(),
        Param::Is(_) if *ty == Type::Unknown => true,
        Param::Is(Type::Text) => ty.is_string(),
        Param::Is(Type::Int4) => matches!(ty, Type::Int2 | Type::Int4),
        Param::Is(Type::Int8) => ty.is_integer(),
        Param::Is(Type::Oid) => ty.is_oid() || ty.is_integer(),
        Param::Is(Type::Numeric(_)) => ty.is_integer() || matches!(ty, Type::Numeric(_)),
        Param::Is(Type::Float8) => ty.is_number(),
        Param::Is(Type::Timestamptz(_)) => matches!(ty, Type::Timestamptz(_)),
        Param::Is(wanted) => wanted.base() == ty.base(),
    }
}

pub(super) const TEXT: Param = Param::Is(Type::Text);
pub(super) const INT4: Param = Param::Is(Type::Int4);
pub(super) const INT8: Param = Param::Is(Type::Int8);
pub(super) const FLOAT8: Param = Param::Is(Type::Float8);
pub(super) const NUMERIC: Param = Param::Is(Type::Numeric(None));

pub(super) const fn of(
    name: &'static str,
    params: &'static [Param],
    required: usize,
    returns: Returns,
    run: PureFn,
) -> PureFunction {
    PureFunction {
        name,
        params,
        required,
        variadic: false,
        returns,
        strict: true,
        run,
    }
}

pub(super) const fn variadic(
    name: &'static str,
    params: &'static [Param],
    required: usize,
    run: PureFn,
) -> PureFunction {
    PureFunction {
        name,
        params,
        required,
        variadic: true,
        returns: Returns::Type(Type::Text),
        strict: false,
        run,
    }
}

pub(super) fn lax(function: PureFunction) -> PureFunction {
    PureFunction {
        strict: false,
        ..function
    }
}

pub(super) const TO_TEXT: fn() -> Returns = || Returns::Type(Type::Text);

/// All of them; of one name, the first that fits is taken.
pub(crate) static PURE: std::sync::LazyLock<Vec<PureFunction>> = std::sync::LazyLock::new(|| {
    let mut all = super::pure_text::texts();
    all.extend(numbers());
    all.extend(super::pure_other::others());
    all
});

#[expect(clippy::too_many_lines, reason = "a table of functions")]
fn numbers() -> Vec<PureFunction> {
    let float = || Returns::Type(Type::Float8);
    vec![
        of("abs", &[Param::Number], 1, Returns::Same, |a, t| match &a[0] {
            Value::Int(int) => int
                .checked_abs()
                .filter(|int| t[0].holds(*int))
                .map(Value::Int)
                .ok_or_else(|| PgError::out_of_range(&t[0].name())),
            Value::Float(float) => Ok(Value::Float(float.abs())),
            Value::Numeric(numeric) => Ok(Value::Numeric(Box::new(Numeric {
                digits: numeric.digits.map(i128::abs),
                scale: numeric.scale,
            }))),
            other => Ok(other.clone()),
        }),
        of(
            "ceil",
            &[NUMERIC],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| whole(&a[0], 1),
        ),
        of(
            "floor",
            &[NUMERIC],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| whole(&a[0], -1),
        ),
        of(
            "round",
            &[NUMERIC, INT4],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| {
                let scale = a.get(1).and_then(Value::as_int).unwrap_or(0).clamp(0, 1000);
                Ok(Value::Numeric(Box::new(numeric_of(&a[0]).rescale(scale as u16)?)))
            },
        ),
        of("ceil", &[FLOAT8], 1, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).ceil()))
        }),
        of("floor", &[FLOAT8], 1, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).floor()))
        }),
        of("round", &[FLOAT8], 1, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).round_ties_even()))
        }),
        of("power", &[FLOAT8, FLOAT8], 2, float(), |a, _| {
            Ok(Value::Float(float_of(a, 0).powf(float_of(a, 1))))
        }),
        of("sqrt", &[FLOAT8], 1, float(), |a, _| {
            if float_of(a, 0) < 0.0 {
                return Err(PgError::new(
                    "2201F",
                    "cannot take square root of a negative number",
                ));
            }
            Ok(Value::Float(float_of(a, 0).sqrt()))
        }),
        of("mod", &[INT8, INT8], 2, Returns::Same, |a, _| {
            match int_of(a, 1) {
                0 => Err(PgError::division_by_zero()),
                divisor => Ok(Value::Int(int_of(a, 0).wrapping_rem(divisor))),
            }
        }),
        of(
            "sign",
            &[NUMERIC],
            1,
            Returns::Type(Type::Numeric(None)),
            |a, _| {
                let digits = numeric_of(&a[0]).digits.map(i128::signum);
                Ok(Value::Numeric(Box::new(Numeric { digits, scale: 0 })))
            },
        ),
        of("int8and", &[INT8, INT8], 2, Returns::Same, |a, _| {
            Ok(Value::Int(int_of(a, 0) & int_of(a, 1)))
        }),
        of("int8or", &[INT8, INT8], 2, Returns::Same, |a, _| {
            Ok(Value::Int(int_of(a, 0) | int_of(a, 1)))
        }),
        of(
            "generate_series",
            &[INT4, INT4, INT4],
            2,
            Returns::Type(Type::Array(Type::Int4.into())),
            series,
        ),
        of(
            "generate_series",
            &[INT8, INT8, INT8],
            2,
            Returns::Type(Type::Array(Type::Int8.into())),
            series,
        ),
    ]
}

pub(super) fn str(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or("")
}

pub(super) fn int_of(args: &[Value], index: usize) -> i64 {
    args.get(index).and_then(Value::as_int).unwrap_or(0)
}

pub(super) fn float_of(args: &[Value], index: usize) -> f64 {
    args.get(index).and_then(Value::as_f64).unwrap_or(0.0)
}

fn numeric_of(value: &Value) -> Numeric {
    match value {
        Value::Numeric(numeric) => **numeric,
        other => Numeric::from(other.as_int().unwrap_or(0)),
    }
}

/// `a - b` of two LSNs.
pub(crate) fn lsn_difference(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Lsn(a), Value::Lsn(b)) => {
            let digits = Some(i128::from(*a) - i128::from(*b));
            Value::Numeric(Box::new(Numeric { digits, scale: 0 }))
        }
        _ => Value::Null,
    }
}

fn whole(value: &Value, towards: i128) -> Result<Value, PgError> {
    let numeric = numeric_of(value);
    let Some(digits) = numeric.digits else {
        return Ok(value.clone());
    };
    let unit = 10_i128
        .checked_pow(u32::from(numeric.scale))
        .ok_or_else(|| PgError::out_of_range("numeric"))?;
    let floor = digits.div_euclid(unit);
    let up = towards > 0 && digits.rem_euclid(unit) != 0;
    Ok(Value::Numeric(Box::new(Numeric {
        digits: Some(floor + i128::from(up)),
        scale: 0,
    })))
}

fn series(args: &[Value], _: &[Type]) -> Result<Value, PgError> {
    let step = args.get(2).and_then(Value::as_int).unwrap_or(1);
    if step == 0 {
        return Err(PgError::new("22023", "step size cannot equal zero"));
    }
    let (mut at, stop) = (int_of(args, 0), int_of(args, 1));
    let mut values = Vec::new();
    while (step > 0 && at <= stop) || (step < 0 && at >= stop) {
        if values.len() >= 5_000_000 {
            return Err(PgError::unsupported(
                "generate_series() of more than 5000000 rows",
            ));
        }
        values.push(Value::Int(at));
        let Some(next) = at.checked_add(step) else {
            break;
        };
        at = next;
    }
    Ok(Value::Array(Rc::from(values)))
}
