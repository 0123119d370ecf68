//! Builds policies from a tree: reads it whole, loads it with the function that `check` uses, and runs its tests. A
//! policy whose tests fail does not run.

use std::collections::BTreeMap;
use std::path::Path;

use crate::policy::{self, Files, Loaded, Loader, PolicySet, Revision};
use crate::store::Examined;
use crate::trial;

use super::tree;
use super::watch::SETTLE;

/// Most attempts to read a tree that changes meanwhile.
const READS: usize = 10;

/// What the tests of each policy cover.
pub(super) type Tests = BTreeMap<String, Examined>;

/// A tree that was read, loaded and tested.
#[derive(Debug)]
pub(super) struct Built {
    pub tree: Revision,
    pub loaded: Loaded,
    pub files: Files,
    pub tests: Tests,
}

/// Reads and loads a tree. `None`: it is the tree of the last reload. Blocks.
pub(super) fn build(dir: &Path, loader: &Loader, last: Option<&Revision>) -> Result<Option<Built>, String> {
    for _ in 0..READS {
        let Some((files, look)) = tree::read(dir)? else {
            std::thread::sleep(SETTLE);
            continue;
        };
        let revision = files.revision_without(look.unread.keys());
        if Some(&revision) == last {
            return Ok(None);
        }
        let mut loaded = policy::load_tree(&files, &look.unread, loader);
        let tests = examined(&hold_back_failing(&mut loaded));
        return Ok(Some(Built { tree: revision, loaded, files, tests }));
    }
    Err("the tree changed while it was read; reading it again soon".to_owned())
}

/// Runs the tests of all policies and removes policies whose tests fail, as if they had an error.
pub(super) fn hold_back_failing(loaded: &mut Loaded) -> Vec<trial::Tested> {
    let tested = trial::run(loaded);
    let passed = |name: &str| tested.iter().all(|tested| tested.policy != name || tested.ok());
    let good = loaded.set.policies.values().filter(|policy| passed(&policy.name)).cloned();
    loaded.set = PolicySet::new(good.collect::<Vec<_>>());
    loaded.diagnostics.extend(trial::diagnostics(&tested));
    tested
}

pub(super) fn examined(tested: &[trial::Tested]) -> Tests {
    let branch = |branch: &trial::Branch| format!("{} {}", branch.step, branch.outcome);
    let of = |tested: &trial::Tested| Examined {
        tests: tested.tests.len(),
        walked: tested.coverage.walked_branches.iter().map(branch).collect(),
        not_walked: tested.coverage.not_walked.iter().map(branch).collect(),
    };
    tested.iter().map(|tested| (tested.policy.clone(), of(tested))).collect()
}
