//! What lies in a tree and is not read: it leads outside, or is no plain file. It is reported without any of its text,
//! and what may have depended on it keeps running as it did.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Place, dangling, sort};
use super::files::Files;
use super::files::{PEOPLE, VERIFICATIONS};
use super::known::Known;
use super::load::{Loaded, PolicySet, load};

/// Why a name of the tree is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// A link that leads out of the tree.
    Outside,
    /// A link to nothing, or links that lead to each other.
    Dangling,
    /// A pipe, a socket or a device.
    Special,
    /// A second name of a file that belongs to somebody else.
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

/// Loads a tree of which something was not read. A policy with such a file in its folder stays out of the set, and
/// all do if it is a file that all may use.
pub fn load_tree(files: &Files, unread: &BTreeMap<String, Unread>, known: &Known) -> Loaded {
    let mut loaded = load(files, known);
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

/// Whom a file concerns.
enum Scope<'a> {
    All,
    Folder(&'a str),
    None,
}

fn scope(path: &str) -> Scope<'_> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [PEOPLE | VERIFICATIONS] | ["shared", ..] => Scope::All,
        // A name with an end is no folder.
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
