//! Opens the daemon's store. A long start reports its progress to systemd and extends its timeout. If the disk is
//! full, it waits for free space.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::serve::Orders;
use super::{Failed, notify};
use crate::model::Timestamp;
use crate::store::{Error, Opened, Options, Store};

/// Interval between checks of the progress. Each check that finds progress extends the timeout by one minute.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Interval between attempts if the disk is full.
const ROOM_EVERY: Duration = Duration::from_secs(2);

/// Opens the store; none: a stop signal arrived while the disk was full.
pub(super) async fn open(
    dir: &Path,
    now: Timestamp,
    orders: &mut Orders,
) -> Result<Option<(Store, Opened)>, Failed> {
    let mut waits = false;
    loop {
        match open_once(dir, now).await? {
            Ok((store, opened)) => {
                report(&opened);
                return Ok(Some((store, opened)));
            }
            Err(error) if error.is_no_room() => {
                if !waits {
                    tracing::error!(%error, "opening the store: the disk is full; waiting for free space");
                }
                waits = true;
                notify::starting("opening the store: the disk is full; waiting for free space");
                tokio::select! {
                    () = tokio::time::sleep(ROOM_EVERY) => {}
                    () = orders.stop() => return Ok(None),
                }
            }
            Err(error) => return Err(Failed::usage(anyhow!(error).context("while opening the store"))),
        }
    }
}

async fn open_once(dir: &Path, now: Timestamp) -> Result<Result<(Store, Opened), Error>, Failed> {
    let progress = Arc::new(AtomicU64::new(0));
    let (dir, options) = (dir.to_owned(), Options { progress: Arc::clone(&progress), ..Options::default() });
    let mut opening = tokio::task::spawn_blocking(move || Store::open_with(&dir, now, options));
    let mut seen = 0;
    loop {
        tokio::select! {
            opened = &mut opening => return Ok(opened.context("while opening the store")?),
            () = tokio::time::sleep(LOOK_EVERY) => {
                let records = progress.load(Ordering::Relaxed);
                if records > seen {
                    seen = records;
                    tracing::info!(records, "opening the store: reading the journal");
                    notify::starting(&format!("opening the store: {records} journal records read"));
                }
            }
        }
    }
}

/// Logs the findings and repairs of the opening.
fn report(opened: &Opened) {
    if opened.new {
        tracing::info!("created a new store");
    }
    if opened.marked_anew {
        tracing::warn!("the store's high-water mark was damaged or missing; wrote a new one");
    }
    if opened.cut_bytes > 0 {
        tracing::warn!(
            bytes = opened.cut_bytes,
            "removed an incomplete record at the end of the journal; it was not acknowledged"
        );
    }
    if opened.accepted_losses > 0 {
        tracing::warn!(
            losses = opened.accepted_losses,
            "the store has accepted losses; `proofd store verify` lists them"
        );
    }
    if let Some(why) = &opened.rebuilt {
        tracing::warn!(why, records = opened.records, "rebuilt the state from the journal");
    }
}
