//! Broken files of a store: damage in the middle is an error with its position, a broken state is rebuilt, a failing
//! disk acknowledges nothing.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{
    LAST, assert_sound, at, case, changed, closed, copy, event, filled, has, open, options, received,
    segmented,
};
use proofd::store::{Act, Commit, Error, Options, Store};

/// A change to the files of a store.
type Harm = Box<dyn Fn(&Path)>;

fn text_names(error: &Error, words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().all(|word| text.contains(word))
}

/// Removes the state, which is then rebuilt from the journal alone.
fn without_state(dir: &Path) {
    std::fs::remove_dir_all(dir.join("state")).unwrap();
}

#[tokio::test]
async fn damage_before_the_end_is_an_error_with_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = filled(dir.path(), 4).await;
    let whole = std::fs::read(dir.path().join(LAST)).unwrap();
    for place in (0..offsets[3]).step_by(17) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(dir.path().join(LAST), &bytes).unwrap();
        let frame = offsets.iter().rev().find(|offset| **offset <= place).copied().unwrap_or(0);
        let Err(Error::Damaged(text)) = Store::open_with(dir.path(), at(0), options()) else {
            panic!("damage at {place} was not noticed");
        };
        assert!(text.contains("000001.log") && text.contains(&format!("byte {frame}:")), "{place}: {text}");
        assert_eq!(std::fs::read(dir.path().join(LAST)).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_missing_or_cut_segment_before_the_last_is_an_error() {
    for harm in ["missing", "cut", "exchanged"] {
        let dir = tempfile::tempdir().unwrap();
        segmented(dir.path(), 20).await;
        let segment = dir.path().join("journal/000002.log");
        let bytes = std::fs::read(&segment).unwrap();
        match harm {
            "missing" => std::fs::remove_file(&segment).unwrap(),
            "cut" => std::fs::write(&segment, &bytes[..bytes.len() - 1]).unwrap(),
            _ => drop(std::fs::copy(dir.path().join("journal/000003.log"), &segment).unwrap()),
        }
        let error = Store::open_with(dir.path(), at(0), self::options()).unwrap_err();
        assert!(matches!(&error, Error::Damaged(text) if text.contains("000002.log")), "{harm}: {error}");
        // The error names the missing records and their time.
        assert!(
            harm != "missing" || text_names(&error, &["with the records 2 to 2", "2027-01-15 08:00:00 UTC"])
        );
    }
}

/// Digits that differ everywhere.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::new();
    while text.len() < length {
        // xorshift
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text += &format!("{state:016x}");
    }
    text.truncate(length);
    text
}

#[tokio::test]
async fn a_damaged_state_is_rebuilt_from_the_journal() {
    let origin = tempfile::tempdir().unwrap();
    let (store, _) = open(origin.path());
    for number in 0..40 {
        // Twenty cases of four kilobytes that cannot be packed, over several of sled's segments.
        let mut commit = changed(case(&format!("c{number}"), 0));
        for other in 0..20 {
            let mut one = changed(case(&format!("d{number}-{other}"), other)).cases.remove(0);
            one.case.steps.insert("text".to_owned(), noise(number * 20 + other as u64, 4_000).into());
            commit.cases.push(one);
        }
        store.commit(commit).await.unwrap();
    }
    drop(store);
    let size = usize::try_from(std::fs::metadata(origin.path().join("state/1/db")).unwrap().len()).unwrap();
    let harms: Vec<(String, Harm)> = vec![
        ("deleted".into(), Box::new(|dir: &Path| without_state(dir))),
        ("marker gone".into(), Box::new(|dir: &Path| std::fs::remove_file(dir.join("state.ok")).unwrap())),
        ("doubted".into(), Box::new(|dir: &Path| std::fs::write(dir.join("state.suspect"), "test").unwrap())),
        ("conf gone".into(), Box::new(|dir: &Path| std::fs::write(dir.join("state/1/conf"), "x").unwrap())),
    ];
    let truncations = [0, 1, 4096, size / 2, size - 4096].map(|length| {
        let harm: Harm = Box::new(move |dir: &Path| {
            let db = std::fs::File::options().write(true).open(dir.join("state/1/db")).unwrap();
            db.set_len(length as u64).unwrap();
        });
        (format!("cut to {length}"), harm)
    });
    let flips = (0..12_usize).map(|step| {
        let harm: Harm = Box::new(move |dir: &Path| {
            let path = dir.join("state/1/db");
            let mut bytes = std::fs::read(&path).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            bytes[used * step / 12] ^= 0x10;
            std::fs::write(path, bytes).unwrap();
        });
        (format!("flip {step}"), harm)
    });
    let told = ["deleted", "marker gone", "doubted"];
    for (name, harm) in harms.into_iter().chain(truncations).chain(flips) {
        let dir = tempfile::tempdir().unwrap();
        copy(origin.path(), dir.path());
        harm(dir.path());
        let (store, opened) = open(dir.path());
        assert_eq!((opened.records, opened.cut_bytes), (40, 0), "{name}");
        assert!((0..40).all(|number| has(&store, number)), "{name}");
        // Sled itself reverts to an older state after some damage; the rest of the journal then completes it.
        assert!(opened.rebuilt.is_some() || !told.contains(&name.as_str()), "{name}");
        assert!(opened.rebuilt.is_none() || opened.replayed == 40, "{name}");
        drop(store);
        assert_sound(dir.path());
    }
}

