//! Generates JSON Schema from the tables, for editors.

use serde_json::{Map, Value, json};

use super::kind::{Key, Kind, Shape};
use super::policy::{BLOCKS, PEOPLE, POLICY, TRIGGER, VERIFICATIONS};
use super::tests::TESTS;
use super::verbs::{Outcomes, STEP_KEYS, VerbRule, verbs};
use crate::model::{SubjectKind, Vocabulary};
use crate::policy::outcome::{self, RequestOutcome, ReviewOutcome, WaitOutcome};
use crate::policy::schema::{Field, event_types, fields_of_any_event, fields_of_subject};

const SPAN: &str = "^[0-9]+(s|m|h|d|w|y|bd)$";
const SOME_SPAN: &str = "^0*[1-9][0-9]*(s|m|h|d|w|y|bd)$";
const NO_SPAN: &str = "^0+(s|m|h|d|w|y|bd)$";
const NAME: &str = "^[a-z][a-z0-9_-]*$";
const MAIL: &str = "^[^@\\s]+@[^@\\s]+$";
const OWNER: &str = "^([^@\\s]+@[^@\\s]+|team:[a-z][a-z0-9_-]*)$";

/// Returns the schema of a kind of file: `policy`, `blocks`, `verifications`, `people` or `tests`; null for others.
pub fn json_schema(which: &str, words: &Vocabulary) -> Value {
    let shape = match which {
        "policy" => &POLICY,
        "blocks" => &BLOCKS,
        "verifications" => &VERIFICATIONS,
        "people" => &PEOPLE,
        "tests" => &TESTS,
        _ => return Value::Null,
    };
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("proofd {which}, format 1"),
    });
    merge(&mut schema, self::shape(shape));
    if which == "tests" {
        offer_fields(&mut schema);
    }
    let mut definitions = if matches!(which, "policy" | "blocks") { definitions() } else { json!({}) };
    if matches!(which, "policy" | "blocks" | "tests") {
        merge(&mut definitions, json!({"event": event(words)}));
        merge(&mut schema, json!({"$defs": definitions}));
    }
    schema
}

/// Returns the schema of an event type's name.
fn event(words: &Vocabulary) -> Value {
    let (names, docs): (Vec<_>, Vec<_>) = event_types().iter().map(|event| (event.name, event.doc)).unzip();
    let native =
        words.identity.iter().map(|(provider, words)| format!("{provider}\\.({})", words.events.regex));
    let open: Vec<_> = std::iter::once("custom\\..+".to_owned()).chain(native).collect();
    json!({"anyOf": [{"enum": names, "enumDescriptions": docs, "markdownEnumDescriptions": docs},
                     {"type": "string", "pattern": format!("^({})$", open.join("|"))}]})
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// Adds the possible fields of a person or an event in tests, with their descriptions. The loader checks which fields
/// an event type has, and their types.
fn offer_fields(schema: &mut Value) {
    let mut offer = |path: &str, fields: &[Field]| {
        let Some(place) = schema.pointer_mut(path) else { return };
        let text = |field: &Field| json!({"description": field.doc, "markdownDescription": field.doc});
        let fields: Map<_, _> = fields.iter().map(|field| (field.name.to_owned(), text(field))).collect();
        merge(place, json!({"properties": fields}));
    };
    const TEST: &str = "/properties/tests/items/properties";
    for kind in SubjectKind::ALL {
        offer(&format!("{TEST}/given/properties/{kind}"), fields_of_subject(kind));
    }
    offer(&format!("{TEST}/play/items/properties/with"), &fields_of_any_event());
}

fn definitions() -> Value {
    let mut defs = Map::new();
    defs.insert(
        "steps".to_owned(),
        json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}),
    );
    defs.insert("step".to_owned(), any_step());
    for rule in verbs() {
        defs.insert(format!("step-{}", rule.key.name), step(rule));
    }
    let clause = json!({"type": ["string", "boolean"]});
    let nested = json!({"$ref": "#/$defs/condition"});
    let group = |word: &str| {
        json!({"type": "object", "properties": {word: {"type": "array", "minItems": 1, "items": nested}},
               "required": [word], "additionalProperties": false})
    };
    let list = json!({"type": "array", "minItems": 1, "items": nested});
    defs.insert(
        "condition".to_owned(),
        json!({"anyOf": [clause, list, group("any"), group("all"), group("none")]}),
    );
    Value::Object(defs)
}

