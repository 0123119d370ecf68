//! The default person of a test, which the test's own values override.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::model::{Document, Fields, Subject, SubjectKind, Timestamp};
use crate::policy::schema::fields_of_subject;
use crate::policy::tests::Found;

/// Returns a person with every field of the schema. The names are fictional.
pub(super) fn ordinary(kind: SubjectKind, but: &Fields, now: Timestamp) -> Subject {
    let text = |name: &str| but.get(name).and_then(Value::as_str);
    let domain = text("email").and_then(|email| email.split('@').nth(1)).or(text("email_domain"));
    let domain = domain.unwrap_or("partner.test");
    let long_ago = (now - TimeDelta::days(400)).to_rfc3339();
    let mut fields: Fields =
        fields_of_subject(kind).iter().map(|field| (field.name.to_owned(), Value::Null)).collect();
    let common = json!({
        "id": "1", "email": format!("ada@{domain}"), "email_domain": domain, "first_name": "Ada",
        "last_name": "Byron", "username": "ada", "locale": "en", "attributes": {},
    });
    let own = match kind {
        SubjectKind::Registration => {
            json!({"user_id": "1", "state": "not_reviewed", "created_at": now.to_rfc3339()})
        }
        SubjectKind::User => json!({
            "status": "active", "state": "approved", "roles": [], "groups": [], "created_at": long_ago,
        }),
        SubjectKind::Applicant => json!({}),
    };
    let given = [common, own].into_iter().filter_map(|value| value.as_object().cloned()).flatten();
    let given: Fields = given.chain(but.clone()).collect();
    fields
        .extend(given.into_iter().filter(|(name, _)| fields_of_subject(kind).iter().any(|f| f.name == name)));
    if but.get("email_domain").is_none() && fields.contains_key("email_domain") {
        fields.insert("email_domain".to_owned(), json!(domain));
    }
    let id = fields.get("id").and_then(Value::as_str).unwrap_or("1").to_owned();
    Subject { source: String::new(), kind, id, fields }
}

/// Returns the person's own document, with the test's values.
pub(super) fn document(person: &Subject, found: &Found) -> Document {
    let born = person.fields.get("attributes").and_then(|custom| custom.get("date_of_birth"));
    let text = |name: &str, own: Option<&str>| match found.document.get(name) {
        Some(value) => value.as_str().map(str::to_owned),
        None => own.map(str::to_owned),
    };
    let day = |name: &str, own: Option<&str>| text(name, own).and_then(|day| day.parse().ok());
    Document {
        kind: text("type", Some("PASSPORT")),
        country: text("country", Some("GBR")),
        first_name: text("first_name", person.text("first_name")),
        last_name: text("last_name", person.text("last_name")),
        date_of_birth: day("date_of_birth", born.and_then(Value::as_str)),
        expires_on: day("expires_on", None),
    }
}
