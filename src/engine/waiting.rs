//! How loops wait.

use crate::model::{Clock, Timestamp};
use tokio::sync::watch::Receiver;

/// Waits until something was written, a time has come, or the daemon stops.
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
        // An error means the sender is gone, which only happens at the very end.
        _ = applied.changed() => {}
        _ = stop.changed() => {}
        () = timer => {}
    }
}

/// For due times: the earlier of two, where none is never.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
