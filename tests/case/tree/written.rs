//! Policies as an administrator writes them, and people as a provider returns them.

use std::collections::BTreeMap;

use proofd::model::{Subject, SubjectKind};
use proofd::policy::{Files, Known, Policy, load};
use serde_json::{Value, json};

const PEOPLE: &str = "format: 1\nteams:\n  desk: {mail: desk@example.com}\n  \
                      soc: {mail: soc@example.com, call: paging}\nqueues:\n  desk: {team: desk}\n";
const VERIFICATIONS: &str = "
format: 1
verifications:
  full: {provider: jumio, workflow: 1, method: full, require: [liveness]}
  selfie: {provider: jumio, workflow: 2, method: authentication, require: [authentication], fallback: full}
  selfie-only: {provider: jumio, workflow: 3, method: authentication, require: [authentication]}
  twice-a-selfie:
    {provider: jumio, workflow: 4, method: authentication, require: [authentication], fallback: selfie-only}
  elsewhere: {provider: jumio, workflow: 5, method: authentication, require: [authentication], fallback: other}
  other: {provider: second, workflow: 6, method: full, require: [liveness]}
";

pub fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what}: {value} is no text"))
}

pub fn merged(mut base: Value, over: &Value) -> Value {
    let (Some(fields), Some(over)) = (base.as_object_mut(), over.as_object()) else { return base };
    fields.extend(over.clone());
    base
}

pub fn policy(written: &Value) -> Policy {
    let head = json!({"format": 1, "policy": "tried", "title": "t", "owner": "o@example.com", "mode": "enforce",
        "subject": "user", "when": [{"manual": true}]});
    let mut written = merged(head, written);
    let script = written.as_object_mut().unwrap().remove("script");
    let mut files = BTreeMap::from([
        ("people.yaml".to_owned(), PEOPLE.to_owned()),
        ("verifications.yaml".to_owned(), VERIFICATIONS.to_owned()),
        ("tried/policy.yaml".to_owned(), serde_yaml::to_string(&written).unwrap()),
    ]);
    for name in ["proof-invite", "reminder", "told"] {
        let path = format!("shared/templates/{name}/en.md");
        files.insert(path, format!("---\nsubject: {name}\n---\n{{{{ organization }}}}\n"));
    }
    if let Some(script) = script {
        files.insert("tried/acts.rhai".to_owned(), text(&script, "script").to_owned());
    }
    let files: Files = files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
    let mut loaded = load(&files, &Known::default());
    let Some(policy) = loaded.set.policies.remove("tried") else { panic!("{:#?}", loaded.diagnostics) };
    drop(loaded);
    std::sync::Arc::into_inner(policy).unwrap()
}

pub fn person(kind: SubjectKind, over: &Value) -> Subject {
    let fields = match kind {
        SubjectKind::User => json!({"id": "u1", "email": "ada@example.com", "first_name": "Ada",
            "last_name": "Byron", "status": "active", "roles": ["staff"], "groups": [], "attributes": {}}),
        SubjectKind::Registration => json!({"id": "r1", "user_id": "77", "email": "ada@partner.test",
            "state": "not_reviewed", "attributes": {}}),
        SubjectKind::Applicant => json!({"id": "a1", "email": "ada@hired.test", "attributes": {}}),
    };
    let fields = merged(fields, over).as_object().cloned().unwrap();
    Subject { source: String::new(), kind, id: text(&fields["id"], "id").to_owned(), fields }
}
