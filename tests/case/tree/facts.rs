//! Inputs from other systems: a person, an event, a proof, a failure.

use std::collections::BTreeMap;

use proofd::model::{
    Event, EventType, Failure, Fields, Judgement, Origin, Outcome, Proof, Subject, SubjectKind, SubjectRef,
};

use super::at;

pub fn subject() -> Subject {
    let fields = serde_json::json!({
        "id": "r1", "user_id": "77", "email": "ada@partner.test", "first_name": "Ada", "last_name": "Byron",
        "locale": "de-AT", "attributes": {"sponsor": "boss@example.com"},
    });
    let fields = fields.as_object().cloned().unwrap();
    Subject { source: String::new(), kind: SubjectKind::Registration, id: "r1".to_owned(), fields }
}

pub fn event(kind: &str, key: &str) -> Event {
    Event {
        key: key.to_owned(),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new(kind),
        also: Vec::new(),
        source: "onelogin".to_owned(),
        time: at("2026-01-05T09:00:00Z"),
        subject: SubjectRef { source: String::new(), kind: SubjectKind::Registration, id: "r1".to_owned() },
        actor: None,
        actor_id: None,
        by_subject: false,
        origin: Origin::Unknown,
        ip: None,
        fields: Fields::new(),
    }
}

pub fn proof(decision: Judgement) -> Proof {
    Proof {
        decision,
        score: Some(1.0),
        reasons: vec!["LABEL".to_owned()],
        checks: BTreeMap::from([("liveness".to_owned(), Judgement::Passed)]),
        document: None,
        numbers: Vec::new(),
        fingerprints: Vec::new(),
        same_face: Vec::new(),
        completed_at: None,
    }
}

pub fn unavailable() -> Outcome {
    Outcome::Failed(Failure::unavailable("no answer"))
}
