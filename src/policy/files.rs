//! The bytes of a policy tree as they were read, and the revision that names what a policy uses of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The files that every policy of a tree may use.
pub const VERIFICATIONS: &str = "verifications.yaml";
pub const PEOPLE: &str = "people.yaml";
pub const BLOCKS: &str = "shared/blocks.yaml";

/// Relative path (with `/`) to bytes. Immutable once read: a build sees one state of the tree.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Arc<[u8]>>);

impl Files {
    /// Whether anything here is of a policy tree, though it may have no policy. An empty directory, as where a mount
    /// is lost, is none.
    pub fn is_policy_tree(&self) -> bool {
        let of_all = |path: &String| path == PEOPLE || path == VERIFICATIONS || path.starts_with("shared/");
        self.0.keys().any(|path| of_all(path) || path.ends_with("/policy.yaml"))
    }

    pub fn get(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.0.get(path)
    }

    /// The name of these files with this content: hash over paths, lengths and bytes in order.
    pub fn revision(&self) -> Revision {
        self.revision_without(std::iter::empty())
    }

    /// The same where names are there that were not read: another set of them is another state of the tree.
    pub fn revision_without<'a>(&self, unread: impl Iterator<Item = &'a String>) -> Revision {
        let mut hash = Sha256::new();
        for (path, bytes) in &self.0 {
            for part in [path.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        for path in unread {
            hash.update(u64::MAX.to_be_bytes());
            hash.update(path.as_bytes());
        }
        Revision(HEXLOWER.encode(&hash.finalize()[..12]))
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<P: Into<String>, B: AsRef<[u8]>> FromIterator<(P, B)> for Files {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        Self(files.into_iter().map(|(path, bytes)| (path.into(), Arc::from(bytes.as_ref()))).collect())
    }
}

/// 24 hexadecimal digits: the hash of everything that a policy uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl Revision {
    /// Enough to tell revisions apart in a table.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
