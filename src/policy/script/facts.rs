//! Converts facts to values of the script language: every field of the schema is present, times and dates are typed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use rhai::{Dynamic, Map, Scope};
use serde_json::Value;

use super::reads::{Part, Reads};
use super::shape::Shape;
use super::values::{Date, Time};
use super::{Context, Facts};
use crate::model::{Event, Fields, SubjectKind};
use crate::policy::schema;

/// Shapes that all policies share.
struct OfAll {
    any_event: Arc<Shape>,
    this_case: Arc<Shape>,
    subjects: BTreeMap<SubjectKind, Arc<Shape>>,
    nothing: Arc<Shape>,
}

static OF_ALL: LazyLock<OfAll> = LazyLock::new(|| {
    let of = |kind| (kind, Arc::new(Shape::of_fields(schema::fields_of_subject(kind))));
    OfAll {
        any_event: Arc::new(Shape::of_fields(&schema::fields_of_any_event())),
        this_case: Arc::new(Shape::of_fields(schema::THIS_CASE)),
        subjects: SubjectKind::ALL.into_iter().map(of).collect(),
        nothing: Arc::new(Shape::Any),
    }
});

impl OfAll {
    fn subject(&self, kind: SubjectKind) -> &Arc<Shape> {
        self.subjects.get(&kind).unwrap_or(&self.nothing)
    }
}

/// The names that scripts see, with their types.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// `registration`, `user` or `applicant`.
    pub subject_word: &'static str,
    /// Fields of the policy's own event types, which scripts may name.
    pub event: Arc<Shape>,
    /// Fields of all event types together, which scripts are given.
    any_event: Arc<Shape>,
    subject: Arc<Shape>,
    settings: Arc<Shape>,
    steps: Arc<Shape>,
    this_case: Arc<Shape>,
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
            event: Arc::new(Shape::of_fields(&event_fields)),
            any_event: Arc::clone(&OF_ALL.any_event),
            subject: Arc::clone(OF_ALL.subject(context.subject)),
            settings: Arc::new(Shape::of_settings(context.settings)),
            steps: Arc::new(Shape::Record(
                context.steps.iter().map(|(id, step)| (id.clone(), Shape::of_step(*step))).collect(),
            )),
            this_case: Arc::clone(&OF_ALL.this_case),
            sure,
        }
    }

    /// Returns what running programs need. The fields that scripts may name are needed only while they are compiled.
    pub fn to_run(&self) -> Self {
        Self { event: Arc::clone(&OF_ALL.nothing), sure: Vec::new(), ..self.clone() }
    }

    pub fn roots(&self) -> [(&'static str, &Shape); 6] {
        const NOW: &Shape = &Shape::Time;
        [
            ("event", &*self.event),
            (self.subject_word, &*self.subject),
            ("settings", &*self.settings),
            ("steps", &*self.steps),
            ("this_case", &*self.this_case),
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
}

impl Outline {
    /// Returns the names that clauses name, with only the named fields. The clauses decide the same as over all facts.
    pub fn named(&self, facts: &Facts<'_>, reads: &Reads) -> Scope<'static> {
        let mut scope = Scope::new();
        if let Some(part) = reads.root("event") {
            let value = match part.names() {
                Some(names) => named(names, &self.any_event, |name| event_field(facts.event?, name)),
                None => record(&facts.event.map(event_fields).unwrap_or_default(), &self.any_event),
            };
            scope.push_dynamic("event", value);
        }
        let of = |part: &Part, fields: &Fields, shape: &Shape| match part.names() {
            Some(names) => named(names, shape, |name| fields.get(name).map(Cow::Borrowed)),
            None => record(fields, shape),
        };
        if let Some(part) = reads.root(self.subject_word) {
            scope.push_dynamic(self.subject_word, of(part, &facts.subject.fields, &self.subject));
        }
        if let Some(part) = reads.root("settings") {
            scope.push_dynamic("settings", of(part, facts.settings, &self.settings));
        }
        if reads.root("steps").is_some() {
            scope.push_dynamic("steps", steps(facts.steps, &self.steps));
        }
        if let Some(part) = reads.root("this_case") {
            scope.push_dynamic("this_case", of(part, facts.this_case, &self.this_case));
        }
        if reads.root("now").is_some() {
            scope.push_dynamic("now", Dynamic::from(Time(facts.now)));
        }
        scope
    }
}

/// Returns the names that the scripts of a policy see, with the types of their values.
pub fn roots(context: &Context<'_>) -> Vec<(&'static str, Shape)> {
    Outline::of(context).roots().into_iter().map(|(name, shape)| (name, shape.clone())).collect()
}

/// The fields of an event that are not among its own fields.
const OF_EVERY_EVENT: [&str; 7] = ["id", "type", "source", "time", "subject_id", "actor", "ip"];

fn event_fields(event: &Event) -> Fields {
    let mut fields = event.fields.clone();
    for name in OF_EVERY_EVENT {
        fields.insert(name.to_owned(), event_field(event, name).unwrap_or_default().into_owned());
    }
    fields
}

fn event_field<'a>(event: &'a Event, name: &str) -> Option<Cow<'a, Value>> {
    let text = |value: &str| Cow::Owned(Value::String(value.to_owned()));
    let or_null = |value: Option<&str>| value.map_or(Cow::Owned(Value::Null), text);
    Some(match name {
        "id" => text(&event.key),
        "type" => text(event.kind.as_str()),
        "source" => text(&event.source),
        "time" => text(&event.time.to_rfc3339()),
        "subject_id" => text(&event.subject.id),
        "actor" => or_null(event.actor.as_deref()),
        "ip" => or_null(event.ip.as_deref()),
        other => Cow::Borrowed(event.fields.get(other)?),
    })
}

/// Returns a record of only these fields. As in a whole record, a field of the schema without a value is empty.
fn named<'a, 'n>(
    names: impl Iterator<Item = &'n str>,
    shape: &Shape,
    field: impl Fn(&str) -> Option<Cow<'a, Value>>,
) -> Dynamic {
    let known = if let Shape::Record(known) = shape { Some(known) } else { None };
    let mut map = Map::new();
    for name in names {
        let shape = known.and_then(|known| known.get(name));
        let is = match (field(name), shape) {
            (Some(field), shape) => value(&field, shape.unwrap_or(&Shape::Any)),
            (None, Some(_)) => Dynamic::UNIT,
            (None, None) => continue,
        };
        map.insert(name.into(), is);
    }
    map.into()
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
