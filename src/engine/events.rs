//! CloudEvents that programs send. A request is on disk as a whole before its answer, or not at all.

use reqwest::header::HeaderMap;

use crate::connectors::cloudevents;
use crate::store;

use super::Engine;

pub use crate::connectors::cloudevents::Unread;

/// Why a request with events was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EventsRefused {
    #[error("{0}")]
    Unread(#[from] Unread),
    #[error("{0}")]
    Store(#[from] store::Error),
}

impl Engine {
    /// Takes the events of a request; how many they are. One that came before counts, and changes nothing.
    pub async fn cloud_events(&self, headers: &HeaderMap, body: &[u8]) -> Result<usize, EventsRefused> {
        let mut events = cloudevents::read(headers, body, self.now())?;
        self.sourced_events(&mut events).map_err(Unread::no_source)?;
        let count = events.len();
        self.receive(events, None).await?;
        Ok(count)
    }
}
