//! Detection of the journal's end. A broken frame after the high-water mark is a torn write and is cut; at or before
//! the mark it is damage. After a failed sync, the end is written again before any other record.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{LAST, assert_sound, at, case, changed, filled, has, open, options, put_back, unlocked};
use proofd::store::{Act, Error, Options, Store};

/// A closed store with `cases` cases, the last one written and synced but never acknowledged: the process died before
/// the mark was written. Returns the offset of its frame.
async fn unacknowledged(dir: &Path, cases: usize) -> usize {
    filled(dir, cases - 1).await;
    let mark = std::fs::read(dir.join("mark")).unwrap();
    let state = tempfile::tempdir().unwrap();
    crate::support::copy(&dir.join("state"), &state.path().join("state"));
    let start = std::fs::metadata(dir.join(LAST)).unwrap().len();
    let (store, _) = open(dir);
    store.commit(changed(case(&format!("c{}", cases - 1), 0))).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    std::fs::write(dir.join("mark"), mark).unwrap();
    put_back(&state.path().join("state"), &dir.join("state"));
    usize::try_from(start).unwrap()
}

fn cut_files(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("cut-")).count()
}

#[tokio::test]
async fn an_end_torn_at_any_byte_behind_the_mark_is_cut_and_the_older_frames_stay() {
    let dir = tempfile::tempdir().unwrap();
    let start = unacknowledged(dir.path(), 3).await;
    let origin = tempfile::tempdir().unwrap();
    crate::support::copy(dir.path(), origin.path());
    let whole = std::fs::read(dir.path().join(LAST)).unwrap();
    let end = whole.len();
    // Every byte of the header and the first bytes after it; then in steps, to save time.
    let places = (start..start + 48).chain((start + 48..end).step_by(23)).chain([end - 1]);
    for length in places {
        for name in ["state", "mark"] {
            put_back(&origin.path().join(name), &dir.path().join(name));
        }
        std::fs::write(dir.path().join(LAST), &whole[..length]).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!((opened.records, opened.cut_bytes), (2, (length - start) as u64), "cut at {length}");
        assert!(has(&store, 0) && has(&store, 1) && !has(&store, 2), "cut at {length}");
        store.commit(changed(case("after", 0))).await.unwrap();
        drop(store);
    }
    assert_sound(dir.path());
}

#[tokio::test]
async fn a_flipped_bit_after_the_mark_cuts_only_that_frame_and_keeps_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let start = unacknowledged(dir.path(), 3).await;
    let whole = std::fs::read(dir.path().join(LAST)).unwrap();
    for place in (start..whole.len()).step_by(29) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(dir.path().join(LAST), &bytes).unwrap();
        // Files that were set aside are kept by their age, in system time.
        let now = proofd::model::Clock::now(&proofd::engine::clock::System);
        let (store, opened) = unlocked(|| Store::open_with(dir.path(), now, options())).unwrap();
        assert_eq!(opened.cut_bytes, (whole.len() - start) as u64, "flipped at {place}");
        assert!(has(&store, 0) && has(&store, 1) && !has(&store, 2), "flipped at {place}");
    }
    // The newest three of many.
    assert_eq!(cut_files(dir.path()), 3);
}

#[tokio::test]
async fn a_whole_frame_behind_the_mark_is_kept_and_marked() {
    let dir = tempfile::tempdir().unwrap();
    unacknowledged(dir.path(), 3).await;
    assert_eq!(proofd::store::head(dir.path()).unwrap().sequence, 2);
    let (store, opened) = open(dir.path());
    assert_eq!((opened.records, opened.replayed, opened.cut_bytes), (3, 1, 0));
    assert!(has(&store, 2));
    drop(store);
    assert_eq!(proofd::store::head(dir.path()).unwrap().sequence, 3);
    assert_sound(dir.path());
}

