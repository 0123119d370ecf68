//! The inbox: events are durable before the sender gets an answer.

use std::sync::Arc;

use crate::model::Event;
use crate::store::{self, About, Commit, Requests, Store};

use super::metrics::Metrics;

/// A handle on the inbox for the parts that receive events.
#[derive(Debug, Clone)]
pub struct Inbox {
    pub(super) store: Store,
    pub(super) requests: Requests,
    pub(super) metrics: Arc<Metrics>,
}

impl Inbox {
    /// Stores events. On return they are on disk, and the sender may discard them.
    pub async fn receive(
        &self,
        events: Vec<Event>,
        cursor: Option<(String, String)>,
    ) -> Result<(), store::Error> {
        if events.is_empty() && cursor.is_none() {
            return Ok(());
        }
        let events: Vec<Event> = events.into_iter().map(Event::bounded).collect();
        self.metrics.received(&events);
        let requests = self.requests.mark(About::Events(events.len()));
        // A repeated event is not written again: it may be about a person who was erased since.
        let events = events.into_iter().filter_map(|event| match self.store.seen(&event) {
            Ok(true) => None,
            Ok(false) => Some(Ok(event)),
            Err(error) => Some(Err(error)),
        });
        let events: Vec<Event> = events.collect::<Result<_, _>>()?;
        let cursors = cursor.into_iter().collect();
        let commit = Commit { received: events, cursors, requests, ..Commit::default() };
        self.store.commit_durable(commit).await
    }
}
