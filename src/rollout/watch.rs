//! Hints that the policy tree changed: watches its directories and every link on the way to it. A periodic rescan finds
//! changes that the watcher misses.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::tree;

/// Files change in the machine's time, independent of the cases' clock: these are real durations.
pub(super) const SETTLE: Duration = Duration::from_millis(100);
const SETTLE_AT_MOST: Duration = Duration::from_secs(2);
/// Also finds changes on network mounts, writes to a file under another name, and changes after a lost watch.
pub(super) const RESCAN: Duration = Duration::from_secs(10);

/// More links than this on the way to the tree are a loop.
const MOST_LINKS: u32 = 32;

/// Waits until the tree has been stable for a moment.
pub(super) async fn settle(root: &Path) {
    let started = tokio::time::Instant::now();
    let mut last = tree::look(root);
    while started.elapsed() < SETTLE_AT_MOST {
        tokio::time::sleep(SETTLE).await;
        let now = tree::look(root);
        if now == last {
            return;
        }
        last = now;
    }
}

/// The watched places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places {
    /// Directories in which every change counts.
    tree: BTreeSet<PathBuf>,
    /// Files that have other names, through which they can be written.
    files: BTreeSet<PathBuf>,
    /// The names that lead to the root, each in a directory in which no other change counts.
    way: BTreeSet<PathBuf>,
}

impl Places {
    fn of(root: &Path) -> Self {
        let look = tree::look(root).unwrap_or_default();
        Self {
            tree: look.dirs.into_iter().collect(),
            files: look.linked.into_iter().collect(),
            way: way(root),
        }
    }

    fn watched(&self) -> BTreeSet<PathBuf> {
        let above = self.way.iter().filter_map(|name| name.parent()).map(Path::to_owned);
        self.tree.iter().chain(&self.files).cloned().chain(above).collect()
    }

    fn concerns(&self, path: &Path) -> bool {
        let inside = || path.parent().is_some_and(|dir| self.tree.contains(dir));
        self.tree.contains(path) || self.files.contains(path) || self.way.contains(path) || inside()
    }
}

/// Returns every name on the way to a path, links followed, without any link in the directories before it.
fn way(path: &Path) -> BTreeSet<PathBuf> {
    let parts = |path: &Path| -> Vec<OsString> {
        let part = |part: Component<'_>| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        };
        path.components().filter_map(part).collect()
    };
    let Ok(whole) = std::path::absolute(path) else { return BTreeSet::new() };
    let (mut way, mut at, mut links) = (BTreeSet::new(), PathBuf::from("/"), 0);
    let mut left: VecDeque<OsString> = parts(&whole).into();
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let here = at.join(&name);
        match std::fs::read_link(&here) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                parts(&target).into_iter().rev().for_each(|part| left.push_front(part));
            }
            Ok(_) | Err(_) => at.clone_from(&here),
        }
        way.insert(here);
    }
    way
}

/// Watches each directory by itself: a watch on a file, or a recursive one, loses files that are replaced by renaming.
/// Set up again after every reload.
#[derive(Debug)]
pub(super) struct Watch {
    hints: mpsc::Sender<()>,
    watcher: Option<notify::RecommendedWatcher>,
    /// With the inode number of each: a directory that replaced another is not watched yet.
    watched: Vec<(PathBuf, Option<u64>)>,
}

impl Watch {
    pub fn new(hints: mpsc::Sender<()>) -> Self {
        Self { hints, watcher: None, watched: Vec::new() }
    }

    pub fn arm(&mut self, root: &Path) {
        let places = Places::of(root);
        let number = |path: &Path| std::fs::metadata(path).ok().map(|known| known.ino());
        let watched: Vec<_> =
            places.watched().into_iter().map(|path| (path.clone(), number(&path))).collect();
        if watched == self.watched && self.watcher.is_some() {
            return;
        }
        let hints = self.hints.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is an event too, and the reload reads.
            let counts = |event: notify::Event| {
                let all = event.paths.is_empty() || event.need_rescan();
                !event.kind.is_access() && (all || event.paths.iter().any(|path| places.concerns(path)))
            };
            if event.map_or(true, counts) {
                // A full channel holds a hint already.
                let _ = hints.try_send(());
            }
        });
        match watcher {
            Ok(mut watcher) => {
                for (path, _) in &watched {
                    if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                        tracing::debug!(path = %path.display(), %error, "watching a directory failed; the \
                            periodic scan covers it");
                    }
                }
                self.watcher = Some(watcher);
                self.watched = watched;
                // Another reload finds changes between the read and the watch.
                let _ = self.hints.try_send(());
            }
            Err(error) => tracing::warn!(%error, "starting the file watcher failed; the tree is scanned \
                every {RESCAN:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_symlink_on_the_path_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        let base = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir_all(base.join("releases/one/tree")).unwrap();
        symlink("releases/one", base.join("current")).unwrap();
        symlink(base.join("current"), base.join("live")).unwrap();
        let found = way(&base.join("live/tree"));
        for name in ["live", "current", "releases", "releases/one", "releases/one/tree"] {
            assert!(found.contains(&base.join(name)), "{name}: {found:?}");
        }
        symlink("loop", base.join("loop")).unwrap();
        assert!(way(&base.join("loop/tree")).contains(&base.join("loop")));
    }
}
