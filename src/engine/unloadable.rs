//! Open cases whose revision does not load any more are counted once, and lose no time while they cannot go on.

use std::collections::BTreeSet;

use crate::model::Pause;
use crate::rollout::Usable;
use crate::store;

use super::Engine;

impl Engine {
    /// Goes over the open cases once. While the daemon runs, no further revision becomes unloadable.
    pub(super) async fn look_for_unloadable(self) {
        let mut stop = self.stopping();
        let unloadable = &self.0.rollout.unloadable;
        let found = match unloadable.find(&stop).await {
            Ok(Some(usable)) => self.stop_their_clocks(&usable).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = found {
            tracing::error!(%error, "reading open cases failed");
        }
        unloadable.log();
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Nobody loses time to a case that could not go on.
    async fn stop_their_clocks(&self, usable: &Usable) -> Result<(), store::Error> {
        let unusable = usable.iter().filter(|(_, usable)| !**usable);
        let mut stopped: BTreeSet<String> =
            unusable.map(|(revision, _)| format!("{}{revision}", Pause::REVISION)).collect();
        for pause in self.0.pauses.of_revisions() {
            if !stopped.remove(&pause.who) {
                self.paused(Pause { until: Some(self.now()), ..pause }).await?;
            }
        }
        for who in stopped {
            self.paused(Pause { who, from: self.now(), until: None }).await?;
        }
        Ok(())
    }
}
