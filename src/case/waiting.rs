//! Waits for an event or a time, without asking a person.

use super::entry::Note;
use super::state::{State, Waiting};
use super::transition::{Transition, Trouble};
use super::walk::{Entered, next_of};
use crate::model::Timestamp;
use crate::policy::outcome::WaitOutcome;
use crate::policy::script::Text;
use crate::policy::tree::{Step, StepIndex, Wait};

impl Transition<'_> {
    /// Begins a wait, or continues if the time has passed or the event was kept.
    pub fn begin_wait(&mut self, step: &Step, wait: &Wait) -> Result<Entered, Trouble> {
        let now = self.now();
        if let Wait::For { event, .. } = wait
            && self.consume_earlier_event(event)
        {
            let next = self.branch(step.index, WaitOutcome::Happened.word())?;
            self.wait_ended(step.index, WaitOutcome::Happened);
            return Ok(Entered::Go(next));
        }
        let (event, until) = match wait {
            Wait::For { event, answer_within } => {
                (Some(event.clone()), self.after(now, *answer_within, None))
            }
            Wait::Until(text) => (None, self.time_of(text)?),
        };
        if until <= now {
            return next_of(step).map(Entered::Go);
        }
        let step = step.index;
        self.case.state = State::Waiting(Waiting { step, started_at: now, event, until, fair_until: now });
        Ok(Entered::Rests)
    }

    /// Returns the time that a policy defines.
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
            Some(_) => self.end_wait(&waiting, WaitOutcome::TimedOut),
            None => self.walk_past(waiting.step),
        }
    }

    pub fn end_wait(&mut self, waiting: &Waiting, outcome: WaitOutcome) {
        self.wait_ended(waiting.step, outcome);
        self.follow(waiting.step, outcome.word());
    }

    fn wait_ended(&mut self, step: StepIndex, outcome: WaitOutcome) {
        self.learn(step, serde_json::json!({ "outcome": outcome.word() }));
        self.note_at(Some(step), Note::StepEnded { outcome: outcome.word().to_owned(), reasons: Vec::new() });
    }
}
