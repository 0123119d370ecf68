//! Detects changes of the format: `tests/data/shapes/VERSION` holds examples of every shape, and lines of the journal.
//! The examples cover every member and word of each shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{Stored, VERSION, decode, encode, from_json, json, old};
use crate::model::{CaseId, EffectKind, Enrolment, Event, Pause, Timestamp};
use crate::policy::Revision;
use crate::store::commit::AcceptedLoss;
use crate::store::commit::Asked;
use crate::store::commit::Body;
use crate::store::commit::Keyed;
use crate::store::commit::Salvage;
use crate::store::commit::{Commit, Consumed, Holding, PolicyOrder, StoredRevision, Waiting};
use crate::store::commit::{Deletion, Redact, Redacted, Redaction};
use crate::store::commit::{SweepPart, SweepRun, SweepState};
use crate::store::values::{Closed, Last, Listed, Logged, Meta};

/// Reads an example and writes it again.
type Again = fn(&str) -> Option<String>;

#[derive(Debug)]
struct Shape {
    names: BTreeSet<&'static str>,
    again: Again,
}

/// Every shape reachable from stored data.
#[derive(Debug, Default)]
pub(in crate::store) struct Shapes(BTreeMap<&'static str, Shape>);

impl Shapes {
    /// Adds a shape. Returns false if it was present.
    pub(super) fn add<T: Stored>(&mut self, shape: &'static str, names: &[&'static str]) -> bool {
        let again: Again = |text| String::from_utf8(json(&from_json::<T>(text.as_bytes())?).ok()?).ok();
        let names = names.iter().copied().collect();
        self.0.insert(shape, Shape { names, again }).is_none()
    }
}

fn shapes() -> Shapes {
    let mut all = Shapes::default();
    // Content of records, then additional values of the state.
    <(Commit, AcceptedLoss, Salvage)>::describe(&mut all);
    <(Meta, Holding)>::describe(&mut all);
    <(Waiting, Logged, Listed)>::describe(&mut all);
    <(Last, Consumed, Asked)>::describe(&mut all);
    <(PolicyOrder, StoredRevision, Keyed)>::describe(&mut all);
    <(SweepState, SweepRun, SweepPart)>::describe(&mut all);
    <(Enrolment, Pause, CaseId)>::describe(&mut all);
    <(EffectKind, Timestamp, Revision)>::describe(&mut all);
    Event::describe(&mut all);
    <(Closed, Redact, Redacted)>::describe(&mut all);
    <(Redaction, Deletion)>::describe(&mut all);
    all
}

fn dir(version: u32) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/shapes", &version.to_string()].iter().collect()
}

const ADD: &str = "add a version (CONTRIBUTING.md, \"Add a version of a stored shape\")";

/// Returns the names in an example: its members, or its word and the members under it.
fn names(example: &Value) -> BTreeSet<String> {
    match example {
        Value::String(word) => BTreeSet::from([word.clone()]),
        Value::Object(members) => {
            let under = |(word, value): (&String, &Value)| {
                let members = value.as_object().into_iter().flatten();
                members.map(|(member, _)| format!("{word}.{member}")).collect::<Vec<_>>()
            };
            members.keys().cloned().chain(members.iter().flat_map(under)).collect()
        }
        other => panic!("an example is no shape: {other}"),
    }
}

#[test]
fn every_shape_is_written_as_its_version_says() {
    let path = dir(VERSION).join("examples");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    let mut examples: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let (shape, example) = line.split_once(' ').unwrap();
        examples.entry(shape).or_default().push(example);
    }
    let shapes = shapes().0;
    for (name, Shape { names: declared, again }) in &shapes {
        let examples = examples.remove(name).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for example in examples {
            let written = again(example);
            assert_eq!(
                written.as_deref(),
                Some(example),
                "`{name}` is not read and written as version {VERSION} has it: {ADD}"
            );
            seen.extend(names(&serde_json::from_str(example).unwrap()));
        }
        for missing in declared {
            assert!(seen.contains(*missing), "version {VERSION} has no `{missing}` in `{name}`: {ADD}");
        }
    }
    assert!(examples.is_empty(), "version {VERSION} has shapes that are gone: {:?}; {ADD}", examples.keys());
}

#[test]
fn an_event_without_verdicts_stores_only_key_and_time() {
    let key = "e".to_owned();
    let consumed = Consumed { key, at: Timestamp::UNIX_EPOCH, ..Consumed::default() };
    assert_eq!(json(&consumed).unwrap(), br#"{"key":"e","at":"1970-01-01T00:00:00Z"}"#);
}

/// Returns the lines of a version: a commit with every variant, and each other kind of record.
fn lines(version: u32) -> Vec<String> {
    let path = dir(version).join("lines");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    text.lines().map(str::to_owned).collect()
}

fn read(version: u32) -> Vec<Body> {
    lines(version).iter().map(|line| decode(1, line.as_bytes()).unwrap()).collect()
}

#[test]
fn every_version_holds_the_same() {
    let bodies = read(VERSION);
    // Four kinds of records, a commit with everything that version 4 added, and four of version 5.
    assert_eq!(bodies.len(), 9);
    for (line, body) in lines(VERSION).iter().zip(&bodies) {
        let again = String::from_utf8(encode(body).unwrap()).unwrap();
        assert_eq!(again.trim_end(), line, "a record is not written as version {VERSION} has it: {ADD}");
    }
    for version in old::OLDEST..VERSION {
        for (old, new) in read(version).iter().zip(&bodies) {
            assert_eq!(plain(old), plain(new), "version {version} is not read as version {VERSION} is");
        }
    }
}

/// Splits off the state's values in a salvage record: they are separate JSON, with members in any order.
fn plain(body: &Body) -> (Body, Vec<Value>) {
    let mut body = body.clone();
    let mut values = Vec::new();
    if let Body::Salvage(salvage) = &mut body {
        for payload in salvage.restored.values_mut() {
            values.push(payload.take().map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()));
        }
    }
    (body, values)
}
