//! The verbs, as data: each file of `tests/data/cases` has a policy, a sequence of inputs to its cases, and the
//! expected states in between. `tests/data/cases/README.md` documents the lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::tree::written::{merged, person, policy, text};
use crate::tree::{Desk, at, event, proof, span};
use proofd::case::{
    Case, Held, Hold, Input, Note, OpenedBy, Order, Placed, Purpose, State, Whose, fingerprints,
};
use proofd::model::{
    Action, Document, DocumentNumber, DocumentUse, Done, EffectKind, Enrolment, Event, Failure,
    IdentityChange, Judgement, Method, Outcome, Pass, Pause, Phase, Secret, SessionAction, Subject,
};
use proofd::policy::Policy;
use serde_json::{Map, Value, json};

fn happening(written: &Value, subject: &Subject, desk_now: &str) -> Event {
    let fields = match written {
        Value::String(kind) => json!({ "type": kind }).as_object().cloned().unwrap(),
        other => other.as_object().cloned().unwrap(),
    };
    let kind = text(&fields["type"], "type");
    let key = fields.get("key").map_or(kind, |key| text(key, "key"));
    let mut happened = event(kind, key);
    happened.time = at(desk_now);
    happened.subject = subject.reference();
    if let Some(origin) = fields.get("origin") {
        happened.origin = serde_json::from_value(origin.clone()).unwrap();
    }
    if let Some(ago) = fields.get("ago") {
        happened.time -= span(text(ago, "ago")).elapsed().unwrap();
    }
    if let Some(source) = fields.get("source") {
        text(source, "source").clone_into(&mut happened.source);
    }
    happened.fields = fields;
    happened
}

fn held(name: &str) -> Held {
    match name.strip_prefix("role:") {
        Some(role) => Held::Role(role.to_owned()),
        None => Held::Account,
    }
}

/// Parses `account` or `role:staff`, optionally followed by `foreign`, `unknown`, `presumed`, `lifting` or `asked`.
fn hold(written: &str) -> Hold {
    let mut words = written.split(' ');
    let what = held(words.next().unwrap());
    let rest: Vec<_> = words.collect();
    Hold {
        what,
        since: at("2026-01-01T00:00:00Z"),
        before: Some("active".to_owned()),
        whose: match () {
            () if rest.contains(&"foreign") => Whose::Theirs,
            () if rest.contains(&"unknown") => Whose::Unknown,
            () if rest.contains(&"presumed") => Whose::Presumed,
            () => Whose::Ours,
        },
        told: None,
        granted_at: None,
        read_at: None,
        lifting: rest.contains(&"lifting"),
        placed: if rest.contains(&"asked") { Placed::Asked } else { Placed::Known },
    }
}

fn shown(hold: &Hold) -> String {
    let what = match &hold.what {
        Held::Account => "account".to_owned(),
        Held::Role(role) => format!("role:{role}"),
    };
    let flag = |is: bool, word: &'static str| if is { word } else { "" };
    let whose = match hold.owner() {
        Whose::Ours => "",
        Whose::Presumed => " presumed",
        Whose::Theirs => " foreign",
        Whose::Unknown => " unknown",
    };
    format!("{what}{whose}{}", flag(hold.lifting, " lifting"))
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().unwrap_or_else(|| panic!("{value} is no list"));
    items.iter().map(|item| text(item, "item").to_owned()).collect()
}

fn limited(value: &Value) -> EffectKind {
    serde_json::from_value(value.clone()).unwrap()
}

/// A case, and the person as the next read returns them.
struct Scene {
    desk: Desk,
    seen: Option<Subject>,
}

