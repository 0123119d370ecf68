//! The state against a plain map: in memory, behind on disk, stopped at every step, and written anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use super::{Draft, State, doubt, rewrite};
use crate::model::CaseId;
use crate::store::journal::Head;
use crate::store::keys::{self, Key, Kind};
use crate::store::{Error, codec};

type Model = BTreeMap<Vec<u8>, String>;

fn id(number: u32) -> CaseId {
    CaseId(format!("c{number:05}"))
}

/// Keys of several kinds; cases and entries are neighbours on disk.
fn key(number: u32) -> Vec<u8> {
    match number % 4 {
        0 => keys::case(&id(number / 8)),
        1 => keys::entry(&id(number / 8), u64::from(number / 4 % 2)),
        2 => keys::cursor(&number.to_string()),
        _ => keys::seen(&number.to_string()),
    }
}

fn walked(state: &State, prefix: &[u8], from: &[u8]) -> Vec<(Vec<u8>, String)> {
    let mut found = Vec::new();
    let walk = state.walk(prefix, from, &mut |key, value: String| {
        found.push((key.to_vec(), value));
        true
    });
    walk.unwrap();
    found
}

fn check(state: &State, model: &Model) {
    for kind in [Kind::Case, Kind::Entry, Kind::Cursor, Kind::Seen, Kind::Wake] {
        let prefix = Key::new(kind).end();
        let expected = model.range(prefix.clone()..keys::after(&prefix));
        let expected: Vec<_> = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(walked(state, &prefix, &prefix), expected, "{kind:?}");
        if let Some((middle, _)) = expected.get(expected.len() / 2) {
            assert_eq!(walked(state, &prefix, middle), expected[expected.len() / 2..], "{kind:?}");
        }
    }
}

/// Compares the disk alone, and its sums.
fn check_disk(state: &State, model: &Model) {
    state.sync().unwrap();
    state.check().unwrap();
    let pairs = state.pairs().map(|pair| pair.map(|(place, value)| (super::key(&place), value)));
    let pairs: BTreeMap<_, _> = pairs.collect::<Result<_, _>>().unwrap();
    let model: BTreeMap<_, _> =
        model.iter().map(|(key, value)| (key.clone(), format!("{value:?}").into_bytes())).collect();
    assert!(pairs == model, "{} pairs, {} expected", pairs.len(), model.len());
    assert_eq!(state.meta().keys, model.len() as u64);
}

#[derive(Debug, Clone)]
enum Step {
    /// First key, how many, bytes of a value.
    Put(u32, u32, usize),
    Remove(u32, u32),
    Freeze,
    Sync,
    Rewrite,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..800_u32, 1..120_u32, prop_oneof![0..60_usize, Just(2_000), Just(40_000)])
            .prop_map(|(first, count, bytes)| Step::Put(first, if bytes > 9_999 { 1 } else { count }, bytes)),
        4 => (0..800_u32, 1..200_u32).prop_map(|(first, count)| Step::Remove(first, count)),
        2 => Just(Step::Freeze),
        2 => Just(Step::Sync),
        1 => Just(Step::Rewrite),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec((step, any::<bool>()).prop_map(|(step, _)| step), 1..30)
}

