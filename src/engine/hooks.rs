//! Receives requests of other systems: webhooks of identity providers, callbacks of verification vendors, CloudEvents
//! of programs.

use std::sync::Arc;

use reqwest::header::HeaderMap;

use crate::connectors::{Connectors, WebhookRefused, cloudevents};
use crate::model::Clock;
use crate::store;

use super::cases::ApplyError;
use super::inbox::Inbox;
use super::portal::Portal;
use super::sources::Sources;

pub use crate::connectors::cloudevents::Unread;

/// Why a request with events was rejected.
#[derive(Debug, thiserror::Error)]
pub enum EventsRefused {
    #[error("{0}")]
    Unread(#[from] Unread),
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// Why a webhook request was rejected.
#[derive(Debug, thiserror::Error)]
pub enum HookRefused {
    #[error("the shared header is missing or wrong")]
    NotAuthentic,
    #[error("{0}")]
    Malformed(String),
    #[error("no webhook is configured")]
    NotConfigured,
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// A handle on requests of other systems.
#[derive(Debug, Clone)]
pub struct Hooks {
    pub(super) connectors: Connectors,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sources: Sources,
    pub(super) inbox: Inbox,
    pub(super) portal: Portal,
}

impl Hooks {
    /// Returns whether the headers mark a request as the identity provider's webhook.
    pub fn is_webhook(&self, provider: &str, headers: &HeaderMap) -> bool {
        self.connectors.identity.get(provider).is_some_and(|source| source.is_webhook(headers))
    }

    /// Receives an identity provider's webhook. On return, its events are on disk.
    pub async fn webhook(
        &self,
        provider: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<usize, HookRefused> {
        let source = self.connectors.identity.get(provider).ok_or(HookRefused::NotConfigured)?;
        let events = source.webhook(headers, body).map_err(|refused| match refused {
            WebhookRefused::NotAuthentic => HookRefused::NotAuthentic,
            WebhookRefused::Malformed(why) => HookRefused::Malformed(why),
            WebhookRefused::NotConfigured => HookRefused::NotConfigured,
        })?;
        let count = events.len();
        self.inbox.receive(events, None).await?;
        Ok(count)
    }

    /// Receives a verification vendor's callback. Returns false for every callback that is invalid or not ours, without
    /// the reason.
    pub async fn vendor_hint(&self, provider: &str, secret: &str, body: &[u8]) -> Result<bool, ApplyError> {
        let Some(vendor) = self.connectors.verification.get(provider) else { return Ok(false) };
        match vendor.hint(body) {
            Ok(execution) => self.portal.hint(provider, secret, &execution).await,
            Err(why) => {
                tracing::debug!(why, "reading a callback failed");
                Ok(false)
            }
        }
    }

    /// Receives the events of a request and returns their number. A repeated event counts and changes nothing.
    pub async fn cloud_events(&self, headers: &HeaderMap, body: &[u8]) -> Result<usize, EventsRefused> {
        let mut events = cloudevents::read(headers, body, self.clock.now())?;
        self.sources.sourced_events(&mut events).map_err(Unread::no_source)?;
        let count = events.len();
        self.inbox.receive(events, None).await?;
        Ok(count)
    }
}
