//! Search over the journals of all cases, and its export.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::audit::{AuditLine, AuditQuery};
use crate::api::bounds::{CaseCursor, CaseLimit, Moment};
use crate::http::answer::Answer;
use crate::http::extract::Query;
use crate::http::{Problem, cases};

use super::super::nav::Place;
use super::super::visit::{Visit, guards};

/// Most lines of an export.
const EXPORTED: usize = 50_000;

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Filters {
    subject: String,
    policy: String,
    revision: String,
    by: String,
    what: String,
    effect: String,
    since: String,
    until: String,
    cursor: String,
}

impl Filters {
    fn query(&self) -> AuditQuery {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        // A day without a time: its begin, and its end.
        let at = |day: &str, time: &str| {
            let text = if day.contains('T') { day.to_owned() } else { format!("{day}T{time}Z") };
            text.parse().ok().map(Moment)
        };
        AuditQuery {
            subject: given(&self.subject),
            policy: given(&self.policy),
            revision: given(&self.revision),
            by: given(&self.by),
            what: given(&self.what),
            effect: given(&self.effect),
            since: given(&self.since).and_then(|day| at(&day, "00:00:00")),
            until: given(&self.until).and_then(|day| at(&day, "23:59:59")),
            cursor: CaseCursor::new(self.cursor.clone()).ok(),
            limit: None,
        }
    }

    /// The address of these filters, without the empty ones.
    fn address(&self, cursor: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("subject", self.subject.as_str()),
            ("policy", &self.policy),
            ("revision", &self.revision),
            ("by", &self.by),
            ("what", &self.what),
            ("effect", &self.effect),
            ("since", &self.since),
            ("until", &self.until),
            ("cursor", cursor.unwrap_or_default()),
        ];
        query.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }
}

#[derive(Debug, Serialize)]
struct Found {
    filters: Filters,
    items: Vec<Shown>,
    next: Option<String>,
    export: String,
    policies: Vec<String>,
    kinds: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    line: AuditLine,
    what: String,
    detail: String,
}

/// Kinds of entries that people search for.
const KINDS: &[&str] = &[
    "opened",
    "closed",
    "decided",
    "decision_refused",
    "ordered",
    "migrated",
    "call_asked",
    "over_limit",
    "hold_placed",
    "hold_lifted",
    "grace_began",
    "contested",
    "undone",
    "stuck",
    "escalated",
];

/// GET `/audit`.
pub async fn search(visit: Visit, Query(filters): Query<Filters>) -> Result<Response, Problem> {
    let Answer(page) = cases::audit(State(visit.doors.clone()), Query(filters.query())).await?;
    let view = Found {
        next: page.next.as_deref().map(|cursor| format!("/audit?{}", filters.address(Some(cursor)))),
        export: format!("/audit/export?{}", filters.address(None)),
        items: page.items.into_iter().map(shown).collect(),
        policies: visit.doors.engine().active().set.policies.keys().cloned().collect(),
        kinds: KINDS,
        filters,
    };
    visit.page("audit.html", "Audit", Place::Audit, &view)
}

/// GET `/audit/export`: the whole search as CSV.
pub async fn export(visit: Visit, Query(filters): Query<Filters>) -> Result<Response, Problem> {
    let mut text = String::from("at,case,number,policy,revision,person,what,step,by,detail\r\n");
    let (mut cursor, mut lines) = (None, 0);
    loop {
        let limit = Some(CaseLimit::nearest(500));
        let query = AuditQuery { cursor, limit, ..filters.query() };
        let Answer(page) = cases::audit(State(visit.doors.clone()), Query(query)).await?;
        lines += page.items.len();
        for one in page.items.into_iter().map(shown) {
            row(&mut text, &one);
        }
        cursor = page.next.and_then(|next| CaseCursor::new(next).ok());
        if cursor.is_none() || lines >= EXPORTED {
            break;
        }
    }
    if cursor.is_some() {
        text.push_str("the export ends here: narrow the search\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""),
    ];
    Ok((guards(), headers, text).into_response())
}

fn row(text: &mut String, Shown { line, what, detail }: &Shown) {
    let AuditLine { case, policy, revision, subject, entry, by, .. } = line;
    let person = format!("{}/{}", subject.kind.word(), subject.id);
    let (at, number) = (entry.at.to_rfc3339(), entry.number.to_string());
    let step = entry.step.clone().unwrap_or_default();
    let by = by.clone().unwrap_or_default();
    let fields = [&at, &case.0, &number, policy, revision, &person, what, &step, &by, detail];
    let fields: Vec<String> = fields.into_iter().map(|field| quoted(field)).collect();
    text.push_str(&fields.join(","));
    text.push_str("\r\n");
}

/// A field of a CSV file. A spreadsheet would run a field that begins like a formula: an apostrophe keeps it text.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

fn shown(line: AuditLine) -> Shown {
    let mut note = serde_json::to_value(&line.entry.note).unwrap_or_default();
    let what = note.get("what").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(members) = note.as_object_mut() {
        members.remove("what");
    }
    let mut words = Vec::new();
    told(&note, "", &mut words);
    Shown { line, what, detail: words.join(", ") }
}

/// Members of an entry as `name value`, nested ones without their parents.
fn told(value: &Value, name: &str, words: &mut Vec<String>) {
    let name = name.replace('_', " ");
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in
                members.iter().filter(|(name, _)| !matches!(name.as_str(), "known_as" | "teams" | "call"))
            {
                told(value, name, words);
            }
        }
        Value::Array(values) if values.iter().all(Value::is_string) => {
            let all: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            if !all.is_empty() {
                words.push(format!("{name} {}", all.join(" ")));
            }
        }
        Value::Array(values) => values.iter().for_each(|value| told(value, &name, words)),
        Value::String(text) => words.push(format!("{name} {text}")),
        Value::Bool(_) | Value::Number(_) => words.push(format!("{name} {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_never_a_formula() {
        for (field, text) in [
            ("=cmd()", "\"'=cmd()\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("a,\"b\"\n", "\"a,\"\"b\"\"\n\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(field), text);
        }
    }

    #[test]
    fn entries_are_told_without_the_machinery() {
        let note = serde_json::json!({"decision": {"decision": "accept", "reason": null, "by": "Dana",
            "teams": ["desk"]}, "complete": true});
        let mut words = Vec::new();
        told(&note, "", &mut words);
        assert_eq!(words.join(", "), "decision accept, by Dana, complete true");
    }
}
