//! The policy tree as it lies on the disk: read whole, and only once it stands still.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::policy::Files;

/// A file of more than this is read up to one byte more, so that the loader can say it is too large.
const LARGEST_FILE: u64 = 1 << 20;
/// More files than any policy tree has; a wrong directory (`/`) stops here.
const MOST_FILES: usize = 10_000;
/// Deeper than any policy tree; a loop of links stops here.
const DEEPEST: usize = 8;

/// What can be seen of a tree without reading it: enough to notice any ordinary change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    files: BTreeMap<PathBuf, (u64, Option<std::time::SystemTime>, u64)>,
    /// Every directory, real paths: what a watcher has to watch.
    pub dirs: Vec<PathBuf>,
    /// Links to nothing, by their paths in the tree.
    pub dangling: Vec<PathBuf>,
}

/// Looks at a tree. Hidden names, editors' copies and what is not a plain file are left out; links are
/// followed, so that a tree that is swapped by a link is seen.
pub fn look(root: &Path) -> Result<Fingerprint, String> {
    let mut seen = Fingerprint::default();
    walk(root, root, 0, &mut seen)?;
    Ok(seen)
}

fn walk(root: &Path, dir: &Path, depth: usize, seen: &mut Fingerprint) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", dir.display());
    seen.dirs.push(dir.to_owned());
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.file_name().is_none_or(|name| passed_over(&name.to_string_lossy())) {
            continue;
        }
        // A link to nothing: the tree is being written, or it is broken. Either way not a file yet.
        let Ok(meta) = std::fs::metadata(&path) else {
            if path.is_symlink() {
                seen.dangling.push(path.strip_prefix(root).unwrap_or(&path).to_owned());
            }
            continue;
        };
        if meta.is_dir() && depth < DEEPEST {
            walk(root, &path, depth + 1, seen)?;
        } else if meta.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            seen.files.insert(relative, (meta.len(), meta.modified().ok(), inode(&meta)));
            if seen.files.len() > MOST_FILES {
                return Err(format!(
                    "{} has more than {MOST_FILES} files; is it the policy tree?",
                    root.display()
                ));
            }
        }
    }
    Ok(())
}

/// Hidden files, editors' copies and swap files.
fn passed_over(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || name.starts_with('#')
        || name == "4913"
        || [".swp", ".swx", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
}

#[cfg(unix)]
fn inode(meta: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.ino()
}

#[cfg(not(unix))]
fn inode(_meta: &std::fs::Metadata) -> u64 {
    0
}

/// Whether a file was read. One that went away between looking and reading is no mistake: the tree changes just now.
fn is_there<T>(path: &Path, read: std::io::Result<T>) -> Result<bool, String> {
    match read {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Reads every file of a tree once. `None`: it changed while it was read.
pub fn read(root: &Path) -> Result<Option<(Files, Fingerprint)>, String> {
    let before = look(root)?;
    let mut files = BTreeMap::new();
    for path in before.files.keys() {
        let mut bytes = Vec::new();
        let whole = root.join(path);
        let opened = std::fs::File::open(&whole);
        let read = opened.and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
        if !is_there(&whole, read)? {
            return Ok(None);
        }
        files.insert(path.to_string_lossy().replace('\\', "/"), Arc::from(bytes));
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
            (13, Err("policies/seen/policy.yaml cannot be read: Permission denied (os error 13)")),
            (5, Err("policies/seen/policy.yaml cannot be read: Input/output error (os error 5)")),
        ] {
            let read: std::io::Result<()> = Err(std::io::Error::from_raw_os_error(code));
            let got = is_there(Path::new("policies/seen/policy.yaml"), read);
            assert_eq!(got, expected.map_err(str::to_owned), "{code}");
        }
    }
}
