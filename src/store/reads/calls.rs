//! Queries about calls that are not in progress. Each system has its queues, one for each urgency: a slow system hides
//! no other one, and a campaign hides no urgent call.

use chrono::TimeDelta;

use super::Due;
use crate::case::Urgency;
use crate::model::{CaseId, Lane, Timestamp};
use crate::store::Error;
use crate::store::handle::Store;
use crate::store::keys::{self, time_at};

/// A call with its time.
type Planned = (Timestamp, (CaseId, u32));

/// The equally urgent calls of a lane to one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub lane: Lane,
    /// The unique name of the system, as `Target` writes it.
    pub system: String,
    pub urgency: Urgency,
}

impl Store {
    /// Returns the queues of a lane that have calls, due or not: by system, most urgent first.
    pub fn queues(&self, lane: Lane) -> Result<Vec<Queue>, Error> {
        let prefix = keys::lane(lane).end();
        let (mut from, mut queues) = (prefix.clone(), Vec::new());
        loop {
            let mut first = None;
            self.state().walk(&prefix, &from, &mut |key, _: (CaseId, u32)| {
                first = Some(key.to_vec());
                false
            })?;
            let Some(key) = first else { return Ok(queues) };
            let Some((system, urgency, length)) = keys::queue_of(&key) else {
                from = keys::after(&key);
                continue;
            };
            from = keys::after(key.get(..length).unwrap_or(&key));
            queues.push(Queue { lane, system, urgency });
        }
    }

    /// Returns calls of a queue that are due, earliest first, and the time of the next one.
    pub fn due_in(&self, queue: &Queue, now: Timestamp, limit: usize) -> Result<Due<(CaseId, u32)>, Error> {
        self.due(&keys::queue(queue.lane, &queue.system, queue.urgency).end(), now, limit)
    }

    /// Returns calls of a lane that are due and not in progress, earliest first, and the time of the next one.
    pub fn due_calls(&self, lane: Lane, now: Timestamp, limit: usize) -> Result<Due<(CaseId, u32)>, Error> {
        let mut calls = Vec::new();
        for queue in self.queues(lane)? {
            calls.extend(self.planned(&queue, Timestamp::MIN_UTC, limit.saturating_add(1))?);
            calls.extend(self.planned(&queue, now + TimeDelta::nanoseconds(1), 1)?);
        }
        calls.sort();
        calls.dedup();
        let due = calls.iter().take_while(|(at, _)| *at <= now).count().min(limit);
        let next = calls.get(due).map(|(at, _)| *at);
        calls.truncate(due);
        Ok((calls.into_iter().map(|(_, call)| call).collect(), next))
    }

    /// Returns calls of a lane that are planned for later than `from`, earliest first within a queue.
    pub fn calls_after(
        &self,
        lane: Lane,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(CaseId, u32)>, Error> {
        let mut calls = Vec::new();
        for queue in self.queues(lane)? {
            calls.extend(self.planned(&queue, from, limit)?.into_iter().map(|(_, call)| call));
        }
        calls.truncate(limit);
        Ok(calls)
    }

    /// Returns calls of a queue that are planned for `from` or later, with their times.
    fn planned(&self, queue: &Queue, from: Timestamp, limit: usize) -> Result<Vec<Planned>, Error> {
        let prefix = keys::queue(queue.lane, &queue.system, queue.urgency);
        let (start, prefix, mut found) = (prefix.clone().time(from).end(), prefix.end(), Vec::new());
        if limit == 0 {
            return Ok(found);
        }
        self.state().walk(&prefix, &start, &mut |key, call: (CaseId, u32)| {
            found.extend(time_at(key, prefix.len()).map(|at| (at, call)));
            found.len() < limit
        })?;
        Ok(found)
    }
}