#[test]
fn the_state_matches_a_map() {
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&steps(), |steps| {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("state");
        let mut state = State::open(&home).unwrap();
        let mut model = Model::new();
        for (number, step) in (1..).zip(&steps) {
            let mut draft = Draft::new(&state);
            match step {
                Step::Put(first, count, bytes) => {
                    for place in *first..*first + *count {
                        let value = format!("{number} {place} {}", "x".repeat(*bytes));
                        // A key that the state does not have may be called new.
                        match model.insert(key(place), value.clone()) {
                            Some(_) => draft.put(key(place), &value).unwrap(),
                            None => draft.put_new(key(place), &value).unwrap(),
                        }
                        assert_eq!(draft.get::<String>(&key(place)).unwrap(), Some(value));
                    }
                }
                Step::Remove(first, count) => {
                    for place in *first..*first + *count {
                        model.remove(&key(place));
                        draft.remove(key(place));
                    }
                }
                Step::Freeze => drop(state.inner.layers().freeze()),
                Step::Sync => check_disk(&state, &model),
                Step::Rewrite => {
                    state.rewrite().unwrap();
                    check_disk(&state, &model);
                }
                Step::Reopen => {}
            }
            draft.write(number).unwrap();
            assert_eq!(state.meta().applied, number);
            if matches!(step, Step::Reopen) {
                state.sync().unwrap();
                drop(state);
                state = State::open(&home).unwrap();
                state.check().unwrap();
                assert_eq!(state.meta().applied, number);
            }
            check(&state, &model);
        }
        check_disk(&state, &model);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn a_walk_returns_each_key_once_while_layers_move() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let ended = AtomicBool::new(false);
    let steady: Vec<Vec<u8>> = (0..3_000).map(|number| keys::cursor(&format!("{number:05}"))).collect();
    let fill = |round: u64| {
        let mut draft = Draft::new(&state);
        for (number, key) in steady.iter().enumerate() {
            draft.put(key.clone(), &format!("{round} {}", "x".repeat(number % 60))).unwrap();
            let other = keys::cursor(&format!("{number:05}+"));
            if round.is_multiple_of(2) {
                draft.remove(other)
            } else {
                draft.put(other, &"x".repeat(90)).unwrap()
            }
        }
        draft.write(round).unwrap();
    };
    fill(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 2..30 {
                fill(round);
                state.inner.layers().freeze();
                state.inner.tell(|_| {});
                if round % 5 == 0 {
                    state.rewrite().unwrap();
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
        let prefix = Key::new(Kind::Cursor).end();
        let mut walks = 0;
        while !ended.load(Ordering::Relaxed) || walks < 3 {
            let found = walked(&state, &prefix, &prefix);
            assert!(found.is_sorted_by(|one, other| one.0 < other.0));
            let kept = found.iter().filter(|(key, _)| steady.binary_search(key).is_ok()).count();
            assert_eq!(kept, steady.len());
            assert!(steady.iter().step_by(97).all(|key| state.value::<String>(key).unwrap().is_some()));
            walks += 1;
        }
    });
}

/// A block that was read covers the places of the one after it once that is removed.
#[test]
fn changes_on_both_sides_of_a_removed_block_are_merged_once() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let mut model = Model::new();
    // Keys to put with the bytes of their values; without: to remove.
    let steps: [&[(&str, Option<usize>)]; 3] =
        [&[("100", Some(1)), ("200", Some(40_000))], &[("200", None)], &[("110", Some(1)), ("210", Some(1))]];
    for (number, changes) in (1..).zip(steps) {
        let mut draft = Draft::new(&state);
        for (name, bytes) in changes {
            let key = keys::cursor(name);
            if let Some(bytes) = bytes {
                let value = "x".repeat(*bytes);
                draft.put(key.clone(), &value).unwrap();
                model.insert(key, value);
            } else {
                draft.remove(key.clone());
                model.remove(&key);
            }
        }
        draft.write(number).unwrap();
        check_disk(&state, &model);
        assert!(state.value::<String>(&keys::cursor("100")).unwrap().is_some());
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Applies record 1, or record 2, which changes, adds and removes keys over many blocks.
fn record(state: &State, model: &mut Model, record: u32) {
    let mut draft = Draft::new(state);
    for number in (0..1_200).filter(|number| record == 1 || number % 3 > 0) {
        let key = key(number + 100 * record);
        if (number + record).is_multiple_of(5) {
            draft.remove(key.clone());
            model.remove(&key);
        } else {
            let value = format!("{record} {number} {}", "text ".repeat(300));
            draft.put(key.clone(), &value).unwrap();
            model.insert(key, value);
        }
    }
    draft.head = Head { sequence: u64::from(record), chain: [record as u8; 16] };
    draft.write(u64::from(record)).unwrap();
}

/// Writes record 2 while a copy of the files is taken after each step, and, if `synced`, sled wrote everything before.
fn images(dir: &Path, synced: bool, work: fn(&State)) -> (Vec<(String, PathBuf)>, [Model; 2]) {
    let home = dir.join("state");
    let state = State::open(&home).unwrap();
    let mut model = Model::new();
    record(&state, &mut model, 1);
    state.sync().unwrap();
    let first = model.clone();
    record(&state, &mut model, 2);
    let names = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (own, inner, dir) = (Arc::clone(&names), Arc::clone(&state.inner), dir.to_owned());
    *state.inner.step.lock().unwrap() = Some(Box::new(move |name| {
        if synced {
            inner.disk.load_full().sync().unwrap();
        }
        let mut names = own.lock().unwrap();
        let image = dir.join(format!("image-{}", names.len()));
        copy(&inner.home, &image);
        names.push((name.to_owned(), image));
    }));
    work(&state);
    *state.inner.step.lock().unwrap() = None;
    let names = std::mem::take(&mut *names.lock().unwrap());
    (names, [first, model])
}

#[test]
fn a_crash_during_a_flush_leaves_the_state_before_or_after_it() {
    for synced in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (images, models) = images(dir.path(), synced, |state| state.sync().unwrap());
        let count = |wanted: &str| images.iter().filter(|(name, _)| name == wanted).count();
        assert!(count("redo") == 1 && count("batch") > 3 && count("done") == 1, "{images:?}");
        let mut seen = [0, 0];
        for (name, image) in &images {
            // Torn while it was written: nothing of the layer is on disk then.
            let redo = image.join("redo");
            for torn in [false, true] {
                if torn && name == "redo" {
                    let bytes = std::fs::read(&redo).unwrap();
                    std::fs::write(&redo, &bytes[..bytes.len() - 1]).unwrap();
                }
                let again = dir.path().join("again");
                drop(std::fs::remove_dir_all(&again));
                copy(image, &again);
                let state = State::open(&again).unwrap();
                state.check().unwrap();
                let applied = usize::try_from(state.meta().applied).unwrap();
                assert_eq!(state.meta().head.sequence, applied as u64, "{name}");
                assert!(!again.join("redo").exists(), "{name}");
                check_disk(&state, &models[applied - 1]);
                check(&state, &models[applied - 1]);
                seen[applied - 1] += 1;
                let expected = if torn && name == "redo" { 1 } else { 2 };
                assert_eq!(applied, expected, "{name}, torn: {torn}");
            }
        }
        assert!(seen[0] == 1 && seen[1] > 8, "{seen:?}");
    }
}

#[test]
fn a_crash_during_a_rewrite_leaves_a_complete_state() {
    let dir = tempfile::tempdir().unwrap();
    let (images, models) = images(dir.path(), true, |state| state.rewrite().unwrap());
    for wanted in ["part", "copied", "current", "rewritten"] {
        assert!(images.iter().any(|(name, _)| name == wanted), "{wanted}");
    }
    for (name, image) in &images {
        let state = State::open(image).unwrap();
        check_disk(&state, &models[1]);
        let dirs = std::fs::read_dir(image).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
        assert_eq!(dirs.count(), 1, "{name}");
    }
}

#[test]
fn a_missing_redo_file_of_a_partial_layer_causes_a_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let (images, _) = images(dir.path(), true, |state| state.sync().unwrap());
    let (_, image) = images.iter().find(|(name, _)| name == "batch").unwrap();
    std::fs::remove_file(image.join("redo")).unwrap();
    let error = State::open(image).map(drop).unwrap_err();
    assert!(error.to_string().contains("a layer of the state is incomplete"), "{error}");
}

#[test]
fn a_database_that_lost_data_is_rebuilt() {
    for loses_all in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("state");
        let state = State::open(&home).unwrap();
        let mut model = Model::new();
        record(&state, &mut model, 1);
        state.sync().unwrap();
        let before = dir.path().join("before");
        copy(&home.join("1"), &before);
        record(&state, &mut model, 2);
        state.sync().unwrap();
        drop(state);
        std::fs::remove_dir_all(home.join("1")).unwrap();
        if !loses_all {
            copy(&before, &home.join("1"));
        }
        let error = State::open(&home).map(drop).unwrap_err();
        assert!(error.to_string().contains("sled lost data"), "{error}");
    }
}

