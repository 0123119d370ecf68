//! A small file system for tests of a full disk.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small tmpfs, unmounted when it is dropped.
pub struct Disk {
    parent: Option<tempfile::TempDir>,
    pub at: PathBuf,
}

impl Disk {
    /// Mounts it. None if this user may not mount, which is printed; in CI it is an error.
    pub fn mount(mebibytes: u64) -> Option<Self> {
        let parent = tempfile::tempdir().unwrap();
        let mut disk = Self::mount_at(mebibytes, &parent.path().join("disk"))?;
        disk.parent = Some(parent);
        Some(disk)
    }

    /// Mounts it at a path that does not exist yet.
    pub fn mount_at(mebibytes: u64, at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "proofd-test"])
            .arg(at)
            .output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self { parent: None, at: at.to_owned() });
        }
        assert!(std::env::var_os("CI").is_none(), "in CI this test must be able to mount: {mounted:?}");
        println!("SKIPPED: mounting a small file system needs root: {mounted:?}");
        None
    }

    /// Fills the disk as another program would.
    pub fn fill(&self) -> PathBuf {
        let path = self.at.join("foreign");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the disk stays mounted");
    }
}
