//! `people.yaml`: the teams and queues, and their working hours.

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

/// Working hours, in which business days are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    pub timezone: chrono_tz::Tz,
    /// Monday first.
    pub workdays: [bool; 7],
    pub opens: chrono::NaiveTime,
    pub closes: chrono::NaiveTime,
}