#[tokio::test]
async fn verify_reports_each_difference_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    filled(dir.path(), 3).await;
    let (store, _) = open(other.path());
    for name in ["c0", "c1", "x"] {
        store.commit(changed(closed(name, 1))).await.unwrap();
    }
    drop(store);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    copy(&other.path().join("state"), &dir.path().join("state"));
    let report = proofd::store::verify(dir.path()).unwrap();
    assert_eq!((report.records, report.segments, report.applied), (3, 1, 3));
    assert!(report.different > 3 && report.differences.len() as u64 == report.different);
    assert_eq!(proofd::store::verify(dir.path()).unwrap(), report);
    assert_eq!(report.head.len(), 32);
}

/// A store whose disk fails as the test sets, and the reports of its failure hook.
fn failing(
    dir: &Path,
    fault: impl Fn(Act) -> io::Result<()> + Send + Sync + 'static,
) -> (Store, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let options = Options {
        failure: Arc::new(move |reason| tell.lock().unwrap().push(reason.to_owned())),
        fault: Some(Arc::new(fault)),
        ..options()
    };
    (Store::open_with(dir, at(0), options).unwrap().0, told)
}

#[tokio::test]
async fn a_failed_write_or_sync_ends_the_store_and_acknowledges_nothing() {
    let kind = |act: Act| match act {
        Act::Write { .. } => "write",
        Act::Sync { .. } => "sync",
        Act::Mark => "mark",
        Act::Exchange => "exchange",
        Act::Rewrite { .. } => "rewrite",
    };
    // Creating the store writes both slots of the mark, twice.
    for (broken, good) in [("write", 1), ("sync", 1), ("mark", 5)] {
        let dir = tempfile::tempdir().unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let (store, told) = failing(dir.path(), move |act| {
            if kind(act) != broken {
                return Ok(());
            }
            match counted.fetch_add(1, Ordering::Relaxed) {
                done if done < good => Ok(()),
                _ => Err(io::Error::other("the disk is gone")),
            }
        });
        store.commit(changed(case("c0", 0))).await.unwrap();
        assert!(matches!(store.commit(changed(case("c1", 0))).await, Err(Error::Closed)), "{broken:?}");
        assert!(matches!(store.commit_durable(Commit::default()).await, Err(Error::Closed)), "{broken:?}");
        drop(store);
        assert_eq!(calls.load(Ordering::Relaxed), good + 1, "a failed {broken} is not tried again");
        assert_eq!(told.lock().unwrap().len(), 1);
        let (store, _) = open(dir.path());
        assert!(has(&store, 0), "{broken:?}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_events_while_cases_continue() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let reserve = dir.path().join("reserve");
    let (now, path) = (Arc::clone(&full), reserve.clone());
    let (store, told) = failing(dir.path(), move |act| match act {
        Act::Write { .. } if now.load(Ordering::Relaxed) && path.exists() => {
            Err(io::ErrorKind::StorageFull.into())
        }
        Act::Write { .. } | Act::Sync { .. } | Act::Mark | Act::Exchange | Act::Rewrite { .. } => Ok(()),
    });
    assert!(reserve.exists() && !store.is_full());
    full.store(true, Ordering::Relaxed);
    assert!(matches!(store.commit_durable(received([event("e", 0)])).await, Err(Error::Full)));
    assert!(store.is_full() && !reserve.exists());
    store.commit(changed(case("c0", 0))).await.unwrap();
    full.store(false, Ordering::Relaxed);
    store.commit(received([event("e", 0)])).await.unwrap();
    assert!(!store.is_full() && reserve.exists());
    assert!(told.lock().unwrap().is_empty());
    drop(store);
    assert_sound(dir.path());
}
