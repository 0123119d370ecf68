//! Tests of the invariants themselves: each one receives evidence with one violation and must report it. A check that
//! reports nothing might otherwise check nothing.

use proofd::case::{Note, State};
use proofd::model::Timestamp;
use proofd::policy::Revision;
use proofd::simulate::ledger::{Record, System};
use serde_json::json;

use crate::evidence::{Evidence, Story};
use crate::invariants::ALL;
use crate::lives::Kind;

type Tamper = fn(&mut Evidence);

const WAYS: &[(&str, &str, Tamper)] = &[
    ("I1", "a case is gone", |evidence| drop(evidence.stories.pop_first())),
    ("I1", "events are gone", |evidence| evidence.received.clear()),
    ("I1", "nothing is said of an event", |evidence| drop(evidence.consumed.pop_first())),
    ("I2", "a case is still open", |evidence| {
        some_story(evidence).case.state =
            State::Calling { step: proofd::policy::tree::StepIndex(0), call: 1 };
    }),
    ("I3", "the pass was of another session", |evidence| {
        for record in &mut evidence.ledger {
            record.detail["execution"] = json!("another");
        }
    }),
    ("I3", "the pass came later", |evidence| record(evidence, "user.approve").at = Timestamp::UNIX_EPOCH),
    ("I4", "approved twice", |evidence| {
        let again = record(evidence, "user.approve").clone();
        evidence.ledger.push(again);
    }),
    ("I4", "approved and deleted", |evidence| {
        let approved = record(evidence, "user.approve").clone();
        evidence.ledger.push(Record { what: "user.delete".to_owned(), ..approved });
    }),
    ("I5", "deleted though approved", |evidence| record(evidence, "user.delete").detail["state"] = json!(1)),
    ("I6", "a mail never came", |evidence| {
        let id = record(evidence, "mail").detail["message_id"].clone();
        evidence.ledger.retain(|one| one.detail["message_id"] != id);
    }),
    ("I6", "a copy too many", |evidence| {
        let doubts: usize = evidence
            .stories
            .values()
            .flat_map(Story::entries)
            .filter(|entry| matches!(entry.note, Note::AttemptLost { .. }))
            .count();
        let mail = record(evidence, "mail").clone();
        evidence.ledger.extend(std::iter::repeat_n(mail, doubts + 1));
    }),
    ("I6", "a mail of nobody", |evidence| {
        record(evidence, "mail").detail["message_id"] = json!("<nobody.1@example.com>");
    }),
    ("I7", "sent to a lost session", |evidence| {
        for (_, changed) in evidence.stories.values_mut().flat_map(|story| &mut story.changes) {
            changed.entries.retain(|entry| !matches!(entry.note, Note::SessionStarted { .. }));
        }
    }),
    ("I8", "an effect before its attempt", |evidence| record(evidence, "create").at = Timestamp::UNIX_EPOCH),
    ("I8", "an effect that nobody asked for", |evidence| {
        record(evidence, "user.delete").what = "user.lock".to_owned()
    }),
    ("I8", "the state differs", |evidence| evidence.verified["different"] = json!(1)),
    ("I9", "a name in the log", |evidence| evidence.written.push_str("Person7 Tester")),
    ("I10", "woken early", |evidence| {
        for (_, changed) in evidence.stories.values_mut().flat_map(|story| &mut story.changes) {
            if let Some(recorded) = &mut changed.recorded {
                recorded.facts.now = Timestamp::UNIX_EPOCH;
            }
        }
    }),
    ("I10", "deleted early", |evidence| record(evidence, "user.delete").at = Timestamp::UNIX_EPOCH),
    ("I10", "reminded early", |evidence| {
        for mail in evidence.ledger.iter_mut().filter(|one| one.system == System::Mail) {
            mail.at = Timestamp::UNIX_EPOCH;
        }
    }),
    ("I11", "decided differently", |evidence| evidence.verified["decisions"]["different"] = json!(1)),
    ("I12", "another revision on the way", |evidence| {
        let story = some_story(evidence);
        story.changes.last_mut().expect("a change").1.case.revision = Revision("another".to_owned());
    }),
    ("I12", "a mail of another revision", |evidence| {
        for mail in &mut evidence.mails {
            mail.text = mail.text.replace("Edition one.", "Edition two.");
        }
    }),
];

pub fn is_noticed(evidence: &Evidence) {
    for (name, way, tamper) in WAYS {
        let mut tampered = evidence.clone();
        tamper(&mut tampered);
        let (_, check) = ALL.iter().find(|(other, _)| other == name).expect("a known invariant");
        assert!(!check(&tampered).is_empty(), "{name} does not notice: {way}");
    }
    let untried: Vec<_> =
        ALL.iter().filter(|(name, _)| !WAYS.iter().any(|(other, _, _)| other == name)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

/// The case of an honest person.
fn some_story(evidence: &mut Evidence) -> &mut Story {
    let user =
        evidence.lives.iter().find(|life| life.kind == Kind::Honest).expect("somebody honest").user.clone();
    evidence.stories.values_mut().find(|story| story.case.subject.id == user).expect("their case")
}

fn record<'a>(evidence: &'a mut Evidence, what: &str) -> &'a mut Record {
    evidence.ledger.iter_mut().find(|one| one.applied && one.what == what).expect("a record of that kind")
}
