//! A back-test of an edited policy: 100,000 recorded events with their cases and decisions. The daemon's decision
//! code fills the store, without its sockets; the measured time includes reading the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrono::TimeDelta;
use proofd::case::{Case, Cause, Context, Facts, Input, OpenedBy, Opening, Press, Recorded, State};
use proofd::engine::clock::Virtual;
use proofd::engine::{Connectors, Engine, Settings};
use proofd::model::{
    Clock, Document, Event, EventType, Fields, Judgement, Origin, Proof, Registration, Subject, Timestamp,
    User, Verdict,
};
use proofd::policy::{self, Files, Known, Policy};
use proofd::rollout::{self, Edited, Progress, tree};
use proofd::store::{Changed, Commit, Consumed, PolicyVerdict, Store};
use proofd::trial::{Answer, Environment, Outside, Terms};

use crate::process;

const EVENTS: usize = 100_000;
/// Number of cases whose changes become durable together.
const TOGETHER: usize = 500;
const REQUIRED: [&str; 6] =
    ["usability", "imageChecks", "extraction", "dataChecks", "liveness", "similarity"];

pub async fn print() {
    println!("\nThe past of {EVENTS} events, walked with an edit of a policy, on the cores of this machine");
    let registered = "registrations, each with a whole case; the edit reminds a day sooner";
    let edit = ("{after: 2d, template: proof-reminder}", "{after: 1d, template: proof-reminder}");
    measured(registered, "registration-proofing", edit, Fill::Registrations).await;
    let signed_in = "sign-ins, one in fifty risky enough; the edit lowers the threshold";
    let edit = ("risk_threshold: 76", "risk_threshold: 70");
    measured(signed_in, "login-risk", edit, Fill::SignIns).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    Registrations,
    SignIns,
}

async fn measured(what: &str, name: &str, edit: (&str, &str), fill: Fill) {
    let dir = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Virtual::new(now));
    let (store, opened) = Store::open(dir.path(), now).unwrap();
    let engine = Engine::open(settings(), store, &opened, clock, Connectors::default()).await.unwrap();
    let running = Arc::clone(engine.active().set.policies.get(name).unwrap());
    fill_store(&engine, &running, now, fill).await;
    let edited = Edited::new(name, Some(running), Some(edited(name, edit)));
    let walked = Arc::new(AtomicUsize::new(0));
    let (told, began, cpu) = (Arc::clone(&walked), Instant::now(), process::cpu(std::process::id()));
    let foreseen = tokio::task::spawn_blocking(move || {
        let heard = move |progress| {
            if let Progress::Walking { done, .. } = progress {
                told.fetch_max(done, Ordering::Relaxed);
            }
        };
        let read = Instant::now();
        let past =
            engine.rollout().back_tester.past(std::slice::from_ref(&edited), &|_| {}, &|| true).unwrap();
        let read = read.elapsed().as_secs_f64();
        drop(past);
        (engine.rollout().back_tester.run(&[edited], &engine.active().set, &heard, &|| true).unwrap(), read)
    });
    let (foreseen, read) = foreseen.await.unwrap();
    let took = began.elapsed().as_secs_f64() - read;
    let used = (process::cpu(std::process::id()) - cpu).as_secs_f64() - read;
    let past = &foreseen.policies[name];
    println!("  {EVENTS} {what}");
    println!(
        "    {took:>6.1} s ({read:.1} s of it reading {:.0} MiB of journal), {used:.1} s of CPU, {:.0} MiB resident afterwards",
        size(dir.path()) as f64 / f64::from(1 << 20),
        process::resident(std::process::id())
    );
    println!(
        "    {} events, {} cases, {} people told of; {} cases before, {} after, {} otherwise, {} not known",
        foreseen.span.events,
        foreseen.span.cases,
        walked.load(Ordering::Relaxed),
        past.cases.before,
        past.cases.after,
        past.different,
        past.unknown
    );
}

fn settings() -> Settings {
    Settings {
        public_url: "http://127.0.0.1".to_owned(),
        organization: "Example".to_owned(),
        rollout: rollout::Settings {
            policies: PathBuf::from("policies"),
            park: Vec::new(),
            ..Default::default()
        },
        ..Settings::default()
    }
}

