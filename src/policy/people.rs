//! `people.yaml`: who is meant by teams and queues, and when they work.

use std::collections::BTreeMap;

/// `people.yaml`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct People {
    pub teams: BTreeMap<String, Team>,
    pub queues: BTreeMap<String, Queue>,
    pub calendars: BTreeMap<String, Calendar>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Team {
    pub mail: String,
    pub call: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    pub team: String,
    pub calendar: Option<String>,
}

/// When people work; what business days are counted in.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    pub timezone: chrono_tz::Tz,
    /// Monday first.
    pub workdays: [bool; 7],
    pub opens: chrono::NaiveTime,
    pub closes: chrono::NaiveTime,
}
