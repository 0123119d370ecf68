//! Checks made-up fields of events and people in dry runs: whether each field exists and its value has the field's
//! type. A wrong name is an error, because the result would not depend on the given value.

use serde_json::Value;

use super::diagnostic::nearest;
use super::schema::{Field, FieldType};
use crate::model::{Fields, Timestamp};

/// Returns the first error in made-up fields, as a sentence that includes the fix.
pub fn fault(of: &str, known: &[Field], given: &Fields) -> Option<String> {
    given.iter().find_map(|(name, value)| {
        let path = format!("{of}.{name}");
        let Some(field) = known.iter().find(|field| field.name == name) else {
            let names = known.iter().map(|field| field.name);
            return Some(format!("unknown field {path}; {}", nearest(name, names)));
        };
        match (field.kind, value) {
            (FieldType::Record(inner), Value::Object(value)) => fault(&path, inner, value),
            (kind, value) if fits(kind, value) => None,
            (kind, _) => Some(format!("{path} holds {}", word(kind))),
        }
    })
}

/// Reports whether a value has the field's type. Null fits every type.
fn fits(kind: FieldType, value: &Value) -> bool {
    let text = value.as_str();
    value.is_null()
        || match kind {
            FieldType::Any => true,
            FieldType::Text => text.is_some(),
            FieldType::Number => value.is_number(),
            FieldType::Bool => value.is_boolean(),
            FieldType::Time => text.is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            FieldType::Date => text.is_some_and(|text| text.parse::<chrono::NaiveDate>().is_ok()),
            FieldType::List => value.is_array(),
            FieldType::Map | FieldType::Record(_) => value.is_object(),
        }
}

fn word(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Any => "anything",
        FieldType::Text => "a text",
        FieldType::Number => "a number",
        FieldType::Bool => "true or false",
        FieldType::Time => "a time such as 2026-01-05T09:00:00Z",
        FieldType::Date => "a date such as 2026-01-05",
        FieldType::List => "a list such as [\"one\", \"two\"]",
        FieldType::Map | FieldType::Record(_) => "fields with names of their own",
    }
}

/// Parses a value from a command line. A field that the schema types as text stays text.
pub fn typed(field: Option<&Field>, text: &str) -> Value {
    let quoted = text.starts_with('"');
    match field.map(|field| field.kind) {
        Some(FieldType::Text | FieldType::Time | FieldType::Date) if !quoted && text != "null" => text.into(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// Overwrites fields with others; maps in both are merged.
pub fn put_over(fields: &mut Fields, over: &Fields) {
    for (name, value) in over {
        match (fields.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => put_over(old, new),
            _ => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::EventType;
    use crate::policy::schema::{USER, fields_of_event};

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn given_fields_match_the_schema() {
        let login = fields_of_event(&EventType::new("login.risk"));
        for (known, given, expected) in [
            (&login[..], json!({"score": 70, "new_device": true, "reasons": ["x"], "data": {"a": 1}}), None),
            (&login, json!({"score": null}), None),
            (&login, json!({"scroe": 70}), Some("unknown field x.scroe; did you mean `score`?")),
            (&login, json!({"score": "70"}), Some("x.score holds a number")),
            (&login, json!({"time": "noon"}), Some("x.time holds a time such as 2026-01-05T09:00:00Z")),
            (USER, json!({"manager": {"email": "m@example.com"}, "attributes": {"any": 1}}), None),
            (
                USER,
                json!({"manager": {"mail": "m"}}),
                Some("unknown field x.manager.mail; did you mean `email`?"),
            ),
            (USER, json!({"roles": "Admins"}), Some("x.roles holds a list such as [\"one\", \"two\"]")),
            (USER, json!({"manager": "m"}), Some("x.manager holds fields with names of their own")),
        ] {
            let found = fault("x", known, &fields(given.clone()));
            assert_eq!(found.as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn given_values_are_typed_and_override_read_fields() {
        let field = |name: &str| USER.iter().find(|field| field.name == name);
        for (name, text, expected) in [
            ("department", "17", json!("17")),
            ("department", "\"a b\"", json!("a b")),
            ("department", "null", Value::Null),
            ("verified_at", "2026-01-05T09:00:00Z", json!("2026-01-05T09:00:00Z")),
            ("service_account", "true", json!(true)),
            ("roles", "[\"a\"]", json!(["a"])),
            ("roles", "a", json!("a")),
            ("unheard", "17", json!(17)),
        ] {
            assert_eq!(typed(field(name), text), expected, "{name}={text}");
        }
        let mut old = fields(json!({"a": 1, "m": {"x": 1, "y": 2}}));
        put_over(&mut old, &fields(json!({"b": 2, "m": {"y": 3}})));
        assert_eq!(old, fields(json!({"a": 1, "b": 2, "m": {"x": 1, "y": 3}})));
    }
}
