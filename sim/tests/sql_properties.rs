//! What holds for every value and every text: binary forms read back as they were, chunks may be cut
//! anywhere, and no text makes the parser or an input function panic.

use leftover_sim::postgres::sql::copy::{CopyFormat, copy_out_rows};
use leftover_sim::postgres::sql::copy_in::CopyInDecoder;
use leftover_sim::postgres::sql::host::Column;
use leftover_sim::postgres::sql::parse::parse;
use leftover_sim::postgres::sql::value::{Interval, Numeric, Type, Value};
use proptest::prelude::*;

fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    let text = "[a-zA-Z0-9 \\\\\t\n\"{},äß]{0,12}";
    prop_oneof![
        any::<bool>().prop_map(|v| (Type::Bool, Value::Bool(v))),
        any::<i16>().prop_map(|v| (Type::Int2, Value::Int(v.into()))),
        any::<i32>().prop_map(|v| (Type::Int4, Value::Int(v.into()))),
        any::<i64>().prop_map(|v| (Type::Int8, Value::Int(v))),
        any::<u32>().prop_map(|v| (Type::Oid, Value::Int(v.into()))),
        any::<f32>().prop_map(|v| (Type::Float4, Value::Float(f64::from(v)))),
        any::<f64>().prop_map(|v| (Type::Float8, Value::Float(v))),
        (any::<i64>(), 0..12_u16).prop_map(|(v, scale)| {
            (
                Type::Numeric(None),
                Value::Numeric(Box::new(Numeric {
                    digits: Some(v.into()),
                    scale,
                })),
            )
        }),
        text.prop_map(|v| (Type::Text, Value::from(v))),
        text.prop_map(|v| (Type::Name, Value::from(v))),
        text.prop_map(|v| (Type::Json, Value::from(v))),
        text.prop_map(|v| (Type::Jsonb, Value::from(v))),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|v| (Type::Bytea, Value::Bytes(v.into()))),
        any::<u128>().prop_map(|v| {
            (
                Type::Uuid,
                Type::Uuid
                    .parse_text(&format!("{v:032x}"))
                    .expect("32 digits are a uuid"),
            )
        }),
        (-60_000_000_000_000_000..60_000_000_000_000_000_i64)
            .prop_map(|v| (Type::Timestamptz(None), Value::Timestamp(v))),
        (-700_000..2_000_000_i32).prop_map(|v| (Type::Date, Value::Date(v))),
        (0..1000_i32, 0..1000_i32, 0..86_400_000_000_i64).prop_map(|(months, days, micros)| {
            (
                Type::Interval,
                Value::Interval(Box::new(Interval { months, days, micros })),
            )
        }),
        any::<u64>().prop_map(|v| (Type::Lsn, Value::Lsn(v))),
        (any::<u32>(), any::<u16>()).prop_map(|(a, b)| (Type::Tid, Value::Tid(a, b))),
        proptest::collection::vec(proptest::option::of(text), 0..4).prop_map(|v| {
            (
                Type::Array(Type::Text.into()),
                Value::Array(v.into_iter().map(Value::from).collect()),
            )
        }),
        Just((Type::Int4, Value::Null)),
    ]
}

fn through(row: &[(Type, Value)], format: &CopyFormat, cut: usize) -> Vec<Vec<Value>> {
    let types: Vec<Type> = row.iter().map(|(ty, _)| ty.clone()).collect();
    let values: Vec<Value> = row.iter().map(|(_, value)| value.clone()).collect();
    let mut bytes = Vec::new();
    for payload in copy_out_rows(vec![values.clone(), values], &types, format) {
        bytes.extend_from_slice(&payload.expect("every one of these types has a binary form"));
    }
    let column = |ty: &Type| Column {
        name: "c".to_owned(),
        ty: ty.clone(),
    };
    let columns = types.iter().map(column).collect();
    let mut decoder = CopyInDecoder::new(columns, format.clone());
    let mut rows = Vec::new();
    for chunk in bytes.chunks(cut) {
        rows.extend(decoder.feed(chunk).expect("what COPY sends, COPY reads"));
    }
    rows.extend(decoder.finish().expect("and it ends"));
    rows
}

proptest! {
    #[test]
    fn what_copy_sends_copy_reads(row in proptest::collection::vec(typed_value(), 1..6), cut in 1..40_usize) {
        let values: Vec<Value> = row.iter().map(|(_, value)| value.clone()).collect();
        let text = CopyFormat::Text { delimiter: b'\t', null: "\\N".into() };
        for format in [CopyFormat::Binary, text] {
            prop_assert_eq!(through(&row, &format, cut), vec![values.clone(), values.clone()]);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_statement_of_words_makes_the_parser_panic(
        words in proptest::collection::vec(
            prop_oneof![
                Just("COPY"), Just("SET"), Just("LOCK"), Just("BEGIN"), Just("CREATE PUBLICATION"), Just("("),
                Just(")"), Just("t"), Just(","), Just("'x"), Just("'x'"), Just("TO"), Just("="), Just(";"),
                Just("SELECT"), Just("FROM"), Just("$1"), Just("\"a"), Just("WITH"), Just("ä"), Just("\n"),
            ],
            0..12,
        )
    ) {
        let _ = parse(&words.join(" "));
    }

    #[test]
    fn no_input_makes_a_type_panic(text in "\\PC{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..40), oid in 0..4000_u32) {
        if let Some(ty) = Type::from_oid(oid, -1) {
            let _ = ty.parse_text(&text);
            let _ = ty.parse_binary(&bytes);
        }
        for ty in [Type::Numeric(None), Type::Interval, Type::Timestamptz(None), Type::Array(Type::Int4.into())] {
            let _ = ty.parse_text(&text);
            let _ = ty.parse_binary(&bytes);
        }
    }
}
