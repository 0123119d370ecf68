//! The explanation of a condition: the deciding clauses, their values, and the smallest change that would meet it.
use proofd::model::{Event, EventType, Fields, Origin, Subject, SubjectKind, SubjectRef, Vocabulary};
use proofd::policy::diagnostic::Place;
use proofd::policy::script::{Compiler, Condition, ConditionSource, Context, Facts, Trace, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    r#if: Value,
    #[serde(default)]
    event: Fields,
    #[serde(default)]
    user: Fields,
    answer: String,
    stopped: Option<Vec<String>>,
    values: Option<Fields>,
    changes: Vec<Vec<String>>,
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("not a map: {other}"),
    }
}

fn source(value: &Value) -> ConditionSource {
    let all = |list: &Value| list.as_array().unwrap().iter().map(source).collect();
    match value {
        Value::String(text) => {
            let place = Place { file: "policy.yaml".to_owned(), line: 9, column: 5, length: 1 };
            ConditionSource::Clause { source: text.clone(), place }
        }
        Value::Array(_) => ConditionSource::All(all(value)),
        Value::Object(map) => {
            let (word, list) = map.iter().next().unwrap();
            match word.as_str() {
                "any" => ConditionSource::Any(all(list)),
                "none" => ConditionSource::None(all(list)),
                other => panic!("{other} joins no clauses"),
            }
        }
        other => panic!("not a condition: {other}"),
    }
}

/// The fields that a condition names are all that it needs. Returns its trace.
fn named_is_enough(condition: &Condition, facts: &Facts<'_>) -> Trace {
    let (decided, trace) = (condition.decide(facts), condition.trace(facts));
    if let Ok(Verdict::Fails { clause, place, number }) = &decided {
        assert_eq!(condition.clause(*number), Some((clause.clone(), place.clone())));
    }
    let mut named = Fields::new();
    condition.copy_named(facts.subject, &mut named);
    let few = Subject { fields: named, ..facts.subject.clone() };
    let facts = Facts { subject: &few, ..*facts };
    assert_eq!(condition.decide(&facts), decided);
    assert_eq!(condition.trace(&facts), trace);
    trace
}

fn check(row: &Row) {
    let settings = fields(json!({"threshold": 70, "domains": ["example.com", "example.org"]}));
    let mut diagnostics = Vec::new();
    let context = Context {
        subject: SubjectKind::User,
        event_types: &[EventType::new("login.risk")],
        words: &Vocabulary::default(),
        without_event: false,
        settings: &settings,
        steps: &[],
    };
    let compiler = Compiler::new(&[], context, &mut diagnostics);
    let condition = compiler.condition(&source(&row.r#if), &mut diagnostics);
    // Warnings about possibly empty values are not relevant here.
    diagnostics.retain(|found| found.code != "may-be-empty");
    assert_eq!(diagnostics, [], "{row:?}");
    let event = Event {
        key: "e".to_owned(),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new("login.risk"),
        also: Vec::new(),
        source: "test".to_owned(),
        time: "2026-01-05T09:00:00Z".parse().unwrap(),
        subject: SubjectRef { source: String::new(), kind: SubjectKind::User, id: "7".to_owned() },
        actor: None,
        actor_id: None,
        by_subject: false,
        origin: Origin::Unknown,
        ip: None,
        fields: row.event.clone(),
    };
    let subject = Subject {
        source: String::new(),
        kind: SubjectKind::User,
        id: "7".to_owned(),
        fields: row.user.clone(),
    };
    let facts = Facts {
        event: Some(&event),
        subject: &subject,
        settings: &settings,
        steps: &Fields::new(),
        this_case: &Fields::new(),
        now: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    let answer = match condition.decide(&facts) {
        Ok(Verdict::Holds) => "holds",
        Ok(Verdict::Fails { .. }) => "fails",
        Err(_) => "error",
    };
    assert_eq!(answer, row.answer, "{row:?}");

    let trace = named_is_enough(&condition, &facts);
    let first = trace.clauses.first().unwrap();
    assert_eq!((first.file.as_str(), first.line, first.column), ("policy.yaml", 9, 5));
    if let Some(values) = &row.values {
        let seen = first.values.iter().map(|seen| (seen.path.clone(), seen.value.clone()));
        assert_eq!(&seen.collect::<Fields>(), values, "{row:?}");
    }
    let said: Vec<Vec<_>> =
        trace.changes.iter().map(|edits| edits.iter().map(|edit| edit.text()).collect()).collect();
    assert_eq!(said, row.changes, "{row:?}");
    // A stored trace is read back unchanged, and contains no value by itself.
    let written = serde_json::to_string(&trace).unwrap();
    assert_eq!(serde_json::from_str::<Trace>(&written).unwrap(), trace);
    for seen in trace.clauses.iter().flat_map(|clause| &clause.values) {
        assert!(!format!("{seen:?}").contains(&seen.value.to_string()), "{seen:?}");
    }
    let stopped: Vec<_> = trace.of_the_end().clauses.into_iter().map(|clause| clause.clause).collect();
    assert_eq!(stopped.is_empty(), row.answer == "holds", "{row:?}");
    if let Some(expected) = &row.stopped {
        assert_eq!(&stopped, expected, "{row:?}");
    }
}

#[test]
fn traces_match_the_table() {
    let text = std::fs::read_to_string("tests/data/traces.yaml").unwrap();
    let rows: Vec<Row> = serde_yaml::from_str(&text).unwrap();
    assert!(rows.len() > 30);
    rows.iter().for_each(check);
}
