//! The edit gate: edits with watched effects wait while they are back-tested, and while the back-test has reasons
//! against them. The rest of the tree runs meanwhile. Starts no back-test itself.

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
    /// The back-test could not run, which never counts as a pass.
    Failed(String),
}

/// The rules by which a back-test parks an edit.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Effects for which an edit can be parked.
    pub watched: Vec<Watched>,
    /// The most people on whom it may newly have such an effect.
    pub above: usize,
}

impl Rules {
    /// Returns why the edit needs a release.
    pub fn too_much(&self, past: &PolicyPast, edited: &Edited, span: Span) -> Vec<String> {
        let bar = Bar { watched: &self.watched, above: self.above, earlier: &edited.earlier };
        past.reasons(&bar, span.from, span.to)
    }

    /// Returns the number of people whom an edit would newly affect, including the edits before it.
    pub fn newly(&self, past: &PolicyPast, edited: &Edited) -> Newly {
        let mut newly = edited.earlier.clone();
        for effect in &past.effects {
            *newly.entry(effect.what.word().to_owned()).or_default() += effect.counts(&self.watched);
        }
        newly.retain(|_, people| *people > 0);
        newly
    }
}

/// Back-tests by the running revision and the new one.
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

    /// Forgets failed back-tests, which run again.
    pub fn forget_failures(&self) {
        self.lock().retain(|_, answer| matches!(answer, Answer::Tested(_)));
    }

    /// Returns whether a waiting edit has no back-test yet.
    pub fn is_open(&self, edits: &[Edited]) -> bool {
        edits.iter().any(|edited| edited.judge && self.of(edited).is_none())
    }

    /// Parks or admits back-tested edits, and lets the others wait. Returns the back-tests of waiting edits, and
    /// whether a back-test is still needed.
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
        // Results of edits that no longer wait are dropped.
        let waiting: Vec<_> = chosen.waiting.values().map(|policy| &policy.revision).collect();
        self.lock().retain(|(_, after), _| waiting.contains(&after));
        (tested, open)
    }

    /// Records the result of a back-test for every edit that waits for it. An error is the reason why it could not run.
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