impl Scene {
    fn open(policy: Policy, written: &Map<String, Value>) -> Self {
        let nothing = Value::Null;
        let subject = person(policy.subject, written.get("person").unwrap_or(&nothing));
        let by = match written.get("event") {
            Some(event) => OpenedBy::Event(happening(event, &subject, "2026-01-05T09:00:00Z")),
            None => {
                OpenedBy::Hand { by: "olga".to_owned(), reason: "because".to_owned(), nonce: "n".to_owned() }
            }
        };
        let before = written.get("before").cloned().unwrap_or_default();
        let seen = Some(subject.clone());
        let desk = Desk::with(policy, subject, by, |desk| prepare(desk, &before));
        Self { desk, seen }
    }

    /// A session was read.
    fn judged(&mut self, value: &Value) {
        // `passed`, or `{passed: {first_name: Ada, number: "1"}}` with fields of the document; `numbers` names several
        // documents.
        let (word, said) = named(value);
        let judgement: Judgement = serde_json::from_value(json!(word)).unwrap();
        self.desk.press().unwrap();
        let mut proof = proof(judgement);
        proof.checks.insert("authentication".to_owned(), Judgement::Passed);
        if said.is_object() {
            proof.reasons.clear();
            proof.document = Some(document(&said));
            let of = |said: &Value| {
                let Document { kind, country, .. } = document(said);
                let number = Secret::new(text(said.get("number")?, "number"));
                Some(DocumentNumber { kind, country, number })
            };
            let several = said.get("numbers").and_then(Value::as_array);
            proof.numbers = several
                .map_or_else(|| vec![&said], |several| several.iter().collect())
                .into_iter()
                .filter_map(of)
                .collect();
            proof.seal(self.desk.links.fingerprints());
        }
        self.desk.read(Phase::Done, Some(proof));
    }

    fn play(&mut self, line: &Value) {
        let (word, value) = match line {
            Value::String(word) => (word.as_str(), Value::Null),
            Value::Object(fields) if fields.len() == 1 => {
                let (word, value) = fields.iter().next().unwrap();
                (word.as_str(), value.clone())
            }
            other => panic!("{other} is no line"),
        };
        match word {
            "done" => {
                let (word, over) = named(&value);
                let outcome = Outcome::Done(self.good(&word, &over));
                self.desk.answer(&word, outcome);
            }
            "fail" => {
                let (word, kind) = named(&value);
                self.desk.answer(&word, failure(text(&kind, "kind")));
            }
            "lose" => {
                let (call, attempt) = self.desk.begin(text(&value, "word"));
                self.desk.input(Input::Lost { call, attempt }).unwrap();
            }
            "begin" => drop(self.desk.begin(text(&value, "word"))),
            "end" => self.end(&value),
            "later" => self.desk.later(text(&value, "span")),
            "pass" => self.pass(text(&value, "span")),
            "wake" => self.desk.input(Input::Wake).unwrap(),
            "press" => self.desk.press().unwrap(),
            "pressed_in_vain" => drop(self.desk.press().unwrap_err()),
            "start" => self.desk.start(text(&value, "execution")),
            "judged" => {
                self.judged(&value);
            }
            "expired" => {
                self.desk.press().unwrap();
                self.desk.read(Phase::Expired, None);
            }
            "event" | "ignored" => {
                let now = self.desk.now.to_rfc3339();
                let happened = happening(&value, &self.desk.case.subject.clone(), &now);
                let taken = self.desk.input(Input::Event(happened));
                assert_eq!(taken.is_ok(), word == "event", "{taken:?}");
            }
            "decide" => self.desk.decide(text(&value, "decision"), "mia", Some("because")).unwrap(),
            "order" | "refused" => {
                let order: Order = serde_json::from_value(value).unwrap();
                let taken = self.desk.order(order);
                assert_eq!(taken.is_ok(), word == "order", "{taken:?}");
            }
            "person" => {
                let fields = &mut self.seen.as_mut().unwrap().fields;
                fields.extend(value.as_object().cloned().unwrap());
            }
            "vanish" => self.seen = None,
            "world" => prepare(&mut self.desk, &value),
            "expect" => self.expect(value.as_object().unwrap()),
            other => panic!("{other} is no line"),
        }
    }

