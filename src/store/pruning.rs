//! What is set aside does not stay for ever. Of broken states (`state.damaged-*`) and of torn ends
//! (`journal/cut-*`) the newest three are kept, and of these none that is older than 90 days. They hold what names
//! persons, which retention cannot reach there.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::opening;
use crate::model::Timestamp;

const NEWEST: usize = 3;
const DAYS: i64 = 90;

/// At a start, once the store is open. What cannot be removed is tried again at the next one.
pub(super) fn prune(dir: &Path, now: Timestamp) {
    let journal = opening::journal_dir(dir);
    for (dir, start) in [(dir, "state.damaged-"), (journal.as_path(), "cut-")] {
        for path in outdated(aside(dir, start), now) {
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            match removed {
                Ok(()) => tracing::info!(path = %path.display(), "removed what was set aside before"),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "what was set aside cannot be removed");
                }
            }
        }
    }
}

/// Paths with the time of their last change, in seconds since 1970.
fn aside(dir: &Path, start: &str) -> Vec<(i64, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    named
        .filter_map(|entry| {
            let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok()?;
            let seconds = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Some((i64::try_from(seconds).unwrap_or(i64::MAX), entry.path()))
        })
        .collect()
}

fn outdated(mut aside: Vec<(i64, PathBuf)>, now: Timestamp) -> Vec<PathBuf> {
    aside.sort_unstable();
    aside.reverse();
    let oldest = now.timestamp() - DAYS * 24 * 60 * 60;
    let goes = |(place, (changed, path)): (usize, (i64, PathBuf))| {
        (place >= NEWEST || changed < oldest).then_some(path)
    };
    aside.into_iter().enumerate().filter_map(goes).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use chrono::TimeDelta;

    use super::outdated;
    use crate::model::Timestamp;

    #[test]
    fn three_are_kept_for_ninety_days() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1_000);
        // Ages in days, and the ages of those that go.
        for (ages, gone) in [
            (&[][..], &[][..]),
            (&[0, 1, 89], &[]),
            (&[0, 1, 91], &[91]),
            (&[5, 1, 3, 2, 4], &[4, 5]),
            (&[200, 100, 300], &[100, 200, 300]),
            (&[-4, 0, 1, 2], &[2]),
        ] {
            let aside = ages
                .iter()
                .map(|age: &i64| ((now - TimeDelta::days(*age)).timestamp(), PathBuf::from(age.to_string())));
            let gone: Vec<_> = gone.iter().map(|age: &i64| PathBuf::from(age.to_string())).collect();
            assert_eq!(outdated(aside.collect(), now), gone, "{ages:?}");
        }
    }
}
