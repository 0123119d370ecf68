//! Limits the readings for people who come back from a vendor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::Timestamp;

/// Limits readings after a return: reloading the page must not load the vendor.
#[derive(Debug)]
pub(super) struct Returns {
    at_once: Arc<Semaphore>,
    /// The last such reading, by session.
    read: Mutex<HashMap<String, Timestamp>>,
}

const READ_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(10);

impl Default for Returns {
    fn default() -> Self {
        Self { at_once: Arc::new(Semaphore::new(2)), read: Mutex::default() }
    }
}

impl Returns {
    /// Returns a permit to read, or `None` if the session was read recently or all permits are in use.
    pub(super) fn turn(&self, execution: &str, now: Timestamp) -> Option<OwnedSemaphorePermit> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|_, at| (now - *at).abs() < READ_AGAIN_AFTER);
        if read.contains_key(execution) {
            return None;
        }
        let turn = Arc::clone(&self.at_once).try_acquire_owned().ok()?;
        read.insert(execution.to_owned(), now);
        Some(turn)
    }
}
