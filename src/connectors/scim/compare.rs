//! Compares an account with the requested one. Systems change the spelling of values: a difference in spelling counts
//! as equal after a write, and as different before one. Pure.

use chrono::DateTime;
use serde_json::{Value, json};

use super::attribute::{Attribute, primary};

/// The required agreement of texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Any,
}

/// Returns a member of an object; SCIM names ignore case.
pub fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    member(object, name).and_then(Value::as_str)
}

fn whole<'a>(account: &'a Value, attribute: &Attribute) -> Option<&'a Value> {
    let place = match &attribute.schema {
        Some(schema) => member(account, schema)?,
        None => account,
    };
    member(place, &attribute.name)
}

/// Returns the value of an attribute, or of a part of it; for a list, the part of each element.
fn values<'a>(account: &'a Value, attribute: &Attribute, part: Option<&str>) -> Vec<&'a Value> {
    match (whole(account, attribute), part) {
        (None | Some(Value::Null), _) => Vec::new(),
        (Some(value), None) => vec![value],
        (Some(Value::Array(list)), Some(part)) => list.iter().filter_map(|one| member(one, part)).collect(),
        (Some(value), Some(part)) => member(value, part).into_iter().collect(),
    }
}

/// Returns whether a found account has the value of the search. Ids are case sensitive; names and addresses are not.
pub fn matches(account: &Value, attribute: &Attribute, value: &Value) -> bool {
    let exact = attribute.schema.is_none()
        && ["id", "externalId"].iter().any(|id| attribute.name.eq_ignore_ascii_case(id));
    agrees(account, attribute, value, if exact { Case::Exact } else { Case::Any })
}

pub fn matches_loosely(account: &Value, attribute: &Attribute, value: &Value) -> bool {
    agrees(account, attribute, value, Case::Any)
}

fn agrees(account: &Value, attribute: &Attribute, value: &Value, case: Case) -> bool {
    let part = if attribute.primary { Some("value") } else { attribute.part.as_deref() };
    values(account, attribute, part).into_iter().any(|held| same(value, held, case))
}

/// Returns whether no write is needed.
pub fn held(account: &Value, attribute: &Attribute, value: &Value) -> bool {
    is(account, attribute, value, Case::Exact)
}

/// Returns whether a written value is present.
pub fn kept(account: &Value, attribute: &Attribute, value: &Value) -> bool {
    is(account, attribute, value, Case::Any)
}

fn is(account: &Value, attribute: &Attribute, value: &Value, case: Case) -> bool {
    if attribute.primary {
        let list = whole(account, attribute).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let held = main(list).and_then(|main| list.get(main)).and_then(|entry| member(entry, "value"));
        return same(value, held.unwrap_or(&Value::Null), case);
    }
    let held = values(account, attribute, attribute.part.as_deref());
    match held.as_slice() {
        [] => same(value, &Value::Null, case),
        all => all.iter().all(|held| same(value, held, case)),
    }
}

/// Returns the value to write. One mail address is written into the list; the other entries stay.
pub fn to_write(account: &Value, attribute: &Attribute, value: &Value) -> Value {
    if !attribute.primary {
        return value.clone();
    }
    let mut list = whole(account, attribute).and_then(Value::as_array).cloned().unwrap_or_default();
    match (main(&list), value.is_null()) {
        (Some(main), true) => {
            list.remove(main);
        }
        (Some(main), false) => {
            if let Some(entry) = list.get_mut(main).and_then(Value::as_object_mut) {
                // The display text belongs to the old address.
                entry.retain(|key, _| {
                    !key.eq_ignore_ascii_case("value") && !key.eq_ignore_ascii_case("display")
                });
                entry.insert("value".to_owned(), value.clone());
            }
        }
        (None, true) => {}
        (None, false) => list.push(primary(value)),
    }
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// Returns the primary entry of a list, else the one for work, else a single entry.
fn main(list: &[Value]) -> Option<usize> {
    let is_primary =
        |entry: &Value| member(entry, "primary").is_some_and(|flag| same(&true.into(), flag, Case::Any));
    let is_work = |entry: &Value| text(entry, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("work"));
    let alone = || (list.len() == 1 && list.iter().all(Value::is_object)).then_some(0);
    list.iter().position(is_primary).or_else(|| list.iter().position(is_work)).or_else(alone)
}

fn same(asked: &Value, held: &Value, case: Case) -> bool {
    match (asked, held) {
        (Value::Null, held) => match held {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        },
        (Value::String(asked), Value::String(held)) => {
            asked == held
                || (case == Case::Any && asked.to_lowercase() == held.to_lowercase())
                || same_moment(asked, held)
        }
        // Some systems write booleans and numbers as texts.
        (Value::Bool(asked), Value::String(held)) => held.eq_ignore_ascii_case(&asked.to_string()),
        (Value::String(asked), Value::Bool(held)) => asked.eq_ignore_ascii_case(&held.to_string()),
        (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number)) => {
            *text == number.to_string()
        }
        (Value::Number(asked), Value::Number(held)) => asked == held || asked.as_f64() == held.as_f64(),
        // Members that were not requested are ignored.
        (Value::Object(asked), Value::Object(_)) => {
            asked.iter().all(|(name, asked)| same(asked, member(held, name).unwrap_or(&Value::Null), case))
        }
        (Value::Array(asked), Value::Array(held)) => {
            asked.len() == held.len()
                && asked.iter().all(|asked| held.iter().any(|held| same(asked, held, case)))
                && held.iter().all(|held| asked.iter().any(|asked| same(asked, held, case)))
        }
        (Value::Array(asked), Value::Null) => asked.is_empty(),
        (asked, held) => asked == held,
    }
}

