//! Decides whether a person is due in a sweep: a pure function of the sweep, the person and the nominal time.

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::choices::{IfEmpty, IfMissed};
use super::diagnostic::Place;
use super::schedule::Timetable;
use super::script::{Answer, Condition, Seen, Trace, Traced};
use crate::model::{Subject, Timestamp};

/// A schedule over a population.
#[derive(Debug)]
pub struct Sweep {
    /// The policy's name and the index under `when`, such as `quarterly/1`.
    pub schedule: String,
    /// Selects people of the population.
    pub condition: Condition,
    /// None: every person is due at every run.
    pub due: Option<Due>,
    pub timetable: Timetable,
    pub spread: TimeDelta,
    /// The maximum number of new cases in one run.
    pub at_most: Option<u32>,
    pub if_missed: IfMissed,
    pub place: Place,
}

/// When a person is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub field: DueField,
    pub plus: TimeDelta,
    pub if_empty: IfEmpty,
}

/// The field that holds the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueField {
    /// A time field of the schema.
    Field(String),
    /// A custom field, whose values are not typed.
    Attribute(String),
}

/// Whether a person is due at a nominal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Due since this time.
    Due(Timestamp),
    /// Due later, at this time; none if the time cannot be represented.
    NotYet(Option<Timestamp>),
    /// The field is empty, and `if_empty` is never.
    Never,
    /// The field is empty, and the sweep sees the person for the first time.
    Unseen,
}

/// The field holds a value that is not a time, and whether the person is due is undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field of `due` holds something that is not a time")]
pub struct NotATime;

impl Sweep {
    /// Returns whether a person is due. `first_seen` matters only if the field is empty and `if_empty` is `Now`.
    pub fn standing(
        &self,
        policy: &str,
        person: &Subject,
        nominal: Timestamp,
        first_seen: Option<Timestamp>,
    ) -> Result<Standing, NotATime> {
        let Some(due) = &self.due else { return Ok(Standing::Due(nominal)) };
        let from = match (due.field.read(person)?, due.if_empty, first_seen) {
            (Some(last), _, _) => last.checked_add_signed(due.plus),
            (None, IfEmpty::Never, _) => return Ok(Standing::Never),
            (None, IfEmpty::Now, None) => return Ok(Standing::Unseen),
            (None, IfEmpty::Now, Some(seen)) => Some(seen),
        };
        let at = from.and_then(|from| from.checked_add_signed(self.offset(policy, &person.id)));
        // A time that cannot be represented is not yet due.
        Ok(at.filter(|at| *at <= nominal).map_or(Standing::NotYet(at), Standing::Due))
    }

    /// Returns a trace of `due`, for a person that `due` leaves out.
    pub fn trace_of_due(&self, person: &Subject, error: Option<NotATime>) -> Trace {
        let Some(due) = &self.due else { return Trace::default() };
        let path = due.field.path();
        let clause = Traced {
            clause: format!("due: {path}"),
            file: self.place.file.clone(),
            line: self.place.line,
            column: self.place.column,
            answer: if error.is_some() { Answer::Error } else { Answer::Fails },
            stopped: true,
            error: error.map(|error| error.to_string()),
            values: vec![Seen::of(path, due.field.value(person).cloned().unwrap_or_default())],
        };
        Trace { clauses: vec![clause], changes: Vec::new() }
    }

    /// Returns a person's offset within the spread: the same in every run, from 0 up to the spread.
    pub fn offset(&self, policy: &str, person: &str) -> TimeDelta {
        let spread = u64::try_from(self.spread.num_seconds()).unwrap_or(0);
        let part = spread_out(&[policy, person]).checked_rem(spread).unwrap_or(0);
        TimeDelta::seconds(i64::try_from(part).unwrap_or(0))
    }
}

impl DueField {
    /// Returns the field as a policy writes it.
    pub fn path(&self) -> String {
        match self {
            Self::Field(name) => format!("user.{name}"),
            Self::Attribute(name) => format!("user.attributes.{name}"),
        }
    }

    fn value<'a>(&self, person: &'a Subject) -> Option<&'a Value> {
        match self {
            Self::Field(name) => person.fields.get(name),
            Self::Attribute(name) => person.fields.get("attributes").and_then(|all| all.get(name)),
        }
    }

    fn read(&self, person: &Subject) -> Result<Option<Timestamp>, NotATime> {
        match self.value(person) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => time(text.trim()).map(Some).ok_or(NotATime),
            Some(_) => Err(NotATime),
        }
    }
}

/// Parses an instant, or a day, which begins at midnight UTC.
fn time(text: &str) -> Option<Timestamp> {
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc());
    text.parse().ok().or_else(day)
}

/// Returns a hash of the texts that is the same on every machine.
pub fn spread_out(texts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
