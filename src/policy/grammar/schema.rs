//! The tables as JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::kind::{Key, Kind, Shape};
use super::policy::{BLOCKS, PEOPLE, POLICY, TRIGGER, VERIFICATIONS};
use super::tests::TESTS;
use super::verbs::{EVENT_TYPES, Outcomes, STEP_KEYS, VERBS, VerbRule};

const SPAN: &str = "^[0-9]+(s|m|h|d|w|y|bd)$";
const NAME: &str = "^[a-z][a-z0-9_-]*$";
const MAIL: &str = "^[^@\\s]+@[^@\\s]+$";
const OWNER: &str = "^([^@\\s]+@[^@\\s]+|team:[a-z][a-z0-9_-]*)$";

/// The schema of one kind of file: `policy`, `blocks`, `verifications`, `people` or `tests`. Null for another name.
pub fn json_schema(which: &str) -> Value {
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
    if matches!(which, "policy" | "blocks") {
        merge(&mut schema, json!({"$defs": definitions()}));
    }
    schema
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn definitions() -> Value {
    let mut defs = Map::new();
    defs.insert(
        "steps".to_owned(),
        json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}),
    );
    let names = VERBS.iter().map(|rule| json!({"$ref": format!("#/$defs/step-{}", rule.key.name)}));
    defs.insert("step".to_owned(), json!({"oneOf": names.collect::<Vec<_>>()}));
    for rule in VERBS {
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

fn step(rule: &VerbRule) -> Value {
    let outcomes = |key: &&Key| key.name != "outcomes" || rule.outcomes != Outcomes::None;
    let common = STEP_KEYS.iter().filter(outcomes);
    let verb = Key { required: true, ..rule.key };
    object(std::iter::once(&verb).chain(rule.beside).chain(common))
}

fn shape(shape: &Shape) -> Value {
    object(shape.keys)
}

fn object<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for key in keys {
        let mut value = kind(&key.kind);
        let later = if key.executed { "" } else { " Not executed by this version." };
        merge(&mut value, json!({"description": format!("{}{later}", key.doc)}));
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
        Kind::Span { zero: false } => json!({"type": "string", "pattern": SPAN}),
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
        Kind::OneOf(words) => json!({"enum": words}),
        Kind::Label => json!({"type": ["string", "integer"]}),
        Kind::Event => {
            json!({"anyOf": [{"enum": EVENT_TYPES},
                             {"type": "string", "pattern": "^(custom\\..+|onelogin\\.[0-9]+)$"}]})
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
