//! Decisions about an event, a manual start and one person of a sweep, question by question: `tests/data/intake`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::tree::written::{merged, person, policy, text};
use crate::tree::{Desk, event};
use chrono::TimeDelta;
use proofd::case::intake::{self, Answer, Decision, Lookup, Modes, Reaction, Step, Taken};
use proofd::case::{Case, Echo, OpenedBy};
use proofd::model::{CaseId, Event, Failure, Subject, SubjectKind, SubjectRef, Timestamp};
use proofd::policy::{Policy, PolicySet};
use serde_json::{Value, json};

struct Row {
    written: Value,
    policy: Arc<Policy>,
    whom: SubjectRef,
    now: Timestamp,
    open: Vec<Case>,
    asked: Vec<&'static str>,
}

fn kind_of(value: &Value) -> SubjectKind {
    let word = value["type"].as_str().unwrap_or("user");
    SubjectKind::ALL.into_iter().find(|kind| kind.word() == word).unwrap()
}

impl Row {
    fn new(file: &Value, row: &Value) -> Self {
        let policy = policy(&merged(file["policy"].clone(), &row["policy"]));
        let subject = person(kind_of(&row["whom"]), &json!({}));
        let source = row["whom"]["source"].as_str().unwrap_or_default().to_owned();
        let by = OpenedBy::Event(event("user.locked", "e0"));
        let desk = Desk::with(policy, subject.clone(), by, |_| {});
        let open = row["open"].as_array().into_iter().flatten().enumerate();
        let open = open.map(|(number, written)| {
            let by = written["by"].as_str().map(|key| event("user.locked", key));
            Case {
                id: CaseId(written["id"].as_str().map_or(format!("c-{number}"), str::to_owned)),
                policy: written["policy"].as_str().unwrap_or(&desk.policy.name).to_owned(),
                key: text(&written["key"], "key").to_owned(),
                event: by,
                state: desk.case.state.clone(),
                ..desk.case.clone()
            }
        });
        Self {
            written: row.clone(),
            whom: SubjectRef { source, ..subject.reference() },
            now: desk.now,
            open: open.collect(),
            policy: Arc::new(desk.policy),
            asked: Vec::new(),
        }
    }

    fn event(&self, kind: &str) -> Event {
        Event { subject: self.whom.clone(), time: self.now, ..event(kind, "e1") }
    }

    fn begin(&self) -> Step {
        let row = &self.written;
        let modes = match row["modes"].as_str() {
            Some("all_enforced") => Modes::AllEnforced,
            Some(other) => panic!("no modes {other}"),
            None => Modes::AsWritten,
        };
        let attempts = row["attempts"].as_u64().unwrap_or(0) as u32;
        let (policy, whom) = (&self.policy, self.whom.clone());
        if let Some(kind) = row["event"].as_str() {
            let event = self.event(kind);
            let asked = intake::asked_about(&event, &PolicySet::new([Arc::clone(policy)]), modes);
            return intake::event(event, asked, modes, attempts, self.now);
        }
        if row["hand"] == true {
            let (by, reason, nonce) = ("Dana".to_owned(), "a test".to_owned(), "1".to_owned());
            return intake::by_hand(policy, whom, OpenedBy::Hand { by, reason, nonce }, modes, self.now);
        }
        assert_eq!(row["sweep"], true, "{row}");
        let sweep = policy.sweeps().next().unwrap();
        intake::by_sweep(policy, sweep, self.now, whom, modes, row["thorough"] == true, self.now)
    }

    fn lookup(&self, whom: &SubjectRef) -> Lookup {
        match &self.written["person"] {
            Value::String(word) => match word.as_str() {
                "nobody" => Lookup::Read(None),
                "later" => Lookup::Later(Failure::unavailable("no answer")),
                "never" => Lookup::Never("there is no such provider".to_owned()),
                "unknown" => Lookup::Unknown,
                other => panic!("no person {other}"),
            },
            fields => {
                let read = person(whom.kind, &if fields.is_null() { json!({}) } else { fields.clone() });
                Lookup::Read(Some(Subject { source: whom.source.clone(), ..read }))
            }
        }
    }

