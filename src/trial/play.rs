//! Plays the tests of a policy, one after the other, each in a world of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;

use super::coverage::{Coverage, Walked};
use super::expect::Seen;
use super::person::ordinary;
use super::stimulus::Stimulus;
use super::story::{Line, lines};
use super::terms::Terms;
use super::world::{TooLong, World};
use crate::case::intake::Modes;
use crate::case::{Refused, calendar, fingerprints};
use crate::model::{Enrolment, Pass, Span, SubjectKind, SubjectRef, Timestamp};
use crate::policy::diagnostic::{Diagnostic, Place};
use crate::policy::tests::{Act, Test, Tests};
use crate::policy::tree::Verification;
use crate::policy::{Loaded, Policy};

/// No test of a person's case takes as many; a world that does is turning in a circle.
const MOST_TURNS: u64 = 200_000;

/// The tests of one policy, played.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    pub policy: String,
    pub file: String,
    pub tests: Vec<TestResult>,
    pub coverage: Coverage,
}

#[derive(Debug, Clone, Serialize)]
pub struct TestResult {
    pub name: String,
    pub place: Place,
    pub ok: bool,
    pub failure: Option<Failure>,
    /// What happened, up to the failure or the end.
    pub timeline: Vec<Line>,
}

/// What went otherwise than a test says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub place: Place,
    /// The key that was looked at, or the line that could not be played.
    pub key: String,
    pub expected: String,
    pub actual: String,
}

impl Tested {
    pub fn ok(&self) -> bool {
        self.tests.iter().all(|test| test.ok)
    }
}

/// Plays the tests of every good policy of a tree.
pub fn run(loaded: &Loaded) -> Vec<Tested> {
    let with_tests = loaded.tests.iter().filter_map(|tests| {
        let policy = loaded.set.policies.get(&tests.policy)?;
        Some(tested(policy, tests))
    });
    with_tests.collect()
}

/// Failed tests as mistakes of the file, for those who activate policies.
pub fn diagnostics(tested: &[Tested]) -> Vec<Diagnostic> {
    let of = |tested: &Tested| {
        let failures = tested.tests.iter().filter_map(|test| Some((&test.name, test.failure.as_ref()?)));
        let told = failures.map(|(name, failure)| {
            let message = format!(
                "the test \"{name}\" fails: expected {}, but it is {}",
                failure.expected, failure.actual
            );
            Diagnostic::error(failure.place.clone(), "test-failed", message)
                .help("run `proofd test` to see the timeline")
                .of_policy(&tested.policy)
        });
        told.collect::<Vec<_>>()
    };
    tested.iter().flat_map(of).collect()
}

fn tested(policy: &Arc<Policy>, tests: &Tests) -> Tested {
    let mut walked = Walked::default();
    let results = tests.tests.iter().map(|test| play(policy, test, &mut walked)).collect();
    Tested {
        policy: policy.name.clone(),
        file: tests.file.clone(),
        tests: results,
        coverage: walked.coverage(policy),
    }
}

fn play(policy: &Arc<Policy>, test: &Test, walked: &mut Walked) -> TestResult {
    let Played { world, failure, .. } = played(policy, test);
    walked.look(policy, &world.story);
    TestResult {
        name: test.name.clone(),
        place: test.place.clone(),
        ok: failure.is_none(),
        failure,
        timeline: lines(&world.story, test.clock),
    }
}

/// A test that was played, up to its failure or its end.
#[derive(Debug)]
pub struct Played {
    pub world: World,
    /// What came from outside, in order.
    pub stimuli: Vec<Stimulus>,
    pub failure: Option<Failure>,
}

/// Plays one test.
pub fn played(policy: &Arc<Policy>, test: &Test) -> Played {
    let mut stage = Stage::new(policy, test);
    let mut failure = None;
    for line in &test.play {
        let failed = match &line.act {
            Act::Expect(expected) => stage.expect(expected),
            act => stage.act(act).err().map(|(expected, actual)| Failure {
                place: line.place.clone(),
                key: "play".to_owned(),
                expected,
                actual,
            }),
        };
        failure = failed;
        if failure.is_some() {
            break;
        }
    }
    Played { world: stage.world, stimuli: stage.stimuli, failure }
}