/// Returns the schema of any step: every verb and every key beside one, which lets an editor offer them all with their
/// descriptions. The schema of each verb defines which keys belong to it.
fn any_step() -> Value {
    let mut properties = Map::new();
    let keys = verbs().flat_map(|rule| std::iter::once(&rule.key).chain(rule.beside)).chain(STEP_KEYS);
    for key in keys {
        let doc = described(key);
        properties.entry(key.name).or_insert_with(|| json!({"description": doc, "markdownDescription": doc}));
    }
    // A key may be both a verb and a key beside another verb (`end_sessions`). As in the loader, the rule that has it
    // beside its verb is tried first. A step without a verb is an error; its unknown keys are reported first, because
    // one of them is probably the misspelled verb.
    let entry = |key: &Key| {
        let doc = described(key);
        (key.name.to_owned(), json!({"description": doc, "markdownDescription": doc}))
    };
    let bare: Map<_, _> = STEP_KEYS.iter().map(entry).collect();
    let mut rules = json!({"properties": bare, "additionalProperties": false, "not": {}});
    let beside =
        |rule: &&VerbRule| verbs().any(|other| other.beside.iter().any(|key| key.name == rule.key.name));
    let (late, early): (Vec<_>, Vec<_>) = verbs().partition(beside);
    for rule in late.iter().chain(early.iter().rev()) {
        let name = rule.key.name;
        rules = json!({
            "if": {"required": [name]},
            "then": {"$ref": format!("#/$defs/step-{name}")},
            "else": rules,
        });
    }
    let mut step = json!({"type": "object", "properties": properties, "defaultSnippets": snippets()});
    merge(&mut step, rules);
    step
}

/// Returns complete examples of frequent steps.
fn snippets() -> Value {
    let end = json!([{"close": "$1"}]);
    json!([
        {
            "label": "verify, with every outcome",
            "description": "A verification with steps for each of its five outcomes.",
            "body": {
                "id": "${1:proof}",
                "verify": {"workflow": "${2:id-and-selfie}", "answer_within": "${3:14d}"},
                "outcomes": {
                    "passed": [{"close": "passed"}],
                    "warning": [{"close": "unclear"}],
                    "rejected": [{"close": "rejected"}],
                    "no_response": [{"close": "no_response"}],
                    "unavailable": [{"close": "unavailable"}],
                },
            },
        },
        {
            "label": "review, with every outcome",
            "description": "A review; `overdue` is the outcome if nobody decides in time.",
            "body": {
                "id": "${1:desk}",
                "review": {
                    "queue": "${2:identity-desk}",
                    "show": ["${3:steps.proof.reasons}"],
                    "decisions": {"approve": {"reason": "required"}, "reject": {"reason": "required"}},
                    "answer_within": "${4:2d}",
                },
                "outcomes": {"approve": end, "reject": end, "overdue": end},
            },
        },
    ])
}

fn step(rule: &VerbRule) -> Value {
    let common = STEP_KEYS.iter().filter(|key| key.name != "outcomes");
    let verb = Key { required: true, ..rule.key };
    let mut step = object(std::iter::once(&verb).chain(rule.beside).chain(common));
    belongs_together(rule, &mut step);
    let Some((outcomes, needed)) = outcomes(rule.outcomes) else { return step };
    let doc = STEP_KEYS.iter().find(|key| key.name == "outcomes").map(described).unwrap_or_default();
    let mut value = json!({"description": doc, "markdownDescription": doc});
    merge(&mut value, outcomes);
    if let Some(properties) = step.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("outcomes".to_owned(), value);
    }
    if needed && let Some(required) = step.get_mut("required").and_then(Value::as_array_mut) {
        required.push("outcomes".into());
    }
    step
}

/// Requires another key if a key has such a value.
fn wants(key: &Key, mut value: Value, other: &str) -> Value {
    let doc = described(key);
    merge(&mut value, json!({"description": doc, "markdownDescription": doc}));
    json!({
        "if": {"required": [key.name], "properties": {key.name: value}},
        "then": {"required": [other]},
    })
}

/// Adds the combinations of keys that the loader checks with its own code.
fn belongs_together(rule: &VerbRule, step: &mut Value) {
    if rule.key.name == "delete"
        && let Some(required) = step.get_mut("required").and_then(Value::as_array_mut)
    {
        required.push("grace".into());
    }
    for key in rule.beside.iter().filter(|key| key.name == "grace") {
        let none = json!({"anyOf": [{"const": 0}, {"type": "string", "pattern": NO_SPAN}]});
        merge(step, wants(key, none, "because"));
    }
}

/// Returns the outcomes of a verb by name, each with its description, and whether they are required.
fn outcomes(of: Outcomes) -> Option<(Value, bool)> {
    let named = |names: &[&str]| -> Map<String, Value> {
        let branch = |name: &&str| {
            let doc = outcome::doc(name).unwrap_or("One of the names that this step declares.");
            let steps = json!({"$ref": "#/$defs/steps", "description": doc, "markdownDescription": doc});
            ((*name).to_owned(), steps)
        };
        names.iter().map(branch).collect()
    };
    let closed = |names: &[&str]| json!({"type": "object", "properties": named(names), "required": names, "additionalProperties": false});
    let open = |names: &[&str]| {
        json!({"type": "object", "properties": named(names), "required": names,
               "additionalProperties": {"$ref": "#/$defs/steps"}})
    };
    Some(match of {
        Outcomes::None => return None,
        Outcomes::Fixed(names) => (closed(names), true),
        Outcomes::Decisions => (open(ReviewOutcome::WORDS), true),
        Outcomes::Returns => (open(&[]), true),
        // A wait for a time has no outcomes.
        Outcomes::Wait => (closed(WaitOutcome::WORDS), false),
        // `returns` may name others in place of `ok`.
        Outcomes::Optional(names) => {
            let mut value = open(&[RequestOutcome::Failed.word()]);
            merge(&mut value, json!({"properties": named(names)}));
            (value, false)
        }
    })
}