#[tokio::test]
async fn a_flipped_bit_or_a_cut_in_an_acknowledged_last_frame_is_damage() {
    let origin = tempfile::tempdir().unwrap();
    let offsets = filled(origin.path(), 3).await;
    let whole = std::fs::read(origin.path().join(LAST)).unwrap();
    for place in (offsets[2] + 1..offsets[3]).step_by(31) {
        for cut in [false, true] {
            for keep_state in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                crate::support::copy(origin.path(), dir.path());
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << (place % 8);
                bytes.truncate(if cut { place } else { bytes.len() });
                std::fs::write(dir.path().join(LAST), &bytes).unwrap();
                if !keep_state {
                    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
                }
                let Err(Error::Lost(loss)) = unlocked(|| Store::open_with(dir.path(), at(0), options()))
                else {
                    panic!("damage at {place} was not noticed");
                };
                let text = loss.to_string();
                assert_eq!((loss.from, loss.to), (Some(3), Some(3)), "{text}");
                let words = [
                    "000001.log",
                    "record 3",
                    "which was acknowledged",
                    "high-water mark",
                    "2027-01-15 08:00:00 UTC",
                ];
                for word in words {
                    assert!(text.contains(word), "{place}: {text}");
                }
                assert_eq!(std::fs::read(dir.path().join(LAST)).unwrap(), bytes, "nothing was changed");
                assert_eq!(cut_files(dir.path()), 0);
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_mark_is_rewritten_if_the_state_proves_the_end() {
    for (harm, bytes) in [("gone", None), ("empty", Some(0)), ("half", Some(4096)), ("short", Some(4100))] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 3).await;
        let path = dir.path().join("mark");
        match bytes {
            None => std::fs::remove_file(&path).unwrap(),
            Some(length) => {
                std::fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            }
        }
        let (store, opened) = open(dir.path());
        assert!(opened.marked_anew && opened.rebuilt.is_none(), "{harm}");
        assert!(has(&store, 2), "{harm}");
        drop(store);
        let (_, opened) = open(dir.path());
        assert!(!opened.marked_anew, "{harm}");
        assert_eq!(proofd::store::head(dir.path()).unwrap().sequence, 3, "{harm}");
    }
}

/// A model of one segment on a disk. After a failed sync, written data is marked clean in memory, is not on the disk,
/// and no later sync writes it.
#[derive(Debug, Default)]
struct Disk {
    dirty: Vec<(u64, u64)>,
    durable: Vec<(u64, u64)>,
    fails: bool,
}

impl Disk {
    fn act(&mut self, act: Act) -> io::Result<()> {
        match act {
            Act::Write { segment: 1, at, bytes } => self.dirty.push((at, at + bytes)),
            Act::Sync { segment: 1 } if self.fails => {
                self.dirty.clear();
                return Err(io::Error::other("the disk failed"));
            }
            Act::Sync { segment: 1 } => self.durable.append(&mut self.dirty),
            Act::Write { .. } | Act::Sync { .. } | Act::Mark | Act::Exchange | Act::Rewrite { .. } => {}
        }
        Ok(())
    }

    /// The first byte from `start` that a power cut would lose.
    fn hole(&self, start: u64) -> u64 {
        let mut sorted = self.durable.clone();
        sorted.sort_unstable();
        sorted
            .iter()
            .fold(start, |reached, (from, to)| if *from <= reached { reached.max(*to) } else { reached })
    }
}

#[tokio::test]
async fn the_end_is_synced_again_after_a_failed_sync() {
    // With the existing mark, with a missing mark, and with a second failure during the repair.
    for mark in ["kept", "gone", "again"] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Mutex::new(Disk::default()));
        let hook = Arc::clone(&disk);
        let options = Options {
            failure: Arc::new(|_| {}),
            fault: Some(Arc::new(move |act| hook.lock().unwrap().act(act))),
            ..options()
        };
        let (store, _) = Store::open_with(dir.path(), at(0), options.clone()).unwrap();
        let head = std::fs::metadata(dir.path().join(LAST)).unwrap().len();
        store.commit(changed(case("c0", 0))).await.unwrap();
        disk.lock().unwrap().fails = true;
        assert!(store.commit(changed(case("c1", 0))).await.is_err());
        drop(store);
        let length = std::fs::metadata(dir.path().join(LAST)).unwrap().len();
        assert!(disk.lock().unwrap().hole(head) < length, "the second frame is only pretended");
        if mark == "gone" {
            std::fs::remove_file(dir.path().join("mark")).unwrap();
        }
        if mark == "again" {
            assert!(Store::open_with(dir.path(), at(0), options.clone()).is_err(), "it does not go on");
        }
        disk.lock().unwrap().fails = false;
        let (store, opened) = Store::open_with(dir.path(), at(0), options).unwrap();
        assert_eq!((opened.records, opened.cut_bytes), (2, 0), "{mark}");
        assert_eq!(disk.lock().unwrap().hole(head), length, "{mark}: all of it before the first append");
        store.commit(changed(case("c2", 0))).await.unwrap();
        store.close().await.unwrap();
        let length = std::fs::metadata(dir.path().join(LAST)).unwrap().len();
        assert_eq!(disk.lock().unwrap().hole(head), length, "{mark}");
        drop(store);
        assert_sound(dir.path());
    }
}

#[tokio::test]
async fn the_end_is_not_written_anew_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3).await;
    let wrote = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&wrote);
    let fault = move |act| {
        hook.fetch_or(matches!(act, Act::Write { .. }), Ordering::Relaxed);
        Ok(())
    };
    let options = Options { fault: Some(Arc::new(fault)), ..options() };
    let (_store, opened) = Store::open_with(dir.path(), at(0), options).unwrap();
    assert_eq!(opened, proofd::store::Opened { records: 3, ..Default::default() });
    assert!(!wrote.load(Ordering::Relaxed));
}
