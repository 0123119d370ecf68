//! Runs the tests of a policy in sequence, each in its own world.

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

/// Maximum of turns for one test; more indicate an endless loop.
const MOST_TURNS: u64 = 200_000;

/// The test results of one policy.
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
    /// The timeline up to the failure or the end.
    pub timeline: Vec<Line>,
}

/// A failed expectation or line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub place: Place,
    /// The checked key, or the line that could not run.
    pub key: String,
    pub expected: String,
    pub actual: String,
}

impl Tested {
    pub fn ok(&self) -> bool {
        self.tests.iter().all(|test| test.ok)
    }
}

/// Runs the tests of every valid policy of a tree.
pub fn run(loaded: &Loaded) -> Vec<Tested> {
    let with_tests = loaded.tests.iter().filter_map(|tests| {
        let policy = loaded.set.policies.get(&tests.policy)?;
        Some(tested(policy, tests))
    });
    with_tests.collect()
}

/// Converts failed tests to diagnostics of the file, for policy activation.
pub fn diagnostics(tested: &[Tested]) -> Vec<Diagnostic> {
    let of = |tested: &Tested| {
        let failures = tested.tests.iter().filter_map(|test| Some((&test.name, test.failure.as_ref()?)));
        let lines = failures.map(|(name, failure)| {
            let message = format!(
                "the test \"{name}\" fails: expected {}, but it is {}",
                failure.expected, failure.actual
            );
            Diagnostic::error(failure.place.clone(), "test-failed", message)
                .help("run `proofd test` to see the timeline")
                .of_policy(&tested.policy)
        });
        lines.collect::<Vec<_>>()
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

/// A test run, up to its failure or its end.
#[derive(Debug)]
pub struct Played {
    pub world: World,
    /// External inputs, in order.
    pub stimuli: Vec<Stimulus>,
    pub failure: Option<Failure>,
}

/// Runs one test.
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

/// One test in progress.
pub(super) struct Stage<'a> {
    pub policy: &'a Arc<Policy>,
    pub test: &'a Test,
    pub world: World,
    pub person: SubjectRef,
    pub seen: Seen,
    /// Number of events sent.
    pub sent: u32,
    /// External inputs so far.
    pub stimuli: Vec<Stimulus>,
}

/// The population in a test: large enough for limits that are shares of it.
pub const POPULATION: u64 = 10_000;

impl<'a> Stage<'a> {
    fn new(policy: &'a Arc<Policy>, test: &'a Test) -> Self {
        // Tests treat the policy as enforced, also in shadow or disabled mode.
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

    /// Applies an external input, and records it for replays elsewhere.
    pub fn take(&mut self, stimulus: Stimulus) -> Result<Result<(), Refused>, TooLong> {
        self.stimuli.push(stimulus.clone());
        self.world.take(stimulus)
    }

    /// Applies an external input that no case can refuse and that takes no time.
    pub fn give(&mut self, stimulus: Stimulus) {
        let _ = self.take(stimulus);
    }

    /// Computes the end of a span in the policy's default calendar.
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

/// Returns the fields that any step of a policy compares: an earlier pass counts as compared with all of them.
fn compared(policy: &Policy) -> Vec<String> {
    policy.verifies().flat_map(|(_, verify)| verify.compare.iter().cloned()).collect()
}

/// Returns the enrolment after an earlier pass: the face and the passed checks, with unchanged values.
fn passed(
    mut known: Enrolment,
    verification: &Verification,
    at: Timestamp,
    compared: BTreeMap<String, String>,
) -> Enrolment {
    known.account = "account-of-an-earlier-pass".to_owned();
    // A pass by selfie requires an enrolled face.
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