/// Returns a key's description.
fn described(key: &Key) -> String {
    let later = if key.executed { "" } else { " Not executed by this version." };
    format!("{}{later}", key.doc)
}

fn shape(shape: &Shape) -> Value {
    let mut value = object(shape.keys);
    // A percentage needs `of`, the population.
    for key in shape.keys.iter().filter(|key| matches!(key.kind, Kind::Amount)) {
        let share = json!({"type": "string", "pattern": "%$"});
        merge(&mut value, wants(key, share, "of"));
    }
    value
}

fn object<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for key in keys {
        let mut value = kind(&key.kind);
        let doc = described(key);
        let example = example(&key.kind).map(|text| format!("\n\nFor example `{text}`.")).unwrap_or_default();
        merge(&mut value, json!({"description": doc, "markdownDescription": format!("{doc}{example}")}));
        properties.insert(key.name.to_owned(), value);
        if key.required {
            required.push(key.name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text | Kind::Template | Kind::Timezone | Kind::FunctionCall => {
            json!({"type": "string", "minLength": 1})
        }
        Kind::Name => json!({"type": "string", "pattern": NAME}),
        Kind::Mail => json!({"type": "string", "pattern": MAIL}),
        Kind::Owner => json!({"type": "string", "pattern": OWNER}),
        Kind::Span { zero: false } => json!({"type": "string", "pattern": SOME_SPAN}),
        Kind::Span { zero: true } => json!({"anyOf": [{"const": 0}, {"type": "string", "pattern": SPAN}]}),
        Kind::Time => json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
        Kind::Moment => json!({"type": "string", "format": "date-time"}),
        Kind::Hours => json!({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"}),
        Kind::Integer { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Amount => {
            json!({"anyOf": [{"type": "integer", "minimum": 0},
                             {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$"}]})
        }
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::True => json!({"const": true}),
        Kind::OneOf(words) => {
            let docs: Vec<_> = words.iter().map(|word| word_doc(word)).collect();
            let mut value = json!({"enum": words});
            if docs.iter().any(|doc| !doc.is_empty()) {
                merge(&mut value, json!({"enumDescriptions": docs, "markdownEnumDescriptions": docs}));
            }
            value
        }
        Kind::Label => json!({"type": ["string", "integer"]}),
        Kind::Event => {
            json!({"$ref": "#/$defs/event"})
        }
        Kind::Condition => json!({"$ref": "#/$defs/condition"}),
        Kind::Any => json!({}),
        Kind::Shape(of) => shape(of),
        Kind::List(of) => json!({"type": "array", "items": kind(of)}),
        Kind::OneOrMany(of) => {
            let one = kind(of);
            json!({"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]})
        }
        Kind::MapOf(of) => json!({"type": "object", "additionalProperties": kind(of)}),
        Kind::Steps => json!({"$ref": "#/$defs/steps"}),
        Kind::Trigger => {
            let mut trigger = shape(&TRIGGER);
            merge(&mut trigger, json!({"minProperties": 1, "maxProperties": 1}));
            trigger
        }
    }
}

/// Returns an example of a value, where the name of the kind does not show the format.
fn example(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Span { .. } => Some("14d"),
        Kind::Time => Some("\"02:00\""),
        Kind::Hours => Some("\"09:00-17:00\""),
        Kind::Timezone => Some("Europe/Berlin"),
        Kind::Owner => Some("team:identity-desk"),
        Kind::Amount => Some("50"),
        Kind::FunctionCall => Some("rejections::sort(steps.proof.reasons)"),
        Kind::Condition => Some("user.status == \"active\""),
        _ => None,
    }
}

/// Returns the meaning of a word from a closed list, for words that are not self-explanatory.
fn word_doc(word: &str) -> &'static str {
    match word {
        "enforce" => "Cases open and have effects.",
        "shadow" => "Only records which cases would have opened; no effects.",
        "disabled" => "No case opens.",
        "attach" => "The event joins the open case.",
        "restart" => "The open case closes and a new one opens.",
        "cancel" => "The open case closes.",
        "open_another" => "A second case opens; `case_key` makes the two different.",
        "ask" => "The case waits until an administrator releases the effect.",
        "skip" => "The effect is skipped and the case continues.",
        "run_once" => "After downtime the sweep runs once, not once per missed run.",
        "full" => "A document and a selfie; nothing needs to be enrolled.",
        "authentication" => "A selfie, compared with the face of an earlier pass.",
        "existing_id" => "A selfie, compared with a document that the provider has.",
        "registration" => "A self-registration that is not approved yet.",
        "user" => "An account in the identity provider.",
        "applicant" => "A person without an account, from a CloudEvent.",
        _ => "",
    }
}
