//! Shared parts of the case tests: a representative policy, built in code, and a desk for one case with a clock
//! that the test advances. After every input the desk checks the invariants.

mod desk;
mod facts;
pub mod written;

#[allow(unused_imports, reason = "every test file uses its own part of this")]
pub use desk::{Desk, member};
#[allow(unused_imports, reason = "every test file uses its own part of this")]
pub use facts::{event, proof, subject, unavailable};

use std::collections::BTreeMap;
use std::sync::Arc;

use proofd::model::{EventType, Fields, Method, Span, SubjectKind, Timestamp};
use proofd::policy::graph::{Edge, Graph, Via};
use proofd::policy::people::{People, Queue, Team};
use proofd::policy::script::Condition;
use proofd::policy::template::{Source, Templates};
use proofd::policy::tree::{
    DecisionRule, Effect, Escalate, Grace, IfAlreadyOpen, Keep, Mode, Notify, Recipient, Reminder, Retry,
    Review, Step, StepIndex, Trigger, Verb, Verification, Verify,
};
use proofd::policy::{Files, Policy, Revision};

pub fn span(text: &str) -> Span {
    text.parse().unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Differences between the policies of the tests.
#[derive(Debug, Clone)]
pub struct Shape {
    pub grace: &'static str,
    pub people: u32,
    pub invite: &'static str,
    pub retry: Option<Retry>,
    pub if_already_open: IfAlreadyOpen,
    pub require: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            grace: "7d",
            people: 1,
            invite: "proof-invite",
            retry: None,
            if_already_open: IfAlreadyOpen::Attach,
            require: vec!["liveness".to_owned()],
        }
    }
}

struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, path: &str, verb: Verb, outcomes: &[(&str, u32)], next: Option<u32>) {
        let index = StepIndex(u32::try_from(self.0.len()).unwrap());
        let ending = |word: &str| verb.ending(word);
        let outcomes = outcomes.iter().map(|(word, step)| (ending(word), StepIndex(*step))).collect();
        let id = (!path.contains('/')).then(|| path.to_owned());
        self.0.push(Step {
            index,
            path: path.to_owned(),
            id,
            condition: None,
            retry: None,
            verb,
            outcomes,
            next: next.map(StepIndex),
            place: proofd::policy::diagnostic::Place::default(),
        });
    }
}

pub const PROOF: u32 = 0;
const PASSED: u32 = 1;
const REJECTED: u32 = 3;
const DESK: u32 = 6;
const AGAIN: u32 = 7;
const EXPIRED: u32 = 8;
const GIVEN_UP: u32 = 11;

fn close(result: &str) -> Verb {
    Verb::Close { result: result.to_owned() }
}

fn notify(to: Recipient, template: &str) -> Verb {
    Verb::Effect(Effect::Notify(Notify {
        to: vec![to],
        template: template.to_owned(),
        urgent: false,
        by_call: false,
    }))
}

fn review(shape: &Shape) -> Verb {
    let rule = |reason_required| DecisionRule { reason_required };
    Verb::Review(Review {
        queue: "desk".to_owned(),
        show: Vec::new(),
        decisions: BTreeMap::from([
            ("approve".to_owned(), rule(true)),
            ("reject".to_owned(), rule(true)),
            ("try_again".to_owned(), rule(false)),
        ]),
        people: shape.people,
        never: vec!["subject".to_owned(), "sponsor".to_owned()],
        answer_within: span("2d"),
        escalate: Some(Escalate { after: span("1d"), queue: "leads".to_owned() }),
    })
}

fn verify(shape: &Shape) -> Verb {
    let remind = |after: &str, template: &str, also: Vec<Recipient>| Reminder {
        after: span(after),
        template: template.to_owned(),
        also,
    };
    Verb::Verify(Verify {
        verification: Arc::new(Verification {
            name: "id-and-selfie".to_owned(),
            provider: "jumio".to_owned(),
            workflow: "10011".to_owned(),
            method: Method::Full,
            require: shape.require.clone(),
            fallback: None,
        }),
        fallback: None,
        answer_within: span("14d"),
        invite: shape.invite.to_owned(),
        remind: vec![
            remind("2d", "reminder", Vec::new()),
            remind("7d", "reminder", Vec::new()),
            remind("12d", "last-call", vec![Recipient::Team("desk".to_owned())]),
        ],
        compare: Vec::new(),
        optional: Vec::new(),
        reuse_within: None,
    })
}

