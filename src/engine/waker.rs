//! Wakes cases whose time has come. What is due lies in the store's index, so nothing sleeps with a case.

use chrono::TimeDelta;
use futures::StreamExt as _;

use crate::case::Input;

use super::Engine;
use super::cases::{ApplyError, earlier};

/// Cases woken in one look at the index.
const AT_ONCE: usize = 64;

impl Engine {
    pub(super) async fn wake_cases(self) {
        let mut applied = self.0.store.cases_applied();
        let mut stop = self.stopping();
        // A case that cannot be woken stays first in the index; it must not keep the loop busy.
        let mut quiet_until = None;
        // Marks that tell an event seen twice are kept for weeks, not for ever.
        let mut forget_at = self.now() + TimeDelta::hours(1);
        while !*stop.borrow() {
            applied.mark_unchanged();
            let now = self.now();
            self.0.health.waker_alive(now);
            if forget_at <= now {
                forget_at = now + TimeDelta::days(1);
                if let Err(error) = self.0.store.prune(now).await {
                    tracing::error!(%error, "marks of old events could not be forgotten");
                }
            }
            let next = match self.0.store.due_cases(now, AT_ONCE) {
                Ok((due, next)) if due.is_empty() => next,
                Ok((due, next)) => {
                    let woken = futures::stream::iter(due)
                        .map(|id| async { (self.apply(&id, Input::Wake).await, id) })
                        .buffer_unordered(8)
                        .fold(0_usize, async |woken, (result, id)| match result {
                            Ok(_) => woken + 1,
                            // The index was older than the case.
                            Err(ApplyError::Refused(_) | ApplyError::NoCase) => woken,
                            Err(error) => {
                                tracing::error!(case = %id, %error, "a case whose time has come cannot go on");
                                woken
                            }
                        })
                        .await;
                    if woken > 0 {
                        continue;
                    }
                    quiet_until = Some(now + TimeDelta::seconds(5));
                    next
                }
                Err(error) => {
                    tracing::error!(%error, "due cases cannot be read");
                    quiet_until = Some(now + TimeDelta::seconds(30));
                    None
                }
            };
            let heartbeat = Some(now + TimeDelta::seconds(10));
            let next = match quiet_until.take() {
                Some(quiet) => Some(quiet),
                None => earlier(next, heartbeat),
            };
            self.until(next, &mut applied, &mut stop).await;
        }
    }
}
