//! Loads files to a checked set of policies, in three passes. They cover what every policy may use (`shared`), each
//! policy by itself (`policy`, `chain`, `step`, `names`), and the whole (`proof`, duplicate policy names, `lint`).
//! A policy with an error stays out of the set; the others are loaded.

mod chain;
mod effect;
mod layout;
mod loader;
mod mails;
mod names;
mod policy;
mod proof;
mod reading;
mod set;
mod shared;
mod step;
mod sweep;
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::diagnostic::{self, Diagnostic, Severity};
use super::files::Files;
use super::known::Known;
use super::lint;
use super::source;
use super::tests::Tests;
use layout::Layout;
use loader::Built;
use policy::Draft;

pub use loader::Loader;
pub use set::PolicySet;

/// The result of loading a tree: the policies without an error, and all diagnostics.
#[derive(Debug)]
pub struct Loaded {
    pub set: PolicySet,
    pub diagnostics: Vec<Diagnostic>,
    /// Every policy name that the tree declares, including policies with errors.
    pub declared: Vec<String>,
    /// True if a part of the tree was not read: a policy that is not declared may still exist.
    pub partial: bool,
    /// The tests of the policies in the set, for those that have any.
    pub tests: Vec<Arc<Tests>>,
}

impl Loaded {
    /// Returns the number of tests per policy.
    pub fn tests_by_policy(&self) -> BTreeMap<String, usize> {
        self.tests.iter().map(|tests| (tests.policy.clone(), tests.tests.len())).collect()
    }

    /// Returns a warning for each policy that can do harm and has no test. It is meant for policy authors. The daemon
    /// does not use it, because it would repeat the warning to operators at every reload.
    pub fn untested(&self) -> Vec<Diagnostic> {
        let tests = self.tests.iter().filter(|of| !of.tests.is_empty());
        let tested: BTreeSet<&str> = tests.map(|of| of.policy.as_str()).collect();
        lint::untested(self.set.policies.values().map(AsRef::as_ref), &tested)
    }

    /// Reports whether every policy for new registrations is limited to certain ones, and others are uncovered.
    pub fn only_particular(&self) -> bool {
        lint::only_particular(self.set.policies.values().map(AsRef::as_ref))
    }
}

/// Loads a whole tree and reports every error of every file at once. `Loader` does the same for one tree after another.
pub fn load(files: &Files, known: &Known) -> Loaded {
    load_after(files, known, &mut Built::default())
}

fn load_after(files: &Files, known: &Known, before: &mut Built) -> Loaded {
    let mut diagnostics = Vec::new();
    let layout = Layout::new(files, &mut diagnostics);
    let (common, parts) = before.of(&layout, known);
    diagnostics.extend(common.diagnostics.iter().cloned());
    let mut declared: BTreeMap<String, Vec<&Draft>> = BTreeMap::new();
    let mut tests_of = Vec::new();
    for part in &parts {
        diagnostics.extend(part.diagnostics.iter().cloned());
        tests_of.extend(part.tests.clone());
        declared.entry(part.name.clone()).or_default().extend(&part.draft);
    }
    // Unread policies count as declared: a policy that was renamed by mistake is not a removed policy.
    for path in &layout.unread {
        let node = files.get(path).and_then(|bytes| source::read(path, bytes, &mut Vec::new()));
        let folder = path.rsplit('/').nth(1).unwrap_or(path);
        let name = node.as_ref().and_then(|node| node.text_of("policy")).unwrap_or(folder);
        declared.entry(name.to_owned()).or_default();
    }
    let names = declared.keys().cloned().collect();
    let mut policies = Vec::new();
    for (name, drafts) in declared {
        match drafts.as_slice() {
            [] => {}
            [draft] => {
                if let Some(policy) = &draft.policy {
                    diagnostics.extend(draft.lints.iter().cloned());
                    policies.push(Arc::clone(policy));
                }
            }
            several => diagnostics.extend(several.iter().map(|draft| twice(&name, draft))),
        }
    }
    shared::unused_templates(&common.templates, &mut diagnostics);
    let sound = !errors(&diagnostics);
    lint::together(files, policies.iter().map(AsRef::as_ref), sound, &mut diagnostics);
    let mut diagnostics = consequences(diagnostics);
    diagnostic::sort(&mut diagnostics);
    diagnostics.dedup();
    let set = PolicySet::new(policies);
    tests_of.retain(|tests| set.policies.contains_key(&tests.policy));
    Loaded { set, diagnostics, declared: names, partial: false, tests: tests_of }
}

fn twice(name: &str, draft: &Draft) -> Diagnostic {
    let message = format!("several files have the policy name `{name}`");
    let found = Diagnostic::error(draft.name_place.clone(), "duplicate-policy", message);
    found.help("rename the copy").of_policy(name)
}

/// Merges the diagnostics that follow from one other error into one per policy.
fn consequences(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let (mut follows, mut rest): (Vec<_>, Vec<_>) =
        diagnostics.into_iter().partition(|found| found.code == diagnostic::FOLLOWS);
    follows.sort();
    follows.dedup();
    let mut grouped: BTreeMap<(Option<String>, Option<String>), (Diagnostic, usize)> = BTreeMap::new();
    for found in follows {
        let key = (found.policy.clone(), found.help.clone());
        grouped.entry(key).and_modify(|(_, more)| *more += 1).or_insert((found, 0));
    }
    rest.extend(grouped.into_values().map(|(mut found, more)| {
        if more > 0 {
            let names = if more == 1 { "one more name below" } else { &format!("{more} more names below") };
            found.message.push_str(&format!(" (and {names})"));
        }
        found
    }));
    rest
}

/// Reports whether any diagnostic keeps a policy from running.
fn errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}
