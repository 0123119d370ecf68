//! Removes old files that were set aside. Of broken states (`state.damaged-*`) and of torn ends (`journal/cut-*`) the
//! newest three are kept, for at most 90 days. Together they may use 1 GiB in addition to the newest. They contain
//! personal data, which retention cannot reach there. A salvaged journal (`journal.damaged-*`) is the only copy of the
//! damaged data: only a person removes it. Files of interrupted commands are removed.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::directory::{clear, journal_dir};
use crate::model::Timestamp;

const NEWEST: usize = 3;
const DAYS: i64 = 90;
const BYTES: u64 = 1 << 30;

/// Runs at a start, once the store is open. Failed removals are retried at the next start.
pub(super) fn prune(dir: &Path, now: Timestamp) {
    let journal = journal_dir(dir);
    for name in ["salvage.scratch", "verify.scratch", "restore.scratch"] {
        if let Err(error) = clear(&dir.join(name)) {
            tracing::warn!(%error, "removing the files of an interrupted command failed");
        }
    }
    for (dir, start) in [(dir, "state.damaged-"), (journal.as_path(), "cut-")] {
        for path in outdated(aside(dir, start), now) {
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            match removed {
                Ok(()) => tracing::info!(path = %path.display(), "removed files that were set aside before"),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "removing files that were set aside failed");
                }
            }
        }
    }
}

/// A file that was set aside, with its last change in seconds since 1970.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Aside {
    changed: i64,
    path: PathBuf,
    bytes: u64,
}

fn aside(dir: &Path, start: &str) -> Vec<Aside> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    named
        .filter_map(|entry| {
            let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok()?;
            let seconds = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let (changed, path) = (i64::try_from(seconds).unwrap_or(i64::MAX), entry.path());
            Some(Aside { changed, bytes: bytes(&path), path })
        })
        .collect()
}

/// Returns the bytes of a file, or of all files in a directory. Unreadable files count as zero.
fn bytes(path: &Path) -> u64 {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| bytes(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

fn outdated(mut aside: Vec<Aside>, now: Timestamp) -> Vec<PathBuf> {
    aside.sort_unstable();
    aside.reverse();
    let oldest = now.timestamp() - DAYS * 24 * 60 * 60;
    let mut total = 0_u64;
    let goes = |(place, one): (usize, Aside)| {
        total = total.saturating_add(one.bytes);
        (place >= NEWEST || one.changed < oldest || (place > 0 && total > BYTES)).then_some(one.path)
    };
    aside.into_iter().enumerate().filter_map(goes).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use chrono::TimeDelta;

    use super::{Aside, BYTES, outdated};
    use crate::model::Timestamp;

    #[test]
    fn pruning_keeps_three_files_within_90_days_and_one_gibibyte() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1_000);
        // Bytes of each, ages in days, and the ages of removed ones.
        for (bytes, ages, gone) in [
            (1, &[][..], &[][..]),
            (1, &[0, 1, 89], &[]),
            (1, &[0, 1, 91], &[91]),
            (1, &[5, 1, 3, 2, 4], &[4, 5]),
            (1, &[200, 100, 300], &[100, 200, 300]),
            (1, &[-4, 0, 1, 2], &[2]),
            (BYTES / 2, &[0, 1, 2], &[2]),
            (BYTES + 1, &[0, 1, 2], &[1, 2]),
            (u64::MAX, &[0, 1], &[1]),
        ] {
            let aside = ages.iter().map(|age: &i64| {
                let changed = (now - TimeDelta::days(*age)).timestamp();
                Aside { changed, path: PathBuf::from(age.to_string()), bytes }
            });
            let gone: Vec<_> = gone.iter().map(|age: &i64| PathBuf::from(age.to_string())).collect();
            assert_eq!(outdated(aside.collect(), now), gone, "{ages:?}");
        }
    }
}
