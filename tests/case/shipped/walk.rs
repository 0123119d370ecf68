//! One row: a person, a sequence of inputs, and the calls in their order. The module `case` decides as it does in
//! the daemon; all other systems answer at once and successfully, unless the row sets another result.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use proofd::case::{Input, Note, OpenedBy, State, fingerprints};
use proofd::model::{
    Action, Changed, Document, Done, Enrolment, Event, EventType, Failure, Fields, IdentityAction,
    IdentityChange, Judgement, Method, Outcome, Pass, Phase, Proof, ProvisioningAction, SessionAction,
    Subject, SubjectKind, SubjectRef,
};
use proofd::policy::script::{Facts, Verdict};
use proofd::policy::{self, Files, Known, Policy, Severity};
use proofd::rollout::tree;
use serde_json::{Value, json};

use crate::tree::{Desk, at, event, span};

/// A policy, the course of one case, and its result.
pub struct Row {
    pub policy: &'static str,
    /// A difference from the ordinary person of this policy.
    pub but: Option<(&'static str, Value)>,
    /// Inputs: `pass`, `warn`, `reject LABEL`, `silence`, `down`, `decide WORD BY`, `wait SPAN`, `fails WORD`.
    pub moves: &'static [&'static str],
    /// Calls in order: mails as `template>recipient`, the others by their words and their targets.
    pub asked: String,
    pub result: &'static str,
    /// Number of holds at the end.
    pub held: usize,
}

pub fn row(
    policy: &'static str,
    moves: &'static [&'static str],
    asked: impl Into<String>,
    result: &'static str,
) -> Row {
    Row { policy, but: None, moves, asked: asked.into(), result, held: 0 }
}

/// Joins the common beginning of several rows with the rest of this one.
pub fn after(before: &str, rest: &str) -> String {
    format!("{before} {rest}")
}

/// The shipped tree.
pub fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| tree::read(Path::new("policies")).unwrap().unwrap().0)
}

/// Loads a policy for each case, because a desk owns it. Loads only the files it can use.
pub fn policy(name: &str) -> Policy {
    let of = |path: &str| match path.split_once('/') {
        Some((folder, _)) => folder == name || folder == "shared",
        None => true,
    };
    let mine = files().0.iter().filter(|(path, _)| of(path));
    let mine = Files(mine.map(|(path, bytes)| (path.clone(), bytes.clone())).collect());
    let mut loaded = policy::load(&mine, &Known::default());
    let text = policy::diagnostic::render(&loaded.diagnostics, files(), false);
    // Other policies use the blocks that this policy leaves unused.
    let mistakes = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    assert_eq!(mistakes.count(), 0, "{text}");
    let policy = loaded.set.policies.remove(name).unwrap_or_else(|| panic!("there is no policy {name}"));
    drop(loaded);
    std::sync::Arc::into_inner(policy).unwrap()
}

