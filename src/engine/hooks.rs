//! What other systems send: webhooks of identity providers, callbacks of verification vendors, CloudEvents of programs.

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

/// Why a request with events was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EventsRefused {
    #[error("{0}")]
    Unread(#[from] Unread),
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// Why a webhook's request was not taken.
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

/// A handle on what other systems send.
#[derive(Debug, Clone)]
pub struct Hooks {
    pub(super) connectors: Connectors,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sources: Sources,
    pub(super) inbox: Inbox,
    pub(super) portal: Portal,
}

impl Hooks {
    /// Whether a request is the identity provider's webhook, as far as its head says.
    pub fn is_webhook(&self, provider: &str, headers: &HeaderMap) -> bool {
        self.connectors.identity.get(provider).is_some_and(|source| source.is_webhook(headers))
    }

    /// An identity provider's webhook. When it returns, its events are on disk.
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

    /// A verification vendor's callback. False: not one of ours, whatever is wrong with it.
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

    /// Takes the events of a request; how many they are. One that came before counts, and changes nothing.
    pub async fn cloud_events(&self, headers: &HeaderMap, body: &[u8]) -> Result<usize, EventsRefused> {
        let mut events = cloudevents::read(headers, body, self.clock.now())?;
        self.sources.sourced_events(&mut events).map_err(Unread::no_source)?;
        let count = events.len();
        self.inbox.receive(events, None).await?;
        Ok(count)
    }
}
