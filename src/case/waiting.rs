//! A step that waits for an event or for a time, and asks nobody.

use super::entry::Note;
use super::state::{State, Waiting};
use super::turn::{Trouble, Turn};
use crate::model::Timestamp;
use crate::policy::script::Text;
use crate::policy::tree::{Step, Wait};

pub(super) const HAPPENED: &str = "happened";
pub(super) const TIMED_OUT: &str = "timed_out";

impl Turn<'_> {
    /// True: the case waits now. False: the time has come already.
    pub fn begin_wait(&mut self, step: &Step, wait: &Wait) -> Result<bool, Trouble> {
        let now = self.now();
        let (event, until) = match wait {
            Wait::For { event, answer_within } => {
                (Some(event.clone()), self.after(now, *answer_within, None))
            }
            Wait::Until(text) => (None, self.time_of(text)?),
        };
        if until <= now {
            return Ok(false);
        }
        let step = step.index;
        self.case.state = State::Waiting(Waiting { step, started_at: now, event, until, fair_until: now });
        Ok(true)
    }

    /// The time that a policy names.
    pub fn time_of(&self, text: &Text) -> Result<Timestamp, Trouble> {
        let text = text
            .render(&self.facts(&self.this_case()))
            .map_err(|error| format!("`until` could not be worked out: {error}"))?;
        text.parse().map_err(|_| "`until` is not a time such as 2026-01-31T09:00:00Z".to_owned())
    }

    pub fn wake_waiting(&mut self, waiting: Waiting) {
        if self.now() < waiting.until {
            return;
        }
        match waiting.event {
            Some(_) => self.end_wait(&waiting, TIMED_OUT),
            None => self.walk_past(waiting.step),
        }
    }

    pub fn end_wait(&mut self, waiting: &Waiting, outcome: &str) {
        self.learn(waiting.step, serde_json::json!({ "outcome": outcome }));
        self.note(Note::StepEnded { outcome: outcome.to_owned(), reasons: Vec::new() });
        self.follow(waiting.step, outcome);
    }
}
