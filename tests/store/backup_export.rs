//! Exports as JSON Lines, and stores made of them: equal, key by key.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use proofd::store::{self, Error, Head, Store};

use crate::backup::records;
use crate::support::{
    LAST, assert_sound, at, case, changed, closed, copy, event, open, put_back, received, unlocked,
};

const JOURNALS: &str = "tests/data/journals";

fn head(store: &Path) -> Head {
    let head = store::head(store).unwrap();
    format!("{}:{}", head.sequence, head.hash).parse().unwrap()
}

/// A store with cases, events, a salvaged gap and a rest.
async fn varied(dir: &Path) {
    for number in 0..6 {
        let (store, _) = open(dir);
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
        store.commit_durable(received([event(&format!("e{number}"), number)])).await.unwrap();
        store.close().await.unwrap();
    }
    let mut bytes = std::fs::read(dir.join(LAST)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 10].fill(0x55);
    std::fs::write(dir.join(LAST), &bytes).unwrap();
    let salvaged = unlocked(|| store::salvage(dir, at(1), "test", false)).unwrap();
    assert!(!salvaged.records.is_empty());
    let (store, _) = open(dir);
    store.commit(changed(closed("c0", 1))).await.unwrap();
    store.prune(at(5)).await.unwrap();
    store.close().await.unwrap();
}

/// The stores of earlier versions.
fn old_stores() -> Vec<PathBuf> {
    let list = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let mut stores: Vec<_> = list(Path::new(JOURNALS)).iter().flat_map(|version| list(version)).collect();
    stores.sort();
    stores
}

/// Exports, imports and exports again; checks that records and states are equal.
fn goes_round(origin: &Path, name: &str, what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join(name), dir.path().join(format!("again-{name}")));
    let exported = store::export(origin, &one, at(1), true).unwrap();
    let place = dir.path().join("place");
    let done = store::import(&one, &place, at(2), "", Some(exported.head)).unwrap();
    assert!(done.complete && !done.new_secret, "{what}");
    assert_eq!(
        std::fs::read(place.join("secret")).unwrap(),
        std::fs::read(origin.join("secret")).unwrap(),
        "{what}"
    );
    store::export(&place, &two, at(3), true).unwrap();
    assert_eq!(records(&place), records(origin), "{what}");
    drop(unlocked(|| Store::open_with(&place, at(4), crate::support::options())).unwrap());
    assert_sound(&place);
    // The state of the new store under the journal of the original one.
    let mixed = dir.path().join("mixed");
    copy(origin, &mixed);
    let _ = std::fs::remove_dir_all(mixed.join("state"));
    copy(&place.join("state"), &mixed.join("state"));
    put_back(&place.join("state.ok"), &mixed.join("state.ok"));
    let report = unlocked(|| store::verify(&mixed)).unwrap();
    assert_eq!((report.different, report.keys > 0), (0, true), "{what}: {:?}", report.differences);
}

#[tokio::test]
async fn an_export_makes_an_equal_store_and_the_same_export_again() {
    let dir = tempfile::tempdir().unwrap();
    varied(dir.path()).await;
    let text = records(dir.path()).join("\n");
    assert!(text.contains("{\"lost\":{\"first\":"), "the gap is a line");
    goes_round(dir.path(), "export.jsonl", "varied");
    goes_round(dir.path(), "export.jsonl.zst", "varied, packed");
    let stores = old_stores();
    assert!(stores.len() > 20, "{stores:?}");
    for store in stores.iter().step_by(3) {
        goes_round(store, "export.jsonl", &store.display().to_string());
    }
}

#[tokio::test]
async fn an_import_without_the_last_head_is_a_restored_store() {
    let dir = tempfile::tempdir().unwrap();
    let (origin, file) = (dir.path().join("store"), dir.path().join("export.jsonl"));
    varied(&origin).await;
    store::export(&origin, &file, at(1), false).unwrap();
    assert!(
        !std::fs::read_to_string(&file)
            .unwrap()
            .contains(&std::fs::read_to_string(origin.join("secret")).unwrap())
    );
    let place = dir.path().join("place");
    let done = store::import(&file, &place, at(2), "a new machine", None).unwrap();
    assert!(!done.complete && done.new_secret);
    let (store, opened) = open(&place);
    assert_eq!(opened.accepted_losses, 2, "the salvage and the import");
    assert_eq!(store.losses().unwrap()[1].reason, "a new machine");
    drop(store);
    assert_sound(&place);
    let again = store::export(&origin, &file, at(1), false);
    assert!(matches!(again, Err(Error::Backup(text)) if text.contains("exists")));
}

#[tokio::test]
async fn a_truncated_changed_or_newer_export_leaves_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let (origin, place) = (dir.path().join("store"), dir.path().join("place"));
    varied(&origin).await;
    let whole = dir.path().join("whole.jsonl");
    store::export(&origin, &whole, at(1), true).unwrap();
    let bytes = std::fs::read(&whole).unwrap();
    let refused = |name: &str, content: &[u8], says: &str| {
        let file = dir.path().join(name);
        std::fs::File::create(&file).unwrap().write_all(content).unwrap();
        let error = store::import(&file, &place, at(2), "test", None).expect_err(says).to_string();
        assert!(error.contains(says), "{says}: {error}");
        assert!(!place.exists() && !dir.path().join(".place.restoring").exists(), "{says}");
    };
    for length in (0..bytes.len()).step_by(bytes.len() / 40) {
        refused(
            "cut.jsonl",
            &bytes[..length],
            if length < 300 { "cut.jsonl" } else { "truncated or changed" },
        );
    }
    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len() - 2;
    let without = [&lines[..last], &lines[last + 1..]].concat().join("\n") + "\n";
    refused("missing.jsonl", without.as_bytes(), "truncated or changed");
    refused("more.jsonl", (text.clone() + "{\"v\":4}\n").as_bytes(), "truncated or changed");
    refused(
        "changed.jsonl",
        text.replacen("self-registration", "self-registratiom", 1).as_bytes(),
        "truncated or changed",
    );
    refused(
        "format.jsonl",
        text.replacen("\"proofd_export\":1", "\"proofd_export\":2", 1).as_bytes(),
        "the format 2",
    );
    let version = text.split("\"shapes\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let newer = text.replacen(&format!("\"shapes\":{version}"), "\"shapes\":99", 1);
    refused("newer.jsonl", newer.as_bytes(), "records of version 99");
    refused("other.jsonl", b"{\"hello\":1}\n", "is no export of a store");
    let packed = dir.path().join("whole.jsonl.zst");
    store::export(&origin, &packed, at(1), true).unwrap();
    let packed = std::fs::read(&packed).unwrap();
    for length in [0, 10, packed.len() / 2, packed.len() - 1] {
        refused("cut.jsonl.zst", &packed[..length], "truncated or changed");
    }
    // Another head than that of the export.
    let error = store::import(&whole, &place, at(2), "", Some(Head::default())).expect_err("another head");
    assert!(error.to_string().contains("later records are missing"), "{error}");
    let done = store::import(&whole, &place, at(2), "", Some(head(&origin))).unwrap();
    assert!(done.complete);
}
