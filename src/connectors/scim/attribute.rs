//! Converts attribute names of policies to SCIM. Pure.
//!
//! | a policy writes | it becomes |
//! |---|---|
//! | `userName`, `active`, `title` | the attribute of that name |
//! | `name.givenName` | a part of an attribute |
//! | `email` | the primary one of `emails` |
//! | `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department` | an attribute of an extension |
//!
//! `id`, `meta` and `schemas` belong to the system, and `externalId` is set when an account is created.

use serde_json::{Map, Value, json};

use crate::model::{Failure, Fields};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// One attribute, or one part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The spelling of the policy.
    pub spelled: String,
    /// The extension that it belongs to; `None`: the core schema.
    pub schema: Option<String>,
    pub name: String,
    pub part: Option<String>,
    /// True for the short form: one mail address stands for the primary one of a list.
    pub primary: bool,
}

impl Attribute {
    pub fn external_id() -> Self {
        Self::plain("externalId")
    }

    fn plain(name: &str) -> Self {
        Self { spelled: name.to_owned(), schema: None, name: name.to_owned(), part: None, primary: false }
    }

    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::refused(format!(
                "'{text}' is not the name of a SCIM attribute such as userName, name.givenName or \
                 urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
            ))
        };
        let is_urn = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
        let (schema, rest) = match text.rsplit_once(':') {
            Some((schema, rest)) if is_urn && schema.len() > 4 => (Some(schema), rest),
            Some(_) => return Err(wrong()),
            None => (None, text),
        };
        let (name, part) = rest.split_once('.').map_or((rest, None), |(name, part)| (name, Some(part)));
        if !is_name(name) || !part.is_none_or(|part| is_name(part) || part == "$ref") {
            return Err(wrong());
        }
        let schema = schema.filter(|schema| !schema.eq_ignore_ascii_case(CORE));
        if schema.is_none() && part.is_none() && name == "email" {
            return Ok(Self { primary: true, spelled: text.to_owned(), ..Self::plain("emails") });
        }
        Ok(Self {
            spelled: text.to_owned(),
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            part: part.map(str::to_owned),
            primary: false,
        })
    }

    /// Returns the path of a change.
    pub fn path(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| format!("{schema}:")).unwrap_or_default();
        let part = self.part.as_ref().map(|part| format!(".{part}")).unwrap_or_default();
        format!("{schema}{}{part}", self.name)
    }

    /// Returns the path of a search: for an address of a list, its value.
    pub fn path_of_value(&self) -> String {
        if self.primary { format!("{}.value", self.path()) } else { self.path() }
    }

    /// Returns whether the value cannot be read back: passwords are write-only.
    pub fn is_write_only(&self) -> bool {
        self.schema.is_none() && self.name.eq_ignore_ascii_case("password")
    }

    fn is_the_systems(&self) -> bool {
        self.schema.is_none()
            && ["id", "meta", "schemas"].iter().any(|own| self.name.eq_ignore_ascii_case(own))
    }

    /// Returns the key of the attribute. SCIM names ignore case.
    fn slot(&self) -> String {
        self.path().to_ascii_lowercase()
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// Returns the attributes that a policy requests for an account.
pub fn wanted(attributes: &Fields) -> Result<Vec<(Attribute, Value)>, Failure> {
    let mut wanted = Vec::<(Attribute, Value)>::new();
    for (text, value) in attributes {
        let attribute = Attribute::parse(text)?;
        if attribute.is_the_systems() {
            return Err(Failure::refused(format!("'{text}' is read-only in the target system")));
        }
        let overlaps = |other: &Attribute| {
            let (a, b) = (other.slot(), attribute.slot());
            a == b || a.starts_with(&format!("{b}.")) || b.starts_with(&format!("{a}."))
        };
        if let Some((other, _)) = wanted.iter().find(|(other, _)| overlaps(other)) {
            return Err(Failure::refused(format!("'{}' and '{text}' set the same attribute", other.spelled)));
        }
        if attribute.primary && !value.is_null() && value.as_str().is_none_or(str::is_empty) {
            return Err(Failure::refused("'email' is one mail address; write a list as 'emails'"));
        }
        wanted.push((attribute, value.clone()));
    }
    if wanted.is_empty() {
        return Err(Failure::refused("no attribute is given"));
    }
    Ok(wanted)
}

/// Returns the attributes by which an account is found. An empty value would match other accounts.
pub fn keys(matching: &Fields) -> Result<Vec<(Attribute, Value)>, Failure> {
    let mut keys = Vec::new();
    for (text, value) in matching {
        let attribute = Attribute::parse(text)?;
        let fits = match value {
            Value::String(text) => !text.trim().is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !fits {
            return Err(Failure::refused(format!(
                "'{text}' is empty or not a single value; it cannot find an account"
            )));
        }
        keys.push((attribute, value.clone()));
    }
    if keys.is_empty() {
        return Err(Failure::refused("'match' has no attributes"));
    }
    Ok(keys)
}

/// Returns the resource of a new account.
pub fn account(external_id: &str, attributes: &Fields) -> Result<Value, Failure> {
    let mut account = Map::new();
    let mut schemas = vec![CORE.to_owned()];
    account.insert("schemas".to_owned(), Value::Null);
    account.insert("externalId".to_owned(), external_id.into());
    for (attribute, value) in wanted(attributes)? {
        if attribute.schema.is_none() && attribute.name.eq_ignore_ascii_case("externalId") {
            return Err(Failure::refused("'externalId' is set by the case; remove it from the attributes"));
        }
        if value.is_null() {
            continue;
        }
        let value = if attribute.primary { json!([primary(&value)]) } else { value };
        let place = match &attribute.schema {
            None => Some(&mut account),
            Some(schema) => {
                let known = schemas.iter().find(|known| known.eq_ignore_ascii_case(schema)).cloned();
                let schema = known.unwrap_or_else(|| {
                    schemas.push(schema.clone());
                    schema.clone()
                });
                account.entry(schema).or_insert_with(|| Map::new().into()).as_object_mut()
            }
        };
        let place = match (&attribute.part, place) {
            (None, place) => place.map(|place| (place, attribute.name.as_str())),
            (Some(part), Some(place)) => {
                let held = place.keys().find(|held| held.eq_ignore_ascii_case(&attribute.name)).cloned();
                let whole = place.entry(held.unwrap_or_else(|| attribute.name.clone()));
                let whole = whole.or_insert_with(|| Map::new().into()).as_object_mut();
                whole.map(|whole| (whole, part.as_str()))
            }
            (Some(_), None) => None,
        };
        if let Some((place, name)) = place {
            place.insert(name.to_owned(), value);
        }
    }
    account.insert("schemas".to_owned(), json!(schemas));
    Ok(account.into())
}

/// Returns a list entry for one address.
pub fn primary(address: &Value) -> Value {
    json!({"value": address, "type": "work", "primary": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn attribute_names_are_parsed() {
        for (text, expected) in [
            ("userName", "userName"),
            ("name.givenName", "name.givenName"),
            ("email", "emails"),
            ("emails.value", "emails.value"),
            (&format!("{ENTERPRISE}:department"), &*format!("{ENTERPRISE}:department")),
            (&format!("{ENTERPRISE}:manager.$ref"), &*format!("{ENTERPRISE}:manager.$ref")),
            (&format!("{CORE}:title"), "title"),
        ] {
            assert_eq!(Attribute::parse(text).unwrap().path(), expected, "{text}");
        }
        for text in
            ["", ".", "a.", "a.b.c", "7a", "a b", "emails[type eq \"work\"].value", "x:y", "urn:y", "ä"]
        {
            assert!(Attribute::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn dotted_attributes_create_nested_json() {
        let asked = json!({
            "userName": "jane", "name.givenName": "Jane", "Name.familyName": "Smith", "email": "jane@x.example",
            "active": true, "title": null,
            (format!("{ENTERPRISE}:department")): "IT", (format!("{ENTERPRISE}:manager.value")): "26",
        });
        let expected = json!({
            "schemas": [CORE, ENTERPRISE], "externalId": "u-1", "userName": "jane",
            "name": {"givenName": "Jane", "familyName": "Smith"},
            "emails": [{"value": "jane@x.example", "type": "work", "primary": true}], "active": true,
            (ENTERPRISE): {"department": "IT", "manager": {"value": "26"}},
        });
        assert_eq!(account("u-1", &fields(asked)).unwrap(), expected);
    }

    #[test]
    fn invalid_attributes_are_refused() {
        for (asked, says) in [
            (json!({}), "no attribute"),
            (json!({"id": "7"}), "read-only"),
            (json!({"Schemas": []}), "read-only"),
            (json!({"externalId": "7"}), "set by the case"),
            (json!({"name": {}, "name.givenName": "x"}), "set the same attribute"),
            (json!({"email": "x", "emails": []}), "set the same attribute"),
            (json!({"userName": "x", "username": "x"}), "set the same attribute"),
            (json!({"email": ["x"]}), "one mail address"),
        ] {
            let failure = account("u-1", &fields(asked.clone())).unwrap_err();
            assert!(failure.reason.contains(says), "{asked}: {}", failure.reason);
        }
        for matching in
            [json!({}), json!({"userName": " "}), json!({"userName": null}), json!({"emails": []})]
        {
            assert!(keys(&fields(matching.clone())).is_err(), "{matching}");
        }
    }
}