/// Returns whether a file of a directory holds some bytes, packed or not.
fn holds(dir: &Path, wanted: &[u8]) -> bool {
    const PACKED: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
    let has = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, wanted);
        }
        let bytes = std::fs::read(&path).unwrap();
        let starts = bytes.windows(4).enumerate().filter(|(_, window)| *window == PACKED);
        has(&bytes)
            || starts.into_iter().any(|(at, _)| {
                use std::io::Read as _;
                let mut raw = Vec::new();
                // What follows the frame is not part of it.
                drop(zstd::Decoder::new(&bytes[at..]).unwrap().single_frame().read_to_end(&mut raw));
                has(&raw)
            })
    })
}

#[test]
fn a_rewrite_removes_old_values_from_all_files() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("state");
    let state = State::open(&home).unwrap();
    let secret = |word: &str| format!("{word}-{}", "Q7x".repeat(5));
    for (record, removed) in [(1, false), (2, true)] {
        let mut draft = Draft::new(&state);
        for number in 0..400 {
            draft.put(keys::cursor(&format!("k{number:03}")), &format!("kept {number}")).unwrap();
        }
        let (gone, replaced) = (keys::cursor("k100+"), keys::cursor("k200+"));
        if removed {
            draft.remove(gone);
            draft.put(replaced, &secret("new")).unwrap();
        } else {
            draft.put(gone, &secret("gone")).unwrap();
            draft.put(replaced, &secret("old")).unwrap();
        }
        draft.write(record).unwrap();
        if !removed {
            state.sync().unwrap();
        }
    }
    assert!(holds(&home, secret("gone").as_bytes()) && holds(&home, secret("old").as_bytes()));
    state.rewrite().unwrap();
    assert!(!holds(&home, secret("gone").as_bytes()) && !holds(&home, secret("old").as_bytes()));
    assert!(holds(&home, secret("new").as_bytes()));
    assert_eq!(rewrite::current(&home), Some(2));
}