/// One test being played.
pub(super) struct Stage<'a> {
    pub policy: &'a Arc<Policy>,
    pub test: &'a Test,
    pub world: World,
    pub person: SubjectRef,
    pub seen: Seen,
    /// Events sent so far.
    pub sent: u32,
    /// What came from outside so far.
    pub stimuli: Vec<Stimulus>,
}

/// How many people there are in a test: enough for shares of a population to be something.
pub const POPULATION: u64 = 10_000;

impl<'a> Stage<'a> {
    fn new(policy: &'a Arc<Policy>, test: &'a Test) -> Self {
        // A policy is tested as it will act, also while it is only watched or switched off.
        let terms = Terms { modes: Modes::AllEnforced, most_turns: MOST_TURNS, ..Terms::default() };
        let mut world = World::new([Arc::clone(policy)], test.clock, terms);
        world.populated(POPULATION);
        let person = ordinary(policy.subject, &test.given.person, test.clock);
        let mut stage = Self {
            policy,
            test,
            world,
            person: person.reference(),
            seen: Seen::default(),
            sent: 0,
            stimuli: Vec::new(),
        };
        stage.give(Stimulus::Answers(test.given.answers.clone()));
        for (name, ago) in &test.given.passed {
            let Some(verification) = verification(policy, name) else { continue };
            let at = before(test.clock, *ago);
            let provider = verification.provider.clone();
            let known = stage.world.enrolment(&provider, &person).cloned().unwrap_or_default();
            let fields = compared(policy);
            let prints = fingerprints(stage.world.fingerprints(), &fields, &person);
            let enrolment = passed(known, &verification, at, prints);
            stage.give(Stimulus::Enrolled { provider, person: Box::new(person.clone()), enrolment });
        }
        if policy.subject != SubjectKind::Applicant {
            stage.give(Stimulus::Person { reference: person.reference(), person: Some(Box::new(person)) });
        }
        stage
    }

    /// Something comes from outside, and is kept for those who play the same elsewhere.
    pub fn take(&mut self, stimulus: Stimulus) -> Result<Result<(), Refused>, TooLong> {
        self.stimuli.push(stimulus.clone());
        self.world.take(stimulus)
    }

    /// The same for what no case can refuse and no time passes with.
    pub fn give(&mut self, stimulus: Stimulus) {
        let _ = self.take(stimulus);
    }

    /// Spans of a test count as those of its policy do.
    pub fn after(&self, start: Timestamp, span: Span) -> Timestamp {
        calendar::after(start, span, calendar::of(&self.policy.people, None))
    }
}

fn before(now: Timestamp, ago: Span) -> Timestamp {
    now - ago.elapsed().unwrap_or(TimeDelta::zero())
}

fn verification(policy: &Policy, name: &str) -> Option<Arc<Verification>> {
    let mut both = policy.verifies().flat_map(|(_, verify)| verify.verifications());
    both.find(|verification| verification.name == name).cloned()
}

/// The fields that some step of a policy compares: an earlier pass was compared with all of them.
fn compared(policy: &Policy) -> Vec<String> {
    policy.verifies().flat_map(|(_, verify)| verify.compare.iter().cloned()).collect()
}

/// What a pass of that day left: the face, and that everything was in order, of a person who is the same today.
fn passed(
    mut known: Enrolment,
    verification: &Verification,
    at: Timestamp,
    compared: BTreeMap<String, String>,
) -> Enrolment {
    known.account = "account-of-an-earlier-pass".to_owned();
    // Whoever passed by a selfie had a face to be compared with.
    known.enrolled_at = known.enrolled_at.max(Some(at));
    known.passes.push(Pass {
        at,
        case: "an earlier case".to_owned(),
        verification: verification.name.clone(),
        method: verification.method,
        checks: verification.require.clone(),
        compared,
    });
    known.passes.sort_by_key(|pass| pass.at);
    known
}
