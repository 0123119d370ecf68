//! Runs the expecting lines of a test: checks the current state, and events since the previous expecting line.

use serde_json::Value;

use super::play::{Failure, Stage};
use super::story::{What as Did, after, held_word};
use crate::case::{Case, State};
use crate::model::{Span, Timestamp};
use crate::policy::tests::{Expected, What};

/// The number of story items already checked.
#[derive(Debug, Default)]
pub(super) struct Seen(usize);

impl Stage<'_> {
    pub fn expect(&mut self, expected: &[Expected]) -> Option<Failure> {
        let failed = expected.iter().find_map(|one| {
            let (expected, actual) = self.differs(&one.what)?;
            let key = one.what.key().word().to_owned();
            Some(Failure { place: one.place.clone(), key, expected, actual })
        });
        self.seen = Seen(self.world.story.len());
        failed
    }

    /// Returns expected and actual if they differ.
    fn differs(&self, what: &What) -> Option<(String, String)> {
        let case = self.newest_case();
        let differs_unless = |right: bool, expected: String| (!right).then(|| (expected, self.stands()));
        match what {
            What::Opened(opened) => {
                let right = self.world.opened().is_empty() != *opened;
                differs_unless(right, if *opened { "a case opened" } else { "no case opened" }.to_owned())
            }
            What::Cases(count) => {
                let opened = self.world.opened().len();
                (opened != *count).then(|| (format!("{count} cases"), opened.to_string()))
            }
            What::WaitingAt(step) => {
                let at = case.filter(|case| waits(case)).and_then(|case| self.policy.step(case.step()?));
                differs_unless(
                    at.is_some_and(|at| at.id.as_ref() == Some(step)),
                    format!("waiting at {step}"),
                )
            }
            What::State(state) => differs_unless(
                case.is_some_and(|case| case.standing() == *state),
                format!("{} now", state.word()),
            ),
            What::Closed(result) => {
                let ended = case.is_some_and(|case| {
                    matches!(case.state, State::Closed | State::Grace(_))
                        && case.result.as_ref() == Some(result)
                });
                differs_unless(ended, format!("closed: {result}"))
            }
            What::Sent(expected) => self.sent_differs(expected),
            What::Did(expected) => lists(
                expected,
                self.since().filter_map(|what| match what {
                    Did::Did { deed, .. } => Some(deed.clone()),
                    _ => None,
                }),
            ),
            What::Destroyed(expected) => lists(
                expected,
                self.since().filter_map(|what| match what {
                    Did::Destroyed(what) => Some(what.clone()),
                    _ => None,
                }),
            ),
            What::Grace(span) => self.grace_differs(*span),
            What::Holds(expected) => {
                let holds = case.iter().flat_map(|case| &case.holds).filter(|hold| !hold.lifting);
                lists(expected, holds.map(|hold| held_word(&hold.what)))
            }
            What::Person(fields) => fields.iter().find_map(|(name, value)| self.field_differs(name, value)),
        }
    }

    fn since(&self) -> impl Iterator<Item = &Did> {
        self.world.story.iter().skip(self.seen.0).map(|happened| &happened.what)
    }

    fn sent_differs(&self, expected: &[String]) -> Option<(String, String)> {
        let whom_matters = expected.iter().any(|one| one.contains(" to "));
        let sent: Vec<(String, String)> = self
            .since()
            .filter_map(|what| match what {
                Did::Sent { template, recipient, own: false } => Some((template.clone(), recipient.clone())),
                _ => None,
            })
            .collect();
        let same = |(one, (template, recipient)): (&String, &(String, String))| match one.split_once(" to ") {
            Some((name, to)) => name == template && to == recipient,
            None => one == template,
        };
        if expected.len() == sent.len() && expected.iter().zip(&sent).all(same) {
            return None;
        }
        let named = |(template, recipient): &(String, String)| {
            if whom_matters { format!("{template} to {recipient}") } else { template.clone() }
        };
        Some((list(expected), list(&sent.iter().map(named).collect::<Vec<_>>())))
    }

    fn grace_differs(&self, span: Span) -> Option<(String, String)> {
        let begun =
            self.world.story.iter().skip(self.seen.0).rev().find_map(|happened| match &happened.what {
                Did::Did { grace, .. } => Some((happened.at, *grace)),
                _ => None,
            });
        let expected = format!("a grace of {span}");
        match begun {
            None => Some((expected, "no effect".to_owned())),
            Some((_, None)) if span == Span::ZERO => None,
            Some((_, None)) => Some((expected, "none".to_owned())),
            Some((at, Some(until))) if until == self.after(at, span) => None,
            Some((at, Some(until))) => Some((expected, after(until - at))),
        }
    }

    fn field_differs(&self, name: &str, expected: &Value) -> Option<(String, String)> {
        let Some(person) = self.world.environment.people.get(&self.person) else {
            return Some((format!("{name}: {expected}"), "the person does not exist".to_owned()));
        };
        let actual = person.fields.get(name).unwrap_or(&Value::Null);
        let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let same = actual == expected || time(actual).is_some_and(|at| time(expected) == Some(at));
        (!same).then(|| (format!("{name}: {expected}"), format!("{name}: {actual}")))
    }

    /// Returns the state of the newest case, or why there is none.
    pub fn stands(&self) -> String {
        let Some(case) = self.newest_case() else {
            let last_text = self.world.story.iter().rev().find_map(|happened| match &happened.what {
                Did::Text(text) => Some(text.clone()),
                _ => None,
            });
            return last_text.unwrap_or_else(|| "no case opened".to_owned());
        };
        let step = case.step().and_then(|step| self.policy.step(step));
        let at = step.map(|step| step.id.as_ref().unwrap_or(&step.path).clone()).unwrap_or_default();
        let result = case.result.as_deref().unwrap_or_default();
        match &case.state {
            State::Closed => format!("closed: {result}"),
            State::Grace(_) => format!("in grace, with the result {result}"),
            State::Verifying(_) | State::Waiting(_) => format!("waiting at {at}"),
            State::Reviewing(_) => format!("in review at {at}"),
            State::Held { action, .. } => format!("over the limit for {} at {at}", action.word()),
            State::Stuck(stuck) => format!("stuck at {at}: {}", stuck.reason),
            State::Calling { .. } => format!("running at {at}"),
        }
    }
}

fn waits(case: &Case) -> bool {
    matches!(case.state, State::Verifying(_) | State::Reviewing(_) | State::Waiting(_))
}

fn lists(expected: &[String], actual: impl Iterator<Item = String>) -> Option<(String, String)> {
    let actual: Vec<String> = actual.collect();
    (expected != actual).then(|| (list(expected), list(&actual)))
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}
