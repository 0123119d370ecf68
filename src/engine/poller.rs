//! Reads identity sources. This is the truth; webhooks only save its interval.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::connectors::IdentitySource;

use super::Engine;

impl Engine {
    pub(super) async fn poll_source(self, source: Arc<dyn IdentitySource>) {
        let mut stop = self.stopping();
        let mut failures = 0_u32;
        while !*stop.borrow() {
            let wait = match self.poll_once(source.as_ref()).await {
                Ok(true) => {
                    failures = 0;
                    continue;
                }
                Ok(false) => {
                    failures = 0;
                    self.0.settings.poll_identity
                }
                Err(reason) => {
                    failures = failures.saturating_add(1);
                    self.0.metrics.connector_failed(source.name());
                    tracing::warn!(
                        source = source.name(),
                        failures,
                        reason,
                        "the identity provider cannot be read"
                    );
                    let backoff = TimeDelta::seconds(2) * 2_i32.pow(failures.min(8));
                    backoff.min(TimeDelta::minutes(5)).max(self.0.settings.poll_identity)
                }
            };
            tokio::select! {
                () = self.0.clock.sleep_until(self.now() + wait) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// One page: its events and the cursor behind them become durable together.
    async fn poll_once(&self, source: &dyn IdentitySource) -> Result<bool, String> {
        let cursor = self.0.store.cursor(source.name()).map_err(|error| error.to_string())?;
        let page = source.poll(cursor.as_deref()).await.map_err(|failure| failure.reason)?;
        let moved = page.cursor.filter(|new| Some(new) != cursor.as_ref());
        let cursor = moved.map(|cursor| (source.name().to_owned(), cursor));
        self.receive(page.events, cursor).await.map_err(|error| error.to_string())?;
        self.0.metrics.polled(source.name(), self.now());
        Ok(page.more)
    }
}