/// Returns a state whose keys are in a block each, the middle one damaged directly in sled.
fn harmed(harm: impl Fn(&sled::Db, &[u8])) -> (tempfile::TempDir, State) {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(&dir.path().join("state")).unwrap();
    let mut draft = Draft::new(&state);
    for source in ["a", "b", "c"] {
        draft.put(keys::cursor(source), &source.repeat(20_000)).unwrap();
    }
    draft.write(7).unwrap();
    state.sync().unwrap();
    state.check().unwrap();
    drop(state);
    let state = State::open(&dir.path().join("state")).unwrap();
    harm(state.inner.disk.load().raw(), &keys::cursor("b"));
    (dir, state)
}

#[test]
fn a_damaged_block_is_skipped_and_marks_the_state_for_a_rebuild() {
    let (_dir, state) = harmed(|db, key| drop(db.insert(key, b"\x01nonsense").unwrap().unwrap()));
    assert!(matches!(state.value::<String>(&keys::cursor("b")), Err(Error::Damaged(_))));
    assert!(state.value::<String>(&keys::cursor("c")).unwrap().is_some());
    let prefix = Key::new(Kind::Cursor).end();
    let found: String = walked(&state, &prefix, &prefix).iter().map(|(_, text)| &text[..1]).collect();
    assert_eq!((found.as_str(), state.damaged()), ("ac", 2));
    assert!(doubt(&state.inner.home).exists());
    assert!(state.check().is_err());
}

#[test]
fn a_state_of_another_version_gives_an_error() {
    let version = |db: &sled::Db, _: &[u8]| {
        let mut value = db.get(keys::meta()).unwrap().unwrap().to_vec();
        value[0] += 1;
        db.insert(keys::meta(), value).unwrap();
    };
    let (dir, state) = harmed(version);
    drop(state);
    // A version without blocks had its database in the directory itself.
    let older = dir.path().join("older");
    drop(sled::open(&older).unwrap());
    for home in [dir.path().join("state"), older] {
        let error = State::open(&home).map(drop).unwrap_err();
        assert!(error.to_string().contains("another version of proofd"), "{error}");
    }
}

#[test]
fn a_missing_duplicate_or_outdated_block_fails_the_full_check() {
    let harms: [fn(&sled::Db, &[u8]); 3] = [
        |db, key| drop(db.remove(key).unwrap().unwrap()),
        |db, key| {
            let other = keys::cursor("d");
            let block = db.get(key).unwrap().unwrap();
            let payload = codec::unseal(key, &block).unwrap();
            db.insert(&other, codec::seal(&other, payload)).unwrap();
        },
        |db, key| {
            let zip = super::block::Zip::default();
            let block = super::block::write(&[(key, b"\"older\"")], &zip).unwrap();
            db.insert(key, codec::seal(key, &block)).unwrap();
        },
    ];
    for harm in harms {
        let (_dir, state) = harmed(harm);
        assert!(matches!(state.check(), Err(Error::Damaged(_))));
    }
}