fn same_moment(asked: &str, held: &str) -> bool {
    let moment = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    moment(asked).zip(moment(held)).is_some_and(|(asked, held)| asked == held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, asked: Value, account: Value, before: bool, after: bool) {
        let attribute = Attribute::parse(name).unwrap();
        assert_eq!(held(&account, &attribute, &asked), before, "held: {name} {asked} {account}");
        assert_eq!(kept(&account, &attribute, &asked), after, "kept: {name} {asked} {account}");
    }

    #[test]
    fn attributes_are_compared_with_the_requested_values() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        check("title", json!("Lead"), json!({"title": "Lead"}), true, true);
        check("title", json!("Lead"), json!({"Title": "LEAD"}), false, true);
        check("title", json!("Lead"), json!({}), false, false);
        check("title", json!(null), json!({}), true, true);
        check("title", json!(null), json!({"title": "Lead"}), false, false);
        check("active", json!(false), json!({"active": "False"}), true, true);
        check("active", json!(false), json!({"active": true}), false, false);
        check("name.givenName", json!("A"), json!({"name": {"givenName": "A"}}), true, true);
        check("name", json!({"givenName": "A"}), json!({"name": {"givenName": "A", "x": 1}}), true, true);
        check(
            "hired",
            json!("2026-01-01T00:00:00Z"),
            json!({"hired": "2026-01-01T01:00:00+01:00"}),
            true,
            true,
        );
        check(&format!("{urn}:department"), json!("IT"), json!({(urn): {"department": "IT"}}), true, true);
        check(
            "emails",
            json!([{"value": "a"}]),
            json!({"emails": [{"value": "a", "type": "work"}]}),
            true,
            true,
        );
        check(
            "emails",
            json!([{"value": "a"}]),
            json!({"emails": [{"value": "a"}, {"value": "b"}]}),
            false,
            false,
        );
        check("emails", json!([]), json!({}), true, true);
        let two = json!({"emails": [{"value": "b", "type": "home"}, {"value": "a", "primary": true}]});
        check("email", json!("a"), two.clone(), true, true);
        check("email", json!("b"), two.clone(), false, false);
    }

    #[test]
    fn one_value_of_a_multi_valued_attribute_is_compared() {
        let email = Attribute::parse("email").unwrap();
        let two = json!({"emails": [{"value": "b", "type": "home"}, {"value": "a", "primary": true, "display": "a"}]});
        for (account, asked, expected) in [
            (json!({}), json!("c"), json!([{"value": "c", "type": "work", "primary": true}])),
            (
                two.clone(),
                json!("c"),
                json!([{"value": "b", "type": "home"}, {"primary": true, "value": "c"}]),
            ),
            (two, json!(null), json!([{"value": "b", "type": "home"}])),
            (json!({"emails": [{"value": "a"}]}), json!("c"), json!([{"value": "c"}])),
            (json!({"emails": [{"value": "a"}]}), json!(null), json!(null)),
        ] {
            assert_eq!(to_write(&account, &email, &asked), expected, "{account} {asked}");
        }
    }
}