    fn answer(&mut self, step: Step) -> Step {
        let row = self.written.clone();
        match step {
            Step::Echoes(ask) => {
                self.asked.push("echoes");
                let caused: BTreeMap<CaseId, Echo> = row["caused"]
                    .as_str()
                    .map(|case| (CaseId(case.to_owned()), self.echo(text(&row["event"], "event"))))
                    .into_iter()
                    .collect();
                ask.answer(&caused)
            }
            Step::Concerned(ask) => {
                self.asked.push("concerned");
                ask.answer(self.open.iter().map(|case| (case, &self.policy)))
            }
            Step::Cases(ask) => {
                self.asked.push("cases");
                ask.answer(self.open.iter().filter(|case| row["caused"] != case.id.as_str()))
            }
            Step::Join(ask) => {
                self.asked.push("join");
                ask.answer(Reaction::Joined)
            }
            Step::Person(ask) => {
                self.asked.push("person");
                let lookup = self.lookup(&ask.subject);
                ask.answer(lookup, self.now)
            }
            Step::Opened(ask) => {
                self.asked.push("opened");
                ask.answer(row["before"] == true)
            }
            Step::FirstSeen(ask) => {
                self.asked.push("first_seen");
                ask.answer(row["seen"].as_i64().map(|days| self.now - TimeDelta::days(days)))
            }
            Step::Taken(ask) => {
                self.asked.push("taken");
                let taken = self.open.iter().find(|case| {
                    (case.policy.as_str(), case.key.as_str()) == (ask.policy().name.as_str(), ask.key())
                });
                ask.answer(taken.map_or(Taken::Nobody, Taken::Case))
            }
            Step::Open(ask) => {
                self.asked.push("open");
                ask.answer(Some(CaseId("c-new".to_owned())))
            }
            Step::Done(decision) => Step::Done(decision),
        }
    }

    fn echo(&self, kind: &str) -> Echo {
        Echo {
            call: 1,
            kinds: vec![kind.to_owned()],
            role: None,
            from: self.now,
            until: None,
            silent: false,
            heard: Vec::new(),
        }
    }
}

fn words(answer: &Answer, policy: &Policy) -> String {
    match answer {
        Answer::NotAsked(_) => format!("not asked: {}", answer.detail(policy)),
        Answer::NoSubject(why) => format!("no person to decide about: {why}"),
        Answer::Unknown(_) => "not known".to_owned(),
        Answer::AlreadyOpen(_) => "open already".to_owned(),
        Answer::NotDue(_) => "not due".to_owned(),
        other => other.verdict().unwrap().to_string(),
    }
}

fn check(file: &Value, row: &Value) -> Result<(), String> {
    let mut row = Row::new(file, row);
    let mut step = row.begin();
    let decision = loop {
        step = match step {
            Step::Done(decision) => break decision,
            question => row.answer(question),
        };
    };
    let answers = match &decision {
        Decision::OwnChange(_) => json!("own_change"),
        Decision::Later(_) => json!("later"),
        Decision::Answered { answers, .. } => {
            answers.iter().map(|answered| words(&answered.answer, &row.policy)).collect()
        }
    };
    let asked = json!(row.asked);
    let wanted = &row.written["asked"];
    if answers != row.written["answers"] || !wanted.is_null() && asked != *wanted {
        return Err(format!("{}: asked {asked}, answered {answers}", row.written["name"]));
    }
    Ok(())
}

#[test]
fn intake_steps_match_the_expected_ones() {
    let (mut rows, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir("tests/data/intake").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let file: Value = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for row in file["rows"].as_array().unwrap() {
                rows += 1;
                wrong.extend(check(&file, row).err());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows >= 35, "{rows} rows");
}
