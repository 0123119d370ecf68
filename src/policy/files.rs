//! The bytes of a policy tree as read, and the revision, which is a hash of the files that a policy uses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Files that every policy of a tree may use.
pub const VERIFICATIONS: &str = "verifications.yaml";
pub const PEOPLE: &str = "people.yaml";
pub const BLOCKS: &str = "shared/blocks.yaml";

/// Relative path (with `/`) to bytes. Immutable once read: a build sees one state of the tree.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Arc<[u8]>>);

impl Files {
    /// Reports whether these files belong to a policy tree, even one without policies. An empty directory, as after a
    /// lost mount, is not a policy tree.
    pub fn is_policy_tree(&self) -> bool {
        let of_all = |path: &String| path == PEOPLE || path == VERIFICATIONS || path.starts_with("shared/");
        self.0.keys().any(|path| of_all(path) || path.ends_with("/policy.yaml"))
    }

    pub fn get(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.0.get(path)
    }

    /// Returns the revision of these files: a hash over paths, lengths and bytes in order.
    pub fn revision(&self) -> Revision {
        self.revision_without(std::iter::empty())
    }

    /// Returns the revision of a tree with unread names. Another set of unread names is another revision.
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

/// 24 hexadecimal digits: the hash of all files that a policy uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl Revision {
    /// Returns the first 8 digits, enough to distinguish revisions in a table.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