/// The ordinary person of a policy.
fn person(kind: SubjectKind, language: &str, but: Option<&(&'static str, Value)>) -> Subject {
    let mut fields = json!({
        "id": "77", "email": "ada@partner.test", "first_name": "Ada", "last_name": "Byron", "locale": language,
        "created_at": "2025-01-05T09:00:00Z", "email_domain": "partner.test",
    });
    let more = match kind {
        SubjectKind::Registration => json!({
            "user_id": "77", "profile": "Sign-up", "profile_id": "8", "state": "not_reviewed",
            "attributes": {"sponsor": "Grace@Example.com"},
        }),
        SubjectKind::User => json!({
            "username": "ada", "status": "active", "state": "approved", "roles": ["Staff"], "groups": [],
            "manager": {"email": "manager@example.com", "name": "Mary"}, "verified_at": "2025-09-01T00:00:00Z",
            "exempt_until": null, "service_account": null,
            "attributes": {"partner_sponsor": "grace@example.com", "partner_proven_at": "2026-01-01T00:00:00Z"},
        }),
        SubjectKind::Applicant => {
            json!({"attributes": {"date_of_birth": "1990-12-10", "department": "Research"}})
        }
    };
    let map = fields.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    map.extend(but.map(|(field, value)| ((*field).to_owned(), value.clone())));
    Subject { source: String::new(), kind, id: "77".to_owned(), fields: map.clone() }
}

pub fn occasion(kind: SubjectKind, name: &str, fields: Value) -> Event {
    Event {
        kind: EventType::new(name),
        also: if name.starts_with("login.") { vec![EventType::new("login.risk")] } else { Vec::new() },
        subject: SubjectRef { source: String::new(), kind, id: "77".to_owned() },
        actor: Some("Olga".to_owned()),
        actor_id: None,
        ip: Some("192.0.2.7".to_owned()),
        fields: fields.as_object().cloned().unwrap_or_default(),
        ..event(name, "e1")
    }
}

/// The event that opens a case of a policy.
fn opening(policy: &str) -> Option<Event> {
    use SubjectKind::{Applicant, Registration, User};
    let risk = json!({"score": 91, "reasons": ["Impossible travel"], "reason_text": "", "new_device": null});
    match policy {
        "registration-proofing" | "partner-with-sponsor" => {
            Some(occasion(Registration, "registration.created", json!({})))
        }
        "login-risk" => Some(occasion(User, "login.succeeded", risk)),
        "privileged-role" => Some(occasion(User, "user.role_granted", json!({"role": "Payments admin"}))),
        "partner-role" => Some(occasion(User, "user.activated", json!({}))),
        "applicant-to-hr" => Some(occasion(Applicant, "custom.com.example.hire.accepted", json!({}))),
        _ => None,
    }
}

/// Whether a policy opens a case for a person.
pub fn opens(policy: &Policy, subject: &Subject, event: Option<&Event>) -> bool {
    let empty = Fields::new();
    let (settings, now) = (&policy.settings, at("2026-01-05T09:00:00Z"));
    let facts = Facts { event, subject, settings, steps: &empty, this_case: &empty, now };
    matches!(policy.condition.decide(&facts).unwrap(), Verdict::Holds)
}

pub fn opens_for(name: &str, but: (&'static str, Value), event: Option<Event>) -> bool {
    let policy = policy(name);
    let subject = person(policy.subject, "en", Some(&but));
    opens(&policy, &subject, event.or_else(|| opening(name)).as_ref())
}

/// The result of a walk.
pub struct Walked {
    pub steps: BTreeSet<String>,
    pub templates: BTreeSet<String>,
    /// The differences from the row.
    pub wrong: Option<String>,
}

pub fn walk(row: &Row, language: &str) -> Walked {
    let policy = policy(row.policy);
    let subject = person(policy.subject, language, row.but.as_ref());
    let opening = opening(row.policy);
    // A sponsored partner uses another registration form.
    let profile = (row.policy == "partner-with-sponsor").then(|| ("profile", json!("Sponsored partners")));
    let subject = match profile {
        Some((field, value)) => {
            let mut subject = subject;
            subject.fields.insert(field.to_owned(), value);
            subject
        }
        None => subject,
    };
    assert!(opens(&policy, &subject, opening.as_ref()), "{}: no case opens", row.policy);
    let known: Vec<String> = policy.steps.iter().map(|step| step.path.clone()).collect();
    let by = match opening {
        Some(event) => OpenedBy::Event(event),
        None => OpenedBy::Hand { by: "dana".to_owned(), reason: "asked".to_owned(), nonce: "1".to_owned() },
    };
    let enrolled = policy.subject == SubjectKind::User;
    let desk = Desk::with(policy, subject, by, |desk| {
        desk.sinks = vec!["siem".to_owned()];
        if enrolled {
            let enrolled_at = Some(at("2025-09-01T00:00:00Z"));
            let fields = ["first_name", "last_name", "date_of_birth"].map(str::to_owned);
            let compared = fingerprints(desk.links.fingerprints(), &fields, &desk.case.subject);
            // Too old to count without a new check.
            let pass = Pass {
                at: at("2025-09-01T00:00:00Z"),
                case: "earlier".to_owned(),
                verification: "id-and-selfie".to_owned(),
                method: Method::Full,
                checks: Vec::new(),
                compared,
            };
            let account = "account".to_owned();
            let known = Enrolment { account, enrolled_at, passes: vec![pass], ..Enrolment::default() };
            desk.enrolments.insert("jumio".to_owned(), known);
        }
    });
    let mut walk = Walk {
        desk,
        asked: Vec::new(),
        fails: BTreeSet::new(),
        templates: BTreeSet::new(),
        runs: 0,
        language,
    };
    for word in row.moves {
        walk.make(word);
    }
    walk.settle();
    let name = format!("{} {:?}", row.policy, row.moves);
    let expected = row.asked.split_whitespace().collect::<Vec<_>>().join(" ");
    let ended = (walk.desk.case.state_word(), walk.desk.result(), walk.desk.case.holds.len());
    let right = walk.asked.join(" ") == expected && ended == ("closed", Some(row.result), row.held);
    let wrong = (!right).then(|| {
        let (asked, result, held) = (walk.asked.join(" "), row.result, row.held);
        format!("{name}\n  expected {expected}; {result}, holds {held}\n  but it is {asked}; {ended:?}")
    });
    if right {
        walk.judge(&name);
    }
    let steps = walk.desk.entries.iter().filter(|entry| matches!(entry.note, Note::StepBegan { .. }));
    let steps: BTreeSet<String> = steps.filter_map(|entry| entry.step.clone()).collect();
    assert!(steps.iter().all(|step| known.contains(step)));
    Walked { steps, templates: walk.templates, wrong }
}

struct Walk<'a> {
    desk: Desk,
    asked: Vec<String>,
    /// Words of the calls that fail.
    fails: BTreeSet<String>,
    templates: BTreeSet<String>,
    runs: u32,
    language: &'a str,
}

impl Walk<'_> {
    fn make(&mut self, word: &str) {
        self.settle();
        let mut words = word.split_whitespace();
        let mut next = || words.next().unwrap_or_default().to_owned();
        match next().as_str() {
            "pass" => self.proves(Judgement::Passed, &[]),
            "warn" => self.proves(Judgement::Warning, &[]),
            "reject" => self.proves(Judgement::Rejected, &[next()]),
            "silence" => {
                let deadline = self.desk.proving().deadline;
                self.until(deadline);
            }
            "down" => self.is_let_down(),
            "overdue" => {
                let due = self.desk.case.due_at().unwrap();
                self.until(due);
            }
            "decide" => self.desk.decide(&next(), &next(), Some("seen")).unwrap(),
            "wait" => {
                let until = self.desk.now + span(&next()).elapsed().unwrap();
                self.until(until);
            }
            "fails" => {
                self.fails.insert(next());
            }
            other => panic!("no move {other}"),
        }
        self.settle();
    }

    /// Executes every due call, in order.
    fn settle(&mut self) {
        for _ in 0..200 {
            let now = self.desk.now;
            let due = self.desk.case.calls.iter().find(|(_, call)| {
                let vendor = matches!(call.action, Action::Verification { .. });
                call.begun.is_none() && call.due <= now && !vendor
            });
            let Some((call, action)) = due.map(|(number, call)| (*number, call.action.clone())) else {
                return;
            };
            self.desk.input(Input::Attempt { call }).unwrap();
            let attempt = self.desk.case.calls[&call].attempt;
            let outcome = self.answer(&action);
            self.desk.input(Input::Outcome { call, attempt, outcome }).unwrap();
        }
        panic!("it does not come to rest: {:?}", self.asked);
    }

    fn answer(&mut self, action: &Action) -> Outcome {
        let said = match action {
            Action::Mail { message } => {
                let whom = message.to.email.split('@').next().unwrap();
                let whom = if whom == "ada" { "person" } else { whom };
                // The tree does not contain the built-in notices to teams.
                if !matches!(message.template.as_str(), "review" | "stuck" | "contested") {
                    self.templates.insert(message.template.clone());
                    let text = format!("{}\n{}", message.subject, message.text);
                    for hole in ["{{", "}}", "()", "undefined", "/v/ ", " ,", "null"] {
                        assert!(!text.contains(hole), "{hole} in {}: {text}", message.template);
                    }
                    if whom == "person" {
                        assert_eq!(message.language, self.language, "{}", message.template);
                    } else {
                        assert!(!text.contains("/v/"), "a link of the person in a mail to {whom}: {text}");
                    }
                }
                format!("{}>{whom}", message.template)
            }
            Action::Identity(IdentityAction::Read { .. }) => String::new(),
            Action::Identity(IdentityAction::Change { change, .. }) => match change {
                IdentityChange::Suspend { end_sessions: true } => "suspend+sessions".to_owned(),
                IdentityChange::AssignRole { role } | IdentityChange::RemoveRole { role } => {
                    format!("{}:{}", action.word(), role.replace(' ', "-"))
                }
                IdentityChange::SetAttributes { attributes } => {
                    format!("set:{}", attributes.keys().cloned().collect::<Vec<_>>().join(","))
                }
                _ => action.word().to_owned(),
            },
            Action::Provisioning { system, account: ProvisioningAction::Create { .. } } => {
                format!("create_user:{system}")
            }
            Action::Request { endpoint, .. } => format!("call:{endpoint}"),
            Action::Emit { event, .. } => format!("emit:{}", event["type"].as_str().unwrap()),
            other => other.word().to_owned(),
        };
        if !said.is_empty() {
            self.asked.push(said);
        }
        if self.fails.contains(action.word()) {
            return Outcome::Failed(Failure::refused("it is told to fail"));
        }
        Outcome::Done(match action {
            Action::Mail { .. } => Done::Sent,
            Action::Identity(IdentityAction::Change {
                change: IdentityChange::EnsureInvited { .. }, ..
            })
            | Action::Verification { .. } => panic!("nobody answers {}", action.word()),
            Action::Identity(IdentityAction::Change { change, .. }) => {
                let suspends = matches!(change, IdentityChange::Suspend { .. });
                let before = suspends.then(|| "active".to_owned());
                change.done(Changed { already: false, before, invited_at: Some(self.desk.now) })
            }
            Action::Identity(IdentityAction::Read { .. }) => {
                let subject = self.desk.case.seen.clone().unwrap_or_else(|| self.desk.case.subject.clone());
                Done::Seen { subject: Some(Box::new(subject)) }
            }
            Action::Request { .. } => Done::Answered { status: 201, body: json!({"id": "T-1"}) },
            Action::Provisioning { account: ProvisioningAction::Create { .. }, .. } => {
                Done::Created { id: Some("900".to_owned()), already: false }
            }
            Action::Provisioning { account: ProvisioningAction::Update { .. }, .. } => {
                Done::Applied { already: false, before: None }
            }
            Action::Emit { .. } => Done::Emitted,
        })
    }

    /// Advances the time and executes what becomes due.
    fn until(&mut self, end: proofd::model::Timestamp) {
        for _ in 0..1_000 {
            self.settle();
            let calls =
                self.desk.case.calls.values().filter(|call| call.begun.is_none()).map(|call| call.due);
            let next = calls.chain(self.desk.case.wake_at()).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.desk.now = self.desk.now.max(next);
            self.settle();
            if self.desk.case.wake_at().is_some_and(|at| at <= self.desk.now) {
                self.desk.input(Input::Wake).unwrap();
            }
        }
        self.desk.now = self.desk.now.max(end);
        self.settle();
    }

    /// The person presses the button and completes the check; the vendor reports the result.
    fn proves(&mut self, decision: Judgement, labels: &[String]) {
        self.runs += 1;
        self.desk.press().unwrap();
        // The person is read before a selfie check.
        self.settle();
        let start = self.desk.due("start_verification").unwrap();
        let Action::Verification { session: SessionAction::Start(order), .. } =
            &self.desk.case.calls[&start].action
        else {
            unreachable!()
        };
        let full = order.method == Method::Full;
        self.asked.push(if full { "start:document" } else { "start:selfie" }.to_owned());
        self.desk.start(&format!("x{}", self.runs));
        self.desk.later("1m");
        self.desk.input(Input::Wake).unwrap();
        self.settle();
        let checks = [
            "usability",
            "imageChecks",
            "extraction",
            "dataChecks",
            "liveness",
            "similarity",
            "authentication",
        ];
        let document = Document {
            country: Some("GBR".to_owned()),
            first_name: Some("ADA".to_owned()),
            last_name: Some("BYRON".to_owned()),
            date_of_birth: Some("1990-12-10".parse().unwrap()),
            ..Document::default()
        };
        let proof = Proof {
            decision,
            score: Some(1.0),
            reasons: labels.to_vec(),
            checks: checks.iter().map(|check| ((*check).to_owned(), decision)).collect(),
            document: full.then_some(document),
            numbers: Vec::new(),
            fingerprints: Vec::new(),
            same_face: Vec::new(),
            completed_at: Some(self.desk.now),
        };
        self.desk.read(Phase::Done, Some(proof));
        self.settle();
    }

    /// The vendor is unreachable until the retries are used up.
    fn is_let_down(&mut self) {
        self.desk.press().unwrap();
        self.settle();
        for _ in 0..200 {
            let start =
                self.desk.case.calls.iter().find(|(_, call)| call.action.word() == "start_verification");
            let Some((call, due)) = start.map(|(number, call)| (*number, call.due)) else { break };
            self.desk.now = self.desk.now.max(due);
            self.settle();
            if !self.desk.case.calls.contains_key(&call) {
                break;
            }
            self.desk.input(Input::Attempt { call }).unwrap();
            let attempt = self.desk.case.calls[&call].attempt;
            let outcome = Outcome::Failed(Failure::unavailable("no answer"));
            self.desk.input(Input::Outcome { call, attempt, outcome }).unwrap();
        }
        self.settle();
    }

    /// Checks the invariants of every path through a shipped policy.
    fn judge(&self, name: &str) {
        let adverse = ["suspend", "delete", "reject", "remove_role"];
        let against = self.asked.iter().any(|said| adverse.iter().any(|word| said.starts_with(word)));
        let told = self.asked.iter().any(|said| said.ends_with(">person"));
        assert!(!against || told, "{name}: something was done against a person who was not told");
        // A link to object must work.
        let promised = self.templates.iter().filter(|template| promises(template)).count();
        let graced = self.desk.notes(|note| matches!(note, Note::GraceBegan { .. }));
        assert_eq!(promised > 0, graced > 0, "{name}: a link to object belongs to a deletion in grace");
        assert!(!matches!(self.desk.case.state, State::Stuck(_)), "{name}");
    }
}

/// Whether a template offers a link to object.
fn promises(template: &str) -> bool {
    let path = format!("shared/templates/{template}/en.md");
    files().get(&path).is_some_and(|bytes| String::from_utf8_lossy(bytes).contains("contest_link"))
}
