//! The policy tree on disk: read whole, and only once it is stable. `beneath` keeps every reader inside the tree.

mod beneath;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::policy::{Files, Unread};

use beneath::{Dir, Found, Seen};

/// A larger file is read up to one byte more: the loader can report that it is too large.
const LARGEST_FILE: u64 = 1 << 20;
/// Most files and directories of a tree; stops at a wrong root (`/`) and at links that lead back.
const MOST_NAMES: usize = 10_000;
/// Most bytes of all files of a tree.
const MOST_BYTES: usize = 64 << 20;
/// Greatest depth of a tree; a loop of links stops here.
const DEEPEST: usize = 8;

/// The metadata of a tree, without contents: enough to notice any ordinary change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    files: BTreeMap<PathBuf, Seen>,
    /// Every directory that contains part of the tree, by real paths: what a watcher has to watch.
    pub dirs: Vec<PathBuf>,
    /// Files with other names, by real paths: a write under another name shows only at the file itself.
    pub linked: Vec<PathBuf>,
    /// Files that exist and are not read, by path in the tree.
    pub unread: BTreeMap<String, Unread>,
}

impl Fingerprint {
    /// Returns whether the tree has neither a file nor an unread one.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.unread.is_empty()
    }
}

/// Reads the metadata of a tree. Hidden names and editors' copies are left out. Links are followed inside the tree,
/// which shows trees that are swapped by a link.
pub fn look(root: &Path) -> Result<Fingerprint, String> {
    let mut seen = Fingerprint::default();
    let dir = Dir::root(root).map_err(|error| cannot(root, &error))?;
    walk(root, Path::new(""), &dir, 0, &mut seen)?;
    seen.dirs.sort();
    seen.dirs.dedup();
    Ok(seen)
}

fn walk(root: &Path, path: &Path, dir: &Dir, depth: usize, seen: &mut Fingerprint) -> Result<(), String> {
    let cannot = |error: std::io::Error| cannot(&root.join(path), &error);
    seen.dirs.push(dir.real());
    for name in dir.names().map_err(cannot)? {
        if passed_over(&name.to_string_lossy()) {
            continue;
        }
        let path = path.join(&name);
        let found = dir.find(Path::new(&name)).map_err(|error| self::cannot(&root.join(&path), &error))?;
        match found {
            Found::Dir(dir) if depth < DEEPEST => walk(root, &path, &dir, depth + 1, seen)?,
            Found::Dir(_) | Found::Gone => {}
            Found::Unread(why) => {
                seen.unread.insert(named(&path), why);
            }
            Found::File(file) => {
                seen.dirs.push(file.real_dir());
                if file.linked {
                    seen.linked.push(file.real());
                }
                seen.files.insert(path, file.seen);
            }
        }
        if seen.files.len() + seen.unread.len() + seen.dirs.len() > MOST_NAMES {
            return Err(format!(
                "{} has more than {MOST_NAMES} names; is it the policy tree?",
                root.display()
            ));
        }
    }
    Ok(())
}

fn cannot(path: &Path, error: &std::io::Error) -> String {
    format!("reading {} failed: {error}", path.display())
}

/// Returns a path in the form of the loader.
fn named(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Returns whether a name is a hidden file, an editor's copy or a swap file.
fn passed_over(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || name.starts_with('#')
        || name == "4913"
        || [".swp", ".swx", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
}

/// Returns whether a file was read. A file that disappears before it is read is no error: the tree is changing.
fn is_there<T>(path: &Path, read: std::io::Result<T>) -> Result<bool, String> {
    match read {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("reading {} failed: {error}", path.display())),
    }
}

/// Reads every file of a tree once. `None`: it changed meanwhile.
pub fn read(root: &Path) -> Result<Option<(Files, Fingerprint)>, String> {
    let before = look(root)?;
    let dir = Dir::root(root).map_err(|error| cannot(root, &error))?;
    let (mut files, mut left) = (BTreeMap::new(), MOST_BYTES);
    for path in before.files.keys() {
        let whole = root.join(path);
        let found = dir.find(path).map_err(|error| cannot(&whole, &error))?;
        let Found::File(place) = found else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = place.open().and_then(|file| {
            let Some(file) = file else { return Err(std::io::ErrorKind::NotFound.into()) };
            file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)
        });
        if !is_there(&whole, read)? {
            return Ok(None);
        }
        left = left.checked_sub(bytes.len()).ok_or_else(|| {
            format!("{} has more than {} MiB; is it the policy tree?", root.display(), MOST_BYTES >> 20)
        })?;
        files.insert(named(path), Arc::from(bytes));
    }
    let after = look(root)?;
    Ok((before == after).then_some((Files(files), after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deleted_file_counts_as_a_change() {
        for (code, expected) in [
            (2, Ok(false)),
            (13, Err("reading policies/seen/policy.yaml failed: Permission denied (os error 13)")),
            (5, Err("reading policies/seen/policy.yaml failed: Input/output error (os error 5)")),
        ] {
            let read: std::io::Result<()> = Err(std::io::Error::from_raw_os_error(code));
            let got = is_there(Path::new("policies/seen/policy.yaml"), read);
            assert_eq!(got, expected.map_err(str::to_owned), "{code}");
        }
    }
}
