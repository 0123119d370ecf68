//! `proofd lsp` as an editor uses it: the built program, over its standard input and output.
mod editor;
mod names;
mod protocol;
mod typing;

use std::path::{Path, PathBuf};

const POLICY: &str = "registration-proofing/policy.yaml";

/// A copy of the tree, in a folder of its own.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("policies");
    copy_into(Path::new("tests/data/lsp/policies"), &tree);
    (dir, tree)
}

fn copy_into(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_into(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
