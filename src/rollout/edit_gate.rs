//! The edit gate: edits that could do what people want to know of first wait while they are back-tested, and for as long
//! as the back-test speaks against them. Everything else of the tree runs meanwhile. Starts no back-test itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Timestamp, Watched};
use crate::policy::Revision;
use crate::trial::past::{Bar, PolicyPast};

use super::back_tested::{BackTest, BackTests, Span};
use super::choice::Chosen;
use super::edited::{Edited, Newly};

const ASKING: &str = "the back-test is running; the edit becomes active if it finds nothing";

/// The result of a back-test.
#[derive(Debug, Clone)]
enum Answer {
    Tested(Arc<BackTest>),
    /// It could not be run, which is never a yes.
    Failed(String),
}

/// When a back-test speaks against an edit.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Effects for which an edit can wait.
    pub watched: Vec<Watched>,
    /// And on how many people it may have one newly.
    pub above: usize,
}

impl Rules {
    /// Why a person must look first.
    pub fn too_much(&self, past: &PolicyPast, edited: &Edited, span: Span) -> Vec<String> {
        let bar = Bar { watched: &self.watched, above: self.above, earlier: &edited.earlier };
        past.reasons(&bar, span.from, span.to)
    }

    /// People whom an edit would have newly met, with those of the edits before it.
    pub fn newly(&self, past: &PolicyPast, edited: &Edited) -> Newly {
        let mut newly = edited.earlier.clone();
        for effect in &past.effects {
            *newly.entry(effect.what.word().to_owned()).or_default() += effect.counts(&self.watched);
        }
        newly.retain(|_, people| *people > 0);
        newly
    }
}

/// Back-tests by the revision that runs and the one that is to.
#[derive(Debug)]
pub(super) struct EditGate {
    rules: Rules,
    answers: Mutex<HashMap<(Option<Revision>, Revision), Answer>>,
}

fn key(edited: &Edited) -> Option<(Option<Revision>, Revision)> {
    let after = edited.after.as_ref()?.revision.clone();
    Some((edited.before.as_ref().map(|policy| policy.revision.clone()), after))
}

impl EditGate {
    pub fn new(rules: Rules) -> Self {
        Self { rules, answers: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Option<Revision>, Revision), Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, edited: &Edited) -> Option<Answer> {
        self.lock().get(&key(edited)?).cloned()
    }

    fn put(&self, edited: &Edited, answer: Answer) {
        self.lock().extend(key(edited).map(|key| (key, answer)));
    }

    /// Back-tests that failed are run again.
    pub fn forget_failures(&self) {
        self.lock().retain(|_, answer| matches!(answer, Answer::Tested(_)));
    }

    /// Whether an edit that waits has no answer yet.
    pub fn is_open(&self, edits: &[Edited]) -> bool {
        edits.iter().any(|edited| edited.judge && self.of(edited).is_none())
    }

    /// Parks or lets pass what was back-tested, and lets the others wait. Returns the back-tests of what waits, and
    /// whether one is still to be run.
    pub fn apply(&self, chosen: &mut Chosen, now: Timestamp) -> (BTreeMap<String, Arc<BackTest>>, bool) {
        let (mut tested, mut open) = (BTreeMap::new(), false);
        for edited in chosen.edited.clone() {
            match self.of(&edited) {
                Some(Answer::Tested(test)) => {
                    let newly = self.rules.newly(&test.past, &edited);
                    chosen.park(&edited, &test.why, newly, now);
                    tested.insert(edited.name.clone(), test);
                }
                Some(Answer::Failed(why)) => chosen.wait(&edited, &why),
                None => {
                    chosen.wait(&edited, ASKING);
                    open = true;
                }
            }
        }
        tested.retain(|name, _| chosen.waiting.contains_key(name));
        // What does not wait any more is of no interest.
        let waiting: Vec<_> = chosen.waiting.values().map(|policy| &policy.revision).collect();
        self.lock().retain(|(_, after), _| waiting.contains(&after));
        (tested, open)
    }

    /// Keeps the result of a back-test for every edit that waits for it; an error: why it could not be run.
    pub fn record(&self, edits: &[Edited], result: &Result<BackTests, String>) {
        for edited in edits.iter().filter(|edited| edited.judge) {
            let answer = match result {
                Ok(tests) => self.judge(edited, tests).map(|test| Answer::Tested(Arc::new(test))),
                Err(why) => {
                    let policy = &edited.name;
                    tracing::error!(policy, why, "an edit waits because it could not be back-tested");
                    Some(Answer::Failed(why.clone()))
                }
            };
            if let Some(answer) = answer {
                self.put(edited, answer);
            }
        }
    }

    fn judge(&self, edited: &Edited, tests: &BackTests) -> Option<BackTest> {
        let (past, after) = (tests.policies.get(&edited.name)?, edited.after.as_ref()?);
        let (span, why) = (tests.span, self.rules.too_much(past, edited, tests.span));
        Some(BackTest { revision: after.revision.clone(), why, span, past: Arc::clone(past) })
    }
}
