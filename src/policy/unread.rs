//! Entries of a tree that are not read: links that lead outside, and entries that are not plain files. They are
//! reported without their content, and policies that may depend on them keep running unchanged.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Place, dangling, sort};
use super::files::Files;
use super::files::{PEOPLE, VERIFICATIONS};
use super::load::{Loaded, Loader, PolicySet};

/// Why an entry of the tree is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// A link that leads out of the tree.
    Outside,
    /// A link to a missing target, or a cycle of links.
    Dangling,
    /// A pipe, a socket or a device.
    Special,
    /// A hard link to a file of another owner.
    HardLink,
}

impl Unread {
    fn diagnostic(self, path: &str) -> Diagnostic {
        let place = || Place { file: path.to_owned(), line: 1, column: 1, length: 1 };
        match self {
            Self::Outside => {
                let message = "this link leads out of the policy tree and is not followed";
                Diagnostic::error(place(), "link-outside", message)
                    .help("copy the file into the tree; only the root of the tree may be such a link")
            }
            Self::Dangling => dangling(path),
            Self::Special => {
                let message = "this is a pipe, a socket or a device, and is not read";
                Diagnostic::error(place(), "not-a-file", message).help("replace it by a regular file")
            }
            Self::HardLink => {
                let message = "this is a hard link to a file of another owner, and is not read";
                Diagnostic::error(place(), "foreign-hard-link", message)
                    .help("copy the file, or give the tree and its files one owner")
            }
        }
    }
}

/// Loads a tree in which some entries were not read. A policy with such an entry in its folder stays out of the set.
/// If the entry is a file that all policies may use, all stay out.
pub fn load_tree(files: &Files, unread: &BTreeMap<String, Unread>, loader: &Loader) -> Loaded {
    let mut loaded = loader.load(files);
    let mut held = BTreeSet::new();
    for (path, why) in unread {
        let found = why.diagnostic(path);
        let names = match scope(path) {
            Scope::All => loaded.set.policies.keys().cloned().collect(),
            Scope::Folder(folder) => {
                let names = of_folder(&loaded, folder);
                if names.is_empty() && !loaded.declared.iter().any(|name| name == folder) {
                    loaded.declared.push(folder.to_owned());
                }
                names
            }
            Scope::None => BTreeSet::new(),
        };
        loaded.diagnostics.push(match names.first() {
            Some(name) if names.len() == 1 => found.of_policy(name),
            Some(_) | None => found,
        });
        held.extend(names);
    }
    if !unread.is_empty() {
        loaded.partial = true;
        loaded.declared.sort();
        sort(&mut loaded.diagnostics);
        let kept = loaded.set.policies.values().filter(|policy| !held.contains(&policy.name)).cloned();
        loaded.set = PolicySet::new(kept.collect::<Vec<_>>());
        loaded.tests.retain(|tests| loaded.set.policies.contains_key(&tests.policy));
    }
    loaded
}

/// The policies that a file affects.
enum Scope<'a> {
    All,
    Folder(&'a str),
    None,
}

fn scope(path: &str) -> Scope<'_> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [PEOPLE | VERIFICATIONS] | ["shared", ..] => Scope::All,
        // A name with an extension is not a folder.
        [name] if name.contains('.') => Scope::None,
        [folder, ..] => Scope::Folder(folder),
        [] => Scope::None,
    }
}

fn of_folder(loaded: &Loaded, folder: &str) -> BTreeSet<String> {
    let inside = |path: &String| path.split_once('/').is_some_and(|(first, _)| first == folder);
    let policies = loaded.set.policies.values();
    policies.filter(|policy| policy.files.0.keys().any(inside)).map(|policy| policy.name.clone()).collect()
}
