//! Links to and in the policy tree: the daemon follows them where they point now.

use std::fs;
use std::os::unix::fs::symlink;

use crate::world::{copy_tree, edit};

use super::reload::{TITLE, policy, retitle, standing, two};

#[tokio::test(flavor = "multi_thread")]
async fn a_retargeted_symlink_is_loaded() {
    let mut world = two("").await;
    let dir = world.dir.path().to_owned();
    // A release folder behind a link, as deployment tools create it.
    fs::rename(world.policies(), dir.join("v1")).unwrap();
    copy_tree(&dir.join("v1"), &dir.join("v2"));
    retitle(&dir.join("v2"), "proofing", "Second release");
    symlink("v1", world.policies()).unwrap();
    world.start();
    world.until_policies("the first release", &[("proofing", "active", "Proof of identity")]).await;
    let point = |to: &str| {
        symlink(to, dir.join("next")).unwrap();
        fs::rename(dir.join("next"), dir.join("policies")).unwrap();
    };
    point("v2");
    world.until_policies("the second release", &[("proofing", "active", "Second release")]).await;
    // A change in the folder that the link points to now, not in the old one.
    retitle(&dir.join("v2"), "proofing", "Second release, mended");
    world.until_policies("the mended release", &[("proofing", "active", "Second release, mended")]).await;
    point("v1");
    world.until_policies("back", &[("proofing", "active", "Proof of identity")]).await;
    world.reloads(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_update_is_loaded() {
    let mut world = two("").await;
    let dir = world.dir.path().to_owned();
    let tree = world.policies();
    // Kubernetes: names are links through `..data`, which is a link to a dated folder.
    fs::rename(&tree, dir.join("first")).unwrap();
    fs::create_dir(&tree).unwrap();
    fs::rename(dir.join("first"), tree.join("..2026_01")).unwrap();
    symlink("..2026_01", tree.join("..data")).unwrap();
    for name in ["people.yaml", "verifications.yaml", "proofing", "other", "shared"] {
        symlink(format!("..data/{name}"), tree.join(name)).unwrap();
    }
    world.start();
    let first = [("proofing", "active", "Proof of identity"), ("other", "active", "Proof of identity")];
    world.until_policies("the first map", &first).await;
    copy_tree(&tree.join("..2026_01"), &tree.join("..2026_02"));
    retitle(&tree.join("..2026_02"), "proofing", "Second map");
    symlink("..2026_02", tree.join("..data_tmp")).unwrap();
    fs::rename(tree.join("..data_tmp"), tree.join("..data")).unwrap();
    fs::remove_dir_all(tree.join("..2026_01")).unwrap();
    world.until_policies("the second map", &[("proofing", "active", "Second map")]).await;
    world.reloads(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_symlink_to_and_in_the_tree_is_watched() {
    let mut world = two("").await;
    let dir = world.dir.path().to_owned();
    // `current` is in the middle of the configured path and names a release.
    for release in ["one", "two"] {
        copy_tree(&world.policies(), &dir.join(format!("releases/{release}/tree")));
    }
    retitle(&dir.join("releases/two/tree"), "proofing", "Second release");
    symlink("releases/one", dir.join("current")).unwrap();
    let config = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), format!("policies: current/tree\n{config}")).unwrap();
    world.start();
    world.until_policies("the first release", &[("proofing", "active", "Proof of identity")]).await;
    symlink("releases/two", dir.join("next")).unwrap();
    fs::rename(dir.join("next"), dir.join("current")).unwrap();
    world.until_policies("the second release", &[("proofing", "active", "Second release")]).await;
    // A file behind a link inside the tree is written in place.
    let tree = dir.join("releases/two/tree");
    fs::create_dir(tree.join(".kept")).unwrap();
    fs::rename(policy(&tree, "other"), tree.join(".kept/other.yaml")).unwrap();
    symlink("../.kept/other.yaml", policy(&tree, "other")).unwrap();
    world.reloads(true).await;
    edit(&tree.join(".kept/other.yaml"), TITLE, "title: Written behind the link");
    world.until_policies("the linked file", &[("other", "active", "Written behind the link")]).await;
    // A file with a hard link elsewhere is written there.
    fs::hard_link(policy(&tree, "proofing"), dir.join("elsewhere.yaml")).unwrap();
    world.reloads(true).await;
    edit(&dir.join("elsewhere.yaml"), "title: Second release", "title: Written elsewhere");
    world.until_policies("the file with two names", &[("proofing", "active", "Written elsewhere")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_to_a_secret_is_not_read_and_stops_no_policy() {
    let mut world = two("").await;
    world.start();
    let (tree, dir) = (world.policies(), world.dir.path().to_owned());
    fs::write(dir.join("store/canary"), "format: 1\npolicy: proofing\nhunter2: hunter2\n").unwrap();
    fs::remove_file(policy(&tree, "proofing")).unwrap();
    symlink("../../store/canary", policy(&tree, "proofing")).unwrap();
    let report = world.reloads(false).await;
    let text = report.to_string();
    assert!(text.contains("P0015") && !text.contains("hunter2"), "{text}");
    let list = world.get("/v1/policies").await;
    assert_eq!(standing(&list, "proofing"), ("kept_last_good".into(), "Proof of identity".into()), "{list}");
    // Replacing the whole folder by such a link is no removal either.
    fs::remove_dir_all(tree.join("proofing")).unwrap();
    symlink(dir.join("store"), tree.join("proofing")).unwrap();
    world.reloads(false).await;
    let list = world.get("/v1/policies").await;
    assert_eq!(standing(&list, "proofing"), ("kept_last_good".into(), "Proof of identity".into()), "{list}");
    assert!(!world.log().contains("hunter2"), "{}", world.log());
}