    /// A started call ends.
    fn end(&mut self, value: &Value) {
        let (word, over) = named(value);
        let is = |call: &&proofd::case::Pending| call.begun.is_some() && call.action.word() == word;
        let found = self.desk.case.calls.iter().find(|(_, call)| is(call));
        let (call, attempt) = found.map(|(number, call)| (*number, call.attempt)).unwrap();
        let outcome = match over.as_str() {
            Some(kind) => failure(kind),
            None => Outcome::Done(self.good(&word, &over)),
        };
        self.desk.input(Input::Outcome { call, attempt, outcome }).unwrap();
    }

    /// Advances the time as a running daemon would; every read returns the person.
    fn pass(&mut self, by: &str) {
        let end = self.desk.now + span(by).elapsed().unwrap();
        for _ in 0..1_000 {
            self.desk.send_mails();
            while self.desk.due("read_subject").is_some() {
                let done = self.good("read_subject", &Value::Null);
                self.desk.answer("read_subject", Outcome::Done(done));
                self.desk.send_mails();
            }
            let dues = self.desk.case.calls.values().filter(|call| call.begun.is_none());
            let looks = dues.filter(|call| ["mail", "read_subject"].contains(&call.action.word()));
            let next = looks.map(|call| call.due).chain(self.desk.case.wake_at()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.desk.now = self.desk.now.max(next);
            if self.desk.case.wake_at().is_some_and(|at| at <= self.desk.now) {
                self.desk.input(Input::Wake).unwrap();
            }
        }
        self.desk.now = self.desk.now.max(end);
    }

    fn good(&self, word: &str, over: &Value) -> Done {
        let changed = || json!({"done": "applied", "already": false, "before": null});
        let done = match word {
            "mail" => json!({"done": "sent"}),
            "approve" => json!({"done": "approved", "already": false, "invited_at": self.desk.now}),
            "ensure_invited" => json!({"done": "invited", "already": false}),
            "reject" => json!({"done": "rejected", "already": false}),
            "delete" => json!({"done": "deleted", "already": false}),
            "read_subject" => json!({"done": "seen", "subject": self.seen}),
            "suspend" => json!({"done": "applied", "already": false, "before": "active"}),
            "create_user" => json!({"done": "created", "id": "x", "already": false}),
            "call" => json!({"done": "answered", "status": 200, "body": {}}),
            "emit" => json!({"done": "emitted"}),
            _ => changed(),
        };
        serde_json::from_value(merged(done, over)).unwrap()
    }

    fn expect(&self, expected: &Map<String, Value>) {
        for (what, wanted) in expected {
            let found = self.found(what, wanted);
            assert_eq!(found, *wanted, "{what} in {:?}\n{:#?}", self.desk.case.state, self.desk.entries);
        }
    }

    fn found(&self, what: &str, wanted: &Value) -> Value {
        let (desk, case) = (&self.desk, &self.desk.case);
        match what {
            "state" => json!(case.state_word()),
            "result" => json!(case.result),
            "step" => json!(case.step().and_then(|step| desk.policy.step(step)).map(|step| &step.path)),
            // The outbox without notices to owners.
            "calls" => {
                let calls = case.calls.values().filter(|call| call.purpose != Purpose::OwnerNotice);
                calls.map(|call| json!(call.action.word())).collect()
            }
            // Number of calls per word since the opening.
            "asked" => {
                let counts = wanted.as_object().unwrap().keys();
                counts.map(|word| (word.clone(), json!(desk.asked(word)))).collect()
            }
            "holds" => case.holds.iter().map(|hold| json!(shown(hold))).collect(),
            "stuck" => match &case.state {
                State::Stuck(stuck) if stuck.reason.contains(text(wanted, "reason")) => wanted.clone(),
                State::Stuck(stuck) => json!(stuck.reason),
                _ => Value::Null,
            },
            "steps" => subset(&json!(case.steps), wanted),
            "to" => reinstated_to(case),
            "workflow" => started_workflow(case),
            "noted" => {
                let words: Vec<_> = desk.entries.iter().map(|entry| entry.note.word().to_owned()).collect();
                texts(wanted).into_iter().filter(|word| words.contains(word)).collect()
            }
            "not_noted" => {
                let noted = |word: &String| desk.notes(|note: &Note| note.word() == word) > 0;
                texts(wanted).into_iter().filter(|word| !noted(word)).collect()
            }
            "effects" => json!(desk.effects),
            "events" => desk.events.iter().map(|event| json!(event.subject.to_string())).collect(),
            // The compared values of the due call, besides the address.
            "compared" => {
                let changes = case.calls.values().filter_map(|call| call.action.identity_change());
                json!(changes.map(|(snapshot, _)| &snapshot.compared).next())
            }
            // The other cases that the journal names for a document.
            "seen_in" => {
                let cases = desk.entries.iter().filter_map(|entry| match &entry.note {
                    Note::DocumentSeenBefore { cases } => Some(cases.iter().map(|case| json!(case))),
                    _ => None,
                });
                cases.flatten().collect()
            }
            // Hours from now until the last possible answer.
            "due_in_hours" => json!((case.due_at().unwrap() - desk.now).num_hours()),
            other => panic!("nothing is known of {other}"),
        }
    }
}

fn subset(found: &Value, wanted: &Value) -> Value {
    match wanted {
        Value::Object(fields) => {
            fields.iter().map(|(key, wanted)| (key.clone(), subset(&found[key], wanted))).collect()
        }
        _ => found.clone(),
    }
}

fn reinstated_to(case: &Case) -> Value {
    let to = case.calls.values().find_map(|call| match call.action.identity_change()? {
        (_, IdentityChange::Reinstate { to }) => Some(json!(to)),
        _ => None,
    });
    to.unwrap_or_else(|| json!("nobody is reinstated"))
}

fn started_workflow(case: &Case) -> Value {
    let started = case.calls.values().find_map(|call| match &call.action {
        Action::Verification { provider, session: SessionAction::Start(start) } => {
            let account = if start.account.is_some() { " again" } else { "" };
            Some(json!(format!("{} at {provider}{account}", start.workflow)))
        }
        Action::Verification { provider, session: SessionAction::Read(_) } => {
            Some(json!(format!("read at {provider}")))
        }
        _ => None,
    });
    started.unwrap_or_default()
}

/// Splits `suspend` or `{suspend: {...}}` into a word and its value.
fn named(value: &Value) -> (String, Value) {
    match value {
        Value::String(word) => (word.clone(), Value::Null),
        Value::Object(fields) => {
            let (word, over) = fields.iter().next().unwrap();
            (word.clone(), over.clone())
        }
        other => panic!("{other} names no call"),
    }
}

fn failure(kind: &str) -> Outcome {
    Outcome::Failed(match kind {
        "unavailable" => Failure::unavailable("no answer"),
        "not_shown" => Failure::not_shown("accepted"),
        "refused" => Failure::refused("no"),
        "changed" => Failure::changed("somebody else"),
        "not_enrolled" => Failure::not_enrolled("nobody is known"),
        other => panic!("{other} is no failure"),
    })
}

/// A passport with these fields, or a document of the given type.
fn document(said: &Value) -> Document {
    let said = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    Document {
        kind: said("type").or(Some("PASSPORT".to_owned())),
        country: said("country").or(Some("GBR".to_owned())),
        first_name: said("first_name"),
        last_name: said("last_name"),
        date_of_birth: said("date_of_birth").map(|day| day.parse().unwrap()),
        expires_on: None,
    }
}

fn fingerprint(said: &Value, desk: &Desk) -> String {
    let document = document(said);
    let (kind, country) = (document.kind.as_deref(), document.country.as_deref());
    let number = text(&said["number"], "number");
    desk.links.fingerprints().document(kind, country, number).unwrap()
}

/// A name that identifies a person: `mailbox ADDRESS` stands for its fingerprint.
fn named_as(name: &str, desk: &Desk) -> String {
    match name.strip_prefix("mailbox ") {
        Some(email) => desk.links.fingerprints().mailbox(email),
        None => name.to_owned(),
    }
}

/// Fingerprints of values that a pass was compared with.
fn prints(written: &Value, desk: &Desk) -> BTreeMap<String, String> {
    let of = |(field, value): (&String, &Value)| {
        let mut person = desk.case.subject.clone();
        person.fields.insert(field.clone(), value.clone());
        fingerprints(desk.links.fingerprints(), std::slice::from_ref(field), &person)
    };
    written.as_object().into_iter().flatten().flat_map(of).collect()
}

/// Sets up the surroundings of the case.
fn prepare(desk: &mut Desk, written: &Value) {
    for (what, value) in written.as_object().into_iter().flatten() {
        match what.as_str() {
            "over_limit" => desk.over_limit = value.as_array().unwrap().iter().map(limited).collect(),
            "others" => desk.others = texts(value).iter().map(|hold_of| hold(hold_of)).collect(),
            "sinks" => desk.sinks = texts(value),
            // The persons who have shown a document: `{number: "1", person: ["7"], case: c7}`.
            "documents" => {
                let shown = value.as_array().unwrap().iter().map(|shown| DocumentUse {
                    document: fingerprint(shown, desk),
                    person: texts(&shown["person"]).into_iter().map(|name| named_as(&name, desk)).collect(),
                    case: text(&shown["case"], "case").to_owned(),
                    at: desk.now,
                });
                desk.documents = shown.collect();
            }
            "pauses" => {
                let pauses: Vec<Pause> = serde_json::from_value(value.clone()).unwrap();
                desk.pauses = pauses;
            }
            "enrolled" => {
                let method: Method = serde_json::from_value(value["method"].clone()).unwrap();
                let pass = Pass {
                    at: at(text(&value["at"], "at")),
                    case: "earlier".to_owned(),
                    verification: "full".to_owned(),
                    method,
                    checks: texts(&value["checks"]),
                    compared: prints(&value["compared"], desk),
                };
                let provider = value.get("provider").map_or("jumio", |name| text(name, "provider"));
                let mut enrolment = Enrolment { account: "known".to_owned(), ..Enrolment::default() };
                enrolment.passed(pass);
                let starts = value.get("starts").and_then(Value::as_array).into_iter().flatten();
                enrolment.starts = starts.map(|start| at(text(start, "start"))).collect();
                desk.enrolments.insert(provider.to_owned(), enrolment);
            }
            other => panic!("the world has no {other}"),
        }
    }
}

#[test]
fn every_written_case_has_the_expected_course() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut paths: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    paths.sort();
    let (mut failed, mut played) = (Vec::new(), 0);
    for path in paths {
        let file: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in file["cases"].as_array().unwrap() {
            let case = case.as_object().unwrap();
            let name = format!("{}: {}", path.file_stem().unwrap().display(), text(&case["name"], "name"));
            if !name.contains(&only) {
                continue;
            }
            played += 1;
            let written = merged(file["policy"].clone(), case.get("policy").unwrap_or(&Value::Null));
            let ended = std::panic::catch_unwind(|| {
                let mut scene = Scene::open(policy(&written), case);
                case["play"].as_array().unwrap().iter().for_each(|line| scene.play(line));
            });
            failed.extend(ended.is_err().then_some(name));
        }
    }
    assert!(failed.is_empty(), "{} of {played} went otherwise: {failed:#?}", failed.len());
    assert!(played > 0);
}
