//! Counts open cases whose revision no longer loads, once, and credits them the time in which they cannot continue.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::model::Pause;
use crate::rollout::{UnloadableCases, Usable};
use crate::store;

use super::outages::Outages;

/// Goes over the open cases once and waits for the end of the daemon: while it runs, no further revision becomes
/// unloadable.
pub(super) async fn look_for_unloadable(
    unloadable: UnloadableCases,
    outages: Outages,
    mut stop: watch::Receiver<bool>,
) {
    let found = match unloadable.find(&stop).await {
        Ok(Some(usable)) => stop_their_clocks(&outages, &usable).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = found {
        tracing::error!(%error, "reading open cases failed");
    }
    unloadable.log();
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Stores outages of revisions: a case that cannot continue loses no time.
async fn stop_their_clocks(outages: &Outages, usable: &Usable) -> Result<(), store::Error> {
    let unusable = usable.iter().filter(|(_, usable)| !**usable);
    let mut stopped: BTreeSet<String> =
        unusable.map(|(revision, _)| format!("{}{revision}", Pause::REVISION)).collect();
    for pause in outages.of_revisions() {
        if !stopped.remove(&pause.who) {
            outages.end(pause).await?;
        }
    }
    for who in stopped {
        outages.begin(who).await?;
    }
    Ok(())
}