fn edited(name: &str, (from, to): (&str, &str)) -> Arc<Policy> {
    let (Files(mut files), _) = tree::read(Path::new("policies")).unwrap().unwrap();
    let path = format!("{name}/policy.yaml");
    let text = String::from_utf8(files[&path].to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    files.insert(path, Arc::from(text.replace(from, to).into_bytes()));
    files.remove(&format!("{name}/tests.yaml"));
    Arc::clone(&policy::load(&Files(files), &Known::default()).set.policies[name])
}

fn size(dir: &Path) -> u64 {
    let segments = std::fs::read_dir(dir.join("journal")).unwrap();
    segments.map(|segment| segment.unwrap().metadata().unwrap().len()).sum()
}

async fn fill_store(engine: &Engine, policy: &Arc<Policy>, now: Timestamp, fill: Fill) {
    let terms = engine.rollout().back_tester.terms();
    for first in (0..EVENTS).step_by(TOGETHER) {
        let mut commits: Vec<Commit> = Vec::new();
        let mut ends = Commit::default();
        for number in first..first + TOGETHER {
            // Events are spread over eighty days.
            let at =
                now - TimeDelta::days(85) + TimeDelta::seconds(80 * 86_400 * number as i64 / EVENTS as i64);
            let opens = fill == Fill::Registrations || number.is_multiple_of(50);
            let (event, subject) = happened(number, at, fill, opens);
            if commits.is_empty() {
                commits.push(Commit::default());
            }
            commits[0].received.push(event.clone());
            let verdict = if opens { Verdict::Opened } else { Verdict::Clause };
            let said = PolicyVerdict::new(&policy.name, &policy.revision, verdict, String::new());
            let people = if opens { Vec::new() } else { vec![subject.clone()] };
            ends.consumed.push(Consumed {
                key: event.key.clone(),
                at,
                verdicts: vec![said],
                people,
                named: Vec::new(),
            });
            if opens {
                for (place, changed) in case_of(policy, event, subject, at, terms).into_iter().enumerate() {
                    if commits.len() <= place + 1 {
                        commits.push(Commit::default());
                    }
                    commits[place + 1].cases.push(changed);
                }
            }
        }
        commits.push(ends);
        for commit in commits {
            engine.store().commit(commit).await.unwrap();
        }
    }
}

fn happened(number: usize, at: Timestamp, fill: Fill, risky: bool) -> (Event, Subject) {
    let id = number.to_string();
    let mut fields = Fields::new();
    let (kind, subject) = match fill {
        Fill::Registrations => (EventType::REGISTRATION_CREATED, registration(&id, at)),
        Fill::SignIns => {
            let score = if risky { 90 } else { number % 76 };
            fields.insert("score".to_owned(), score.into());
            for empty in ["new_device", "reasons", "reason_text"] {
                fields.insert(empty.to_owned(), serde_json::Value::Null);
            }
            ("login.risk", user(&id, at))
        }
    };
    let event = Event {
        key: format!("bench:{number}"),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new(kind),
        also: Vec::new(),
        source: "onelogin".to_owned(),
        time: at,
        subject: subject.reference(),
        actor: None,
        actor_id: None,
        by_subject: false,
        origin: Origin::Unknown,
        ip: None,
        fields,
    };
    (event, subject)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn attributes() -> Fields {
    let mut attributes = Fields::new();
    attributes.insert("date_of_birth".to_owned(), "1990-01-01".into());
    attributes
}

fn registration(id: &str, at: Timestamp) -> Subject {
    Registration {
        id: id.to_owned(),
        user_id: None,
        profile: text("Partners"),
        profile_id: text("1"),
        email: Some(format!("ada{id}@partner.test")),
        email_domain: text("partner.test"),
        first_name: text("Ada"),
        last_name: text("Byron"),
        state: "not_reviewed".to_owned(),
        created_at: Some(at),
        locale: text("en"),
        attributes: attributes(),
    }
    .into()
}

fn user(id: &str, at: Timestamp) -> Subject {
    User {
        id: id.to_owned(),
        username: text("ada"),
        email: Some(format!("ada{id}@partner.test")),
        email_domain: text("partner.test"),
        first_name: text("Ada"),
        last_name: text("Byron"),
        status: text("active"),
        state: text("approved"),
        roles: Vec::new(),
        groups: Vec::new(),
        manager: None,
        department: text("Sales"),
        title: None,
        created_at: Some(at - TimeDelta::days(400)),
        last_login_at: Some(at),
        verified_at: None,
        exempt_until: None,
        service_account: None,
        locale: text("en"),
        attributes: attributes(),
    }
    .into()
}

/// The opening of a case by its event.
pub fn opening(
    policy: &Arc<Policy>,
    terms: &Terms,
    event: Event,
    subject: Subject,
    at: Timestamp,
) -> Changed {
    let mut recorder =
        Recorder { policy, terms, outside: Outside::default(), now: at, case: None, changed: Vec::new() };
    let key = subject.id.clone();
    recorder.decide(Cause::Opening(Opening { subject, by: OpenedBy::Event(event), key }));
    recorder.changed.remove(0)
}

/// One case from its event to its end: the person answers at once and passes.
fn case_of(
    policy: &Arc<Policy>,
    event: Event,
    subject: Subject,
    at: Timestamp,
    terms: &Terms,
) -> Vec<Changed> {
    let mut recorder =
        Recorder { policy, terms, outside: Outside::default(), now: at, case: None, changed: Vec::new() };
    recorder.outside.people.insert(subject.reference(), subject.clone());
    let key = subject.id.clone();
    recorder.decide(Cause::Opening(Opening { subject, by: OpenedBy::Event(event), key }));
    for _ in 0..200 {
        let Some(case) = recorder.case.clone().filter(|case| !case.is_closed()) else { break };
        recorder.now += TimeDelta::milliseconds(20);
        recorder.step(&case);
    }
    recorder.changed
}

struct Recorder<'a> {
    policy: &'a Arc<Policy>,
    terms: &'a Terms,
    outside: Outside,
    now: Timestamp,
    case: Option<Case>,
    changed: Vec<Changed>,
}

impl Recorder<'_> {
    fn step(&mut self, case: &Case) {
        if let Some(number) =
            case.calls.iter().find(|(_, call)| call.begun.is_none()).map(|(number, _)| *number)
        {
            self.now = self.now.max(case.calls[&number].due);
            self.decide(Cause::Input(Input::Attempt { call: number }));
            let case = self.case.clone().unwrap();
            let call = case.call(number).unwrap();
            let Answer::Ended(outcome) = Environment::perform(&mut self.outside, &case, &call, self.now)
            else {
                panic!("a made-up world always answers");
            };
            self.now += TimeDelta::milliseconds(20);
            self.decide(Cause::Input(Input::Outcome { call: number, attempt: call.attempt.number, outcome }));
            return;
        }
        let input = match &case.state {
            State::Verifying(proving) => match &proving.session {
                None => Input::Press(Press { link: proving.link, ..Press::default() }),
                Some(session) => {
                    let execution = session.execution.clone();
                    self.now += TimeDelta::minutes(3);
                    self.outside.vendor.finds(&execution, passed(self.now));
                    Input::Hint { execution }
                }
            },
            _ => Input::Wake,
        };
        self.now = self.now.max(case.wake_at().filter(|_| input == Input::Wake).unwrap_or(self.now));
        self.decide(Cause::Input(input));
    }

    fn decide(&mut self, cause: Cause) {
        let facts = Facts {
            now: self.now,
            over_limit: BTreeSet::new(),
            enrolments: BTreeMap::new(),
            documents: Vec::new(),
            others: Vec::new(),
            pauses: Vec::new(),
            under: String::new(),
        };
        let recorded = Recorded { cause, facts };
        let here = Context {
            now: self.now,
            links: &self.terms.links,
            organization: &self.terms.organization,
            over_limit: &recorded.facts.over_limit,
            enrolments: &recorded.facts.enrolments,
            documents: &recorded.facts.documents,
            others: &recorded.facts.others,
            pauses: &recorded.facts.pauses,
            sinks: &self.terms.sinks,
            poll_every: &self.terms.poll_every,
            told: &self.terms.told,
            invite_grace: self.terms.invite_grace,
            consistency: &self.terms.consistency,
        };
        let advance = recorded.decide(self.case.take(), self.policy, &here).unwrap();
        self.case = Some(advance.case.clone());
        self.changed.push(Changed {
            case: advance.case,
            entries: advance.entries,
            effects: advance.effects,
            at: self.now,
            recorded: Some(recorded),
        });
    }
}

fn passed(at: Timestamp) -> Proof {
    Proof {
        decision: Judgement::Passed,
        score: Some(3.0),
        reasons: Vec::new(),
        checks: REQUIRED.map(|check| (check.to_owned(), Judgement::Passed)).into(),
        document: Some(Document {
            first_name: Some("Ada".to_owned()),
            last_name: Some("Byron".to_owned()),
            date_of_birth: "1990-01-01".parse().ok(),
            ..Document::default()
        }),
        numbers: Vec::new(),
        fingerprints: Vec::new(),
        same_face: Vec::new(),
        completed_at: Some(at),
    }
}
