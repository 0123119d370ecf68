//! Converts facts to values of the script language: every field of the schema is present, times and dates are typed.

use std::collections::BTreeMap;

use rhai::{Dynamic, Map, Scope};
use serde_json::Value;

use super::shape::Shape;
use super::values::{Date, Time};
use super::{Context, Facts};
use crate::model::{Event, Fields};
use crate::policy::schema;

/// The names that scripts see, with their types.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// `registration`, `user` or `applicant`.
    pub subject_word: &'static str,
    /// Fields of the policy's own event types, which scripts may name.
    pub event: Shape,
    /// Fields of all event types together, which scripts are given.
    pub any_event: Shape,
    pub subject: Shape,
    pub settings: Shape,
    pub steps: Shape,
    pub this_case: Shape,
    /// Fields that are never empty: paths such as `event.time`.
    pub sure: Vec<String>,
}

impl Outline {
    pub fn of(context: &Context<'_>) -> Self {
        let mut sure = vec![format!("{}.created_at", context.subject.word())];
        if !context.without_event {
            let always = ["id", "type", "source", "time", "subject_id"];
            sure.extend(always.map(|name| format!("event.{name}")));
            // A sign-in without a score has another event type.
            if context.event_types.iter().all(|kind| kind.as_str() == "login.risk") {
                sure.push("event.score".to_owned());
            }
        }
        // A nonexistent type has its own error; the fields of its events are unknown.
        let event_fields: Vec<_> =
            if context.event_types.iter().any(|kind| !schema::is_event_type(kind.as_str(), context.words)) {
                schema::fields_of_any_event()
            } else if context.event_types.is_empty() {
                schema::EVENT.to_vec()
            } else {
                context.event_types.iter().flat_map(schema::fields_of_event).collect()
            };
        Self {
            subject_word: context.subject.word(),
            event: Shape::of_fields(&event_fields),
            any_event: Shape::of_fields(&schema::fields_of_any_event()),
            subject: Shape::of_fields(schema::fields_of_subject(context.subject)),
            settings: Shape::of_settings(context.settings),
            steps: Shape::Record(
                context.steps.iter().map(|(id, step)| (id.clone(), Shape::of_step(*step))).collect(),
            ),
            this_case: Shape::of_fields(schema::THIS_CASE),
            sure,
        }
    }

    pub fn roots(&self) -> [(&'static str, &Shape); 6] {
        const NOW: &Shape = &Shape::Time;
        [
            ("event", &self.event),
            (self.subject_word, &self.subject),
            ("settings", &self.settings),
            ("steps", &self.steps),
            ("this_case", &self.this_case),
            ("now", NOW),
        ]
    }

    /// Returns the names without values. Compiling against values would fold them into the program.
    pub fn names(&self) -> Scope<'static> {
        let mut scope = Scope::new();
        for (name, _) in self.roots() {
            scope.push_dynamic(name, Dynamic::UNIT);
        }
        scope
    }

    /// Returns the names with the facts as values.
    pub fn scope(&self, facts: &Facts<'_>) -> Scope<'static> {
        let mut scope = Scope::new();
        let event = facts.event.map(event_fields).unwrap_or_default();
        scope.push_dynamic("event", record(&event, &self.any_event));
        scope.push_dynamic(self.subject_word, record(&facts.subject.fields, &self.subject));
        scope.push_dynamic("settings", record(facts.settings, &self.settings));
        scope.push_dynamic("steps", steps(facts.steps, &self.steps));
        scope.push_dynamic("this_case", record(facts.this_case, &self.this_case));
        scope.push_dynamic("now", Dynamic::from(Time(facts.now)));
        scope
    }
}

/// Returns the names that the scripts of a policy see, with the types of their values.
pub fn roots(context: &Context<'_>) -> Vec<(&'static str, Shape)> {
    Outline::of(context).roots().into_iter().map(|(name, shape)| (name, shape.clone())).collect()
}

fn event_fields(event: &Event) -> Fields {
    let mut fields = event.fields.clone();
    let text = |value: &str| Value::String(value.to_owned());
    fields.insert("id".to_owned(), text(&event.key));
    fields.insert("type".to_owned(), text(event.kind.as_str()));
    fields.insert("source".to_owned(), text(&event.source));
    fields.insert("time".to_owned(), text(&event.time.to_rfc3339()));
    fields.insert("subject_id".to_owned(), text(&event.subject.id));
    fields.insert("actor".to_owned(), event.actor.as_deref().map_or(Value::Null, text));
    fields.insert("ip".to_owned(), event.ip.as_deref().map_or(Value::Null, text));
    fields
}

/// Returns all steps; those that have not run yet have empty fields.
fn steps(fields: &Fields, shape: &Shape) -> Dynamic {
    let empty = Value::Object(Fields::new());
    let mut fields = fields.clone();
    if let Shape::Record(ids) = shape {
        for id in ids.keys() {
            let step = fields.entry(id.clone()).or_insert(Value::Null);
            if step.is_null() {
                *step = empty.clone();
            }
        }
    }
    record(&fields, shape)
}

fn record(fields: &Fields, shape: &Shape) -> Dynamic {
    let none = BTreeMap::new();
    let known = if let Shape::Record(known) = shape { known } else { &none };
    let mut map: Map = known.keys().map(|name| (name.as_str().into(), Dynamic::UNIT)).collect();
    for (name, field) in fields {
        map.insert(name.as_str().into(), value(field, known.get(name).unwrap_or(&Shape::Any)));
    }
    map.into()
}

fn value(field: &Value, shape: &Shape) -> Dynamic {
    match field {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(fraction)) => fraction.into(),
            (None, None) => Dynamic::UNIT,
        },
        Value::String(text) => typed(text, shape).unwrap_or_else(|| text.clone().into()),
        Value::Array(items) => {
            Dynamic::from_array(items.iter().map(|item| value(item, &Shape::Any)).collect())
        }
        Value::Object(fields) => record(fields, shape),
    }
}

/// Converts a text to its type. Text that does not parse stays text. Comparing it with a time is then an error; it
/// never counts as empty.
fn typed(text: &str, shape: &Shape) -> Option<Dynamic> {
    match shape {
        Shape::Time => Some(Dynamic::from(Time(text.parse().ok()?))),
        Shape::Date => Some(Dynamic::from(Date(text.parse().ok()?))),
        Shape::Empty
        | Shape::Text
        | Shape::Number
        | Shape::Bool
        | Shape::Duration
        | Shape::List
        | Shape::Map
        | Shape::Record(_)
        | Shape::Any => None,
    }
}
