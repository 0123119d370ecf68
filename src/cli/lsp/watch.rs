//! Watches files, for editors that do not report changes on disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::trees::Desk;

/// The watched places. If watching is impossible, files are read again at the next change in the editor.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    places: BTreeSet<(PathBuf, bool)>,
}

impl Watch {
    pub fn start(notify: impl Fn() + Send + 'static) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Read access is no change, and the checker itself reads all files.
            if event
                .is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(|path| concerns(path)))
            {
                notify();
            }
        });
        Self { watcher: watcher.ok(), places: BTreeSet::new() }
    }

    /// Watches the current trees and the folders that may contain their configuration.
    pub fn follow(&mut self, desk: &Desk) {
        let Some(watcher) = &mut self.watcher else { return };
        let trees: Vec<PathBuf> = desk.roots().into_iter().collect();
        let beside = trees.iter().chain(&desk.config);
        let beside = beside.filter_map(|path| Some((path.parent()?.to_owned(), false)));
        let wanted: BTreeSet<_> = beside.chain(trees.iter().map(|root| (root.clone(), true))).collect();
        for (place, _) in self.places.difference(&wanted) {
            let _ = watcher.unwatch(place);
        }
        let mut watched = BTreeSet::new();
        for (place, deep) in wanted {
            let mode = if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            let known = self.places.contains(&(place.clone(), deep));
            if known || watcher.watch(&place, mode).is_ok() {
                watched.insert((place, deep));
            }
        }
        self.places = watched;
    }
}

/// Whether a path is a file of a tree, or a folder.
fn concerns(path: &Path) -> bool {
    path.extension().is_none_or(|end| end == "yaml" || end == "rhai" || end == "md")
}
