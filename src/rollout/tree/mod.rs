//! The policy tree as it lies on the disk: read whole, and only once it stands still. `beneath` keeps every reader
//! inside the tree.

mod beneath;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::policy::{Files, Unread};

use beneath::{Dir, Found, Seen};

/// A file of more than this is read up to one byte more, so that the loader can say it is too large.
const LARGEST_FILE: u64 = 1 << 20;
/// More files and directories than any policy tree has; a wrong root (`/`) and links that lead back stop here.
const MOST_NAMES: usize = 10_000;
/// More than any policy tree has, in all files.
const MOST_BYTES: usize = 64 << 20;
/// Deeper than any policy tree; a loop of links stops here.
const DEEPEST: usize = 8;

/// What can be seen of a tree without reading it: enough to notice any ordinary change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    files: BTreeMap<PathBuf, Seen>,
    /// Every directory in which something of the tree lies, by real paths: what a watcher has to watch.
    pub dirs: Vec<PathBuf>,
    /// Files with other names, by real paths: what is written under another name is seen at the file only.
    pub linked: Vec<PathBuf>,
    /// What is there and is not read, by its path in the tree.
    pub unread: BTreeMap<String, Unread>,
}

impl Fingerprint {
    /// Nothing lies in the tree: neither a file nor something that is not read.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.unread.is_empty()
    }
}

/// Looks at a tree. Hidden names and editors' copies are left out; links are followed inside the tree, so that one
/// that is swapped by a link is seen.
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

/// A path as the loader has it.
fn named(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Hidden files, editors' copies and swap files.
fn passed_over(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || name.starts_with('#')
        || name == "4913"
        || [".swp", ".swx", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
}

/// Whether a file was read. One that went away between looking and reading is no mistake: the tree changes just now.
fn is_there<T>(path: &Path, read: std::io::Result<T>) -> Result<bool, String> {
    match read {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("reading {} failed: {error}", path.display())),
    }
}

/// Reads every file of a tree once. `None`: it changed while it was read.
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
    fn only_a_file_that_went_away_is_a_change() {
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