/// Proof; passed: approve; rejected: notify and delete; silence: delete; all other outcomes: review.
pub fn policy(shape: &Shape) -> Policy {
    let grace = Grace { length: span(shape.grace) };
    let mut steps = Steps(Vec::new());
    let outcomes = [
        ("passed", PASSED),
        ("warning", DESK),
        ("rejected", REJECTED),
        ("no_response", EXPIRED),
        ("unavailable", DESK),
    ];
    steps.add("proof", verify(shape), &outcomes, None);
    steps.add("proof/passed/1", Verb::Approve, &[], Some(2));
    steps.add("proof/passed/2", close("approved"), &[], None);
    steps.add("proof/rejected/1", notify(Recipient::Subject, "declined"), &[], Some(4));
    steps.add("proof/rejected/2", Verb::Delete { grace }, &[], Some(5));
    steps.add("proof/rejected/3", close("rejected"), &[], None);
    let decisions = [("approve", PASSED), ("reject", REJECTED), ("try_again", AGAIN), ("overdue", GIVEN_UP)];
    steps.add("desk", review(shape), &decisions, None);
    let again = Verb::RetryFrom { step: StepIndex(PROOF), at_most: 2, or_else: StepIndex(GIVEN_UP) };
    steps.add("desk/again/1", again, &[], None);
    steps.add("proof/no_response/1", notify(Recipient::Subject, "expired"), &[], Some(9));
    steps.add("proof/no_response/2", Verb::Delete { grace }, &[], Some(10));
    steps.add("proof/no_response/3", close("expired"), &[], None);
    steps.add("desk/overdue/1", close("given_up"), &[], None);
    for step in &mut steps.0 {
        step.retry = shape.retry;
    }
    around(steps, shape)
}

/// The edges from a step, without evaluating its `if`.
fn ways(step: &Step) -> Vec<Edge> {
    let outcomes =
        step.outcomes.iter().map(|(ending, to)| Edge { to: *to, via: Via::Outcome(ending.clone()) });
    let mut edges: Vec<Edge> = outcomes.chain(step.next.map(|to| Edge { to, via: Via::Next })).collect();
    if let Verb::RetryFrom { step, or_else, .. } = &step.verb {
        edges.extend([Edge { to: *step, via: Via::Again }, Edge { to: *or_else, via: Via::UsedUp }]);
    }
    edges
}

fn around(steps: Steps, shape: &Shape) -> Policy {
    let by_id = steps.0.iter().filter_map(|step| Some((step.id.clone()?, step.index))).collect();
    let team = |mail: &str| Team { mail: mail.to_owned(), call: None };
    let queue = |team: &str| Queue { team: team.to_owned(), calendar: None };
    Policy {
        name: "registration-proofing".to_owned(),
        title: "Verify ID".to_owned(),
        owner: "owner@example.com".to_owned(),
        language: None,
        mode: Mode::Enforce,
        subject: SubjectKind::Registration,
        sources: Vec::new(),
        when: vec![Trigger::Event(EventType::new("registration.created")), Trigger::Manual],
        condition: Condition::default(),
        if_already_open: shape.if_already_open,
        case_key: None,
        cancel_when: vec![EventType::new("registration.withdrawn")],
        as_long_as: None,
        settings: Fields::new(),
        limits: Vec::new(),
        keep: Keep { case: span("2y"), evidence: span("30d") },
        graph: Graph::new(StepIndex(PROOF), steps.0.iter().map(ways).collect()),
        steps: steps.0,
        by_id,
        people: Arc::new(People {
            teams: BTreeMap::from([
                ("desk".to_owned(), team("desk@example.com")),
                ("leads".to_owned(), team("leads@example.com")),
            ]),
            queues: BTreeMap::from([
                ("desk".to_owned(), queue("desk")),
                ("leads".to_owned(), queue("leads")),
            ]),
            calendars: BTreeMap::new(),
        }),
        templates: templates(),
        revision: Revision("r1".to_owned()),
        files: Files::default(),
    }
}

/// The mails of the tests; the one named `missing` cannot be rendered.
fn templates() -> Templates {
    let body = "{% if link %}{{ link }}{% endif %}\n\n{% if contest_link %}{{ contest_link }}{% endif %}";
    let source = |name: &str, language: &str| Source {
        name: name.to_owned(),
        language: language.to_owned(),
        path: format!("shared/templates/{name}/{language}.md"),
        text: format!("---\nsubject: {name}\n---\n{body}\n"),
    };
    let names = ["proof-invite", "reminder", "last-call", "declined", "expired"];
    let sources: Vec<_> = names.iter().flat_map(|name| [source(name, "en"), source(name, "de")]).collect();
    let mut diagnostics = Vec::new();
    let templates = Templates::build(&sources, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    templates
}
