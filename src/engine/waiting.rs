//! How loops wait.

use crate::model::{Clock, Timestamp};
use tokio::sync::watch::Receiver;

/// Waits until a commit is applied, a time has come, or the daemon stops.
pub(super) async fn until(
    clock: &dyn Clock,
    next: Option<Timestamp>,
    applied: &mut Receiver<u64>,
    stop: &mut Receiver<bool>,
) {
    let timer = async {
        match next {
            Some(at) => clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // An error means that the sender was dropped, which only happens at shutdown.
        _ = applied.changed() => {}
        _ = stop.changed() => {}
        () = timer => {}
    }
}

/// Returns the earlier of two due times, where `None` is never.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
