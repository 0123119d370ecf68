//! The files of a tree: plain files inside it, also through links inside it, and no others.
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use proofd::cli::compose::known_to_all;
use proofd::policy::{Loaded, Loader, diagnostic, load_tree};
use proofd::rollout::tree;

const SECRET: &str = "format: 1\npolicy: seen\nhunter2: hunter2\n";

/// A folder with a valid tree in `policies`, and a foreign file beside it.
fn world() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let base = fs::canonicalize(dir.path()).unwrap();
    let policy = |name: &str| {
        format!(
            "format: 1\npolicy: {name}\ntitle: Seen\nowner: iam@example.com\nmode: enforce\nsubject: user\n\
             when:\n  - event: user.activated\nsteps:\n  - close: seen\n"
        )
    };
    for name in ["seen", "other"] {
        fs::create_dir_all(base.join("policies").join(name)).unwrap();
        fs::write(base.join("policies").join(name).join("policy.yaml"), policy(name)).unwrap();
    }
    fs::create_dir_all(base.join("outside/seen")).unwrap();
    fs::write(base.join("outside/secret"), SECRET).unwrap();
    fs::write(base.join("outside/seen/policy.yaml"), SECRET).unwrap();
    (dir, base)
}

fn loaded(root: &Path) -> (Loaded, String) {
    let (files, look) = tree::read(root).unwrap().expect("the tree stands still");
    let loaded = load_tree(&files, &look.unread, &Loader::new(known_to_all()));
    let text = diagnostic::render(&loaded.diagnostics, &files, false);
    (loaded, text)
}

/// Removes a file of the tree and returns its path for a replacement.
fn free(base: &Path) -> PathBuf {
    let path = base.join("policies/seen/policy.yaml");
    fs::remove_file(&path).unwrap();
    path
}

/// A change to the tree under a folder.
type Spoil = fn(&Path);

#[test]
fn outside_special_and_broken_links_are_not_read() {
    let rows: &[(&str, Spoil, &str)] = &[
        ("an absolute link", |base| symlink(base.join("outside/secret"), free(base)).unwrap(), "P0015"),
        ("a relative link", |base| symlink("../../outside/secret", free(base)).unwrap(), "P0015"),
        ("a link of the kernel", |base| symlink("/proc/self/environ", free(base)).unwrap(), "P0015"),
        ("a device", |base| symlink("/dev/zero", free(base)).unwrap(), "P0015"),
        (
            "a link inside to a link outside",
            |base| {
                fs::create_dir(base.join("policies/.hidden")).unwrap();
                symlink("../../outside/secret", base.join("policies/.hidden/more")).unwrap();
                symlink("../.hidden/more", free(base)).unwrap();
            },
            "P0015",
        ),
        (
            "out and in again",
            |base| symlink("../../policies/other/policy.yaml", free(base)).unwrap(),
            "P0015",
        ),
        (
            "a folder",
            |base| {
                fs::remove_dir_all(base.join("policies/seen")).unwrap();
                symlink("../outside/seen", base.join("policies/seen")).unwrap();
            },
            "P0015",
        ),
        (
            "a pipe",
            |base| assert!(Command::new("mkfifo").arg(free(base)).status().unwrap().success()),
            "P0016",
        ),
        ("a socket", |base| drop(UnixListener::bind(free(base)).unwrap()), "P0016"),
        (
            "a pipe behind a link",
            |base| {
                let pipe = base.join("policies/.pipe");
                assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
                symlink("../.pipe", free(base)).unwrap();
            },
            "P0016",
        ),
        ("a link to nothing", |base| symlink("nowhere", free(base)).unwrap(), "P0123"),
        ("a link to itself", |base| symlink("policy.yaml", free(base)).unwrap(), "P0123"),
    ];
    for (what, spoil, code) in rows {
        let (_dir, base) = world();
        spoil(&base);
        let (loaded, text) = loaded(&base.join("policies"));
        assert!(text.contains(&format!("error[{code}")), "{what}: {text}");
        assert!(!text.contains("hunter2") && !text.contains("policy: seen"), "{what}: {text}");
        // The policy is declared, so its active revision continues; the other policy is unaffected.
        assert!(loaded.partial && loaded.declared.contains(&"seen".to_owned()), "{what}: {loaded:?}");
        assert_eq!(loaded.set.policies.keys().collect::<Vec<_>>(), ["other"], "{what}: {text}");
    }
}

#[test]
fn symlinks_within_the_tree_are_followed() {
    let (_dir, base) = world();
    let tree = base.join("policies");
    // Links as Kubernetes creates them, also by the absolute name of the root and of a link to it.
    fs::create_dir(tree.join("..one")).unwrap();
    fs::rename(tree.join("seen"), tree.join("..one/seen")).unwrap();
    symlink("..one", tree.join("..data")).unwrap();
    symlink("..data/seen", tree.join("seen")).unwrap();
    symlink("policies", base.join("current")).unwrap();
    fs::rename(tree.join("other"), tree.join("..one/other")).unwrap();
    symlink(base.join("current/..data/other"), tree.join("other")).unwrap();
    for root in ["policies", "current"] {
        let (loaded, text) = loaded(&base.join(root));
        assert_eq!(loaded.set.policies.keys().collect::<Vec<_>>(), ["other", "seen"], "{root}: {text}");
        assert!(!loaded.partial, "{text}");
    }
}

#[test]
fn an_unreadable_shared_file_blocks_every_policy() {
    let (_dir, base) = world();
    symlink("../outside/secret", base.join("policies/people.yaml")).unwrap();
    let (loaded, text) = loaded(&base.join("policies"));
    assert!(text.contains("P0015") && !text.contains("hunter2"), "{text}");
    assert!(loaded.set.policies.is_empty() && loaded.declared == ["other", "seen"], "{text}");
}

#[test]
fn a_hard_link_to_a_foreign_file_is_not_read() {
    let (_dir, base) = world();
    let (file, secret) = (base.join("policies/seen/policy.yaml"), base.join("outside/secret"));
    fs::remove_file(&file).unwrap();
    fs::hard_link(&secret, &file).unwrap();
    // A file of the same owner is accepted.
    assert!(!loaded(&base.join("policies")).1.contains("P0017"));
    let owner = fs::metadata(base.join("policies")).unwrap().uid();
    if chown(&secret, Some(owner + 1), None).is_err() {
        println!("SKIPPED: only root gives a file to somebody else");
        return;
    }
    let (loaded, text) = loaded(&base.join("policies"));
    assert!(text.contains("error[P0017") && !text.contains("hunter2"), "{text}");
    assert_eq!(loaded.set.policies.keys().collect::<Vec<_>>(), ["other"], "{text}");
}

#[test]
fn symlink_loops_end() {
    let (_dir, base) = world();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        symlink(".", base.join("policies").join(name)).unwrap();
    }
    let why = tree::read(&base.join("policies")).unwrap_err();
    assert!(why.contains("is it the policy tree?"), "{why}");
}
