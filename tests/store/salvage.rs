//! A journal with damage in the middle: exactly the cases that it touches are quarantined, and the others continue.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{
    LAST, assert_sound, at, case, changed, closed, copy, entry, event, filled, has, open, options, received,
    segmented, unlocked,
};
use proofd::case::{Case, State};
use proofd::model::CaseId;
use proofd::store::{self, Act, Commit, Error, Options, Salvaged, Store};

type Fault = Arc<dyn Fn(Act) -> io::Result<()> + Send + Sync>;

fn names(cases: &[CaseId]) -> Vec<&str> {
    cases.iter().map(CaseId::as_str).collect()
}

fn remove_state(dir: &Path) {
    std::fs::remove_dir_all(dir.join("state")).unwrap();
}

/// A closed store in which each case's frame is readable without the others. Returns the offset of each frame.
async fn apart(dir: &Path, cases: usize) -> Vec<usize> {
    let mut offsets = Vec::new();
    for number in 0..cases {
        let (store, _) = open(dir);
        offsets.push(usize::try_from(std::fs::metadata(dir.join(LAST)).unwrap().len()).unwrap());
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
        store.close().await.unwrap();
    }
    offsets
}

/// Asserts that each case exists, and that exactly the cases in `touched` are stuck, without a timer and a call.
fn check_cases(store: &Store, cases: usize, touched: &[&str], what: &str) {
    for number in 0..cases {
        let id = CaseId(format!("c{number}"));
        let Some(case) = store.case(&id).unwrap() else { continue };
        let stuck = matches!(case.state, State::Stuck(_));
        assert_eq!(stuck, touched.contains(&id.as_str()), "{what}: {id}");
        assert!(!stuck || (case.wake_at().is_none() && case.calls.is_empty()), "{what}: {id}");
    }
}

fn refused(dir: &Path, what: &str) {
    let opened = unlocked(|| Store::open_with(dir, at(0), options()));
    let text = opened.map(|_| ()).expect_err(what).to_string();
    assert!(text.contains("proofd store salvage --dry-run"), "{what}: {text}");
}

fn salvage(dir: &Path, dry_run: bool) -> Result<Salvaged, Error> {
    unlocked(|| store::salvage(dir, at(50), "test", dry_run))
}

/// Overwrites the middle of a frame.
fn overwrite(dir: &Path, frame: usize) {
    let mut bytes = std::fs::read(dir.join(LAST)).unwrap();
    bytes[frame + 50..frame + 60].fill(0x55);
    std::fs::write(dir.join(LAST), &bytes).unwrap();
}

/// Salvages and checks the invariants of a salvage. Without a loss the journal equals the one that was written.
async fn salvaged(dir: &Path, cases: usize, touched: &[&str], what: &str) -> Salvaged {
    let journal = std::fs::read(dir.join(LAST)).unwrap();
    refused(dir, what);
    let dry = salvage(dir, true).unwrap();
    assert_eq!(names(&dry.quarantined), touched, "{what}");
    assert_eq!(std::fs::read(dir.join(LAST)).unwrap(), journal, "{what}: a dry run changes nothing");
    assert_eq!(dry.aside, None, "{what}");
    refused(dir, what);

    let done = salvage(dir, false).unwrap();
    assert_eq!(
        (names(&done.quarantined), names(&done.cases)),
        (touched.to_vec(), touched.to_vec()),
        "{what}"
    );
    let aside = done.aside.as_ref().unwrap();
    assert_eq!(std::fs::read(aside.join("000001.log")).unwrap(), journal, "{what}");
    assert!(!dir.join("salvage.scratch").exists(), "{what}");
    let lost = !done.records.is_empty() || done.doubtful.is_some();
    if done.complete && dir.join("state").exists() {
        assert_sound(dir);
    }
    for rebuilt in [false, true] {
        if rebuilt {
            remove_state(dir);
        }
        let (store, opened) = open(dir);
        assert_eq!(opened.accepted_losses, u64::from(lost), "{what}");
        check_cases(&store, cases, touched, what);
        let losses = store.losses().unwrap();
        assert!(losses.iter().all(|loss| names(&loss.cases) == touched), "{what}: {losses:?}");
        store.commit(changed(case("after", 0))).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        assert_sound(dir);
    }
    let again = salvage(dir, false);
    assert!(matches!(again, Err(Error::NothingDamaged)), "{what}: {again:?}");
    done
}

#[tokio::test]
async fn one_flipped_bit_is_repaired_without_quarantine() {
    let origin = tempfile::tempdir().unwrap();
    let offsets = filled(origin.path(), 4).await;
    let whole = std::fs::read(origin.path().join(LAST)).unwrap();
    // In every field of a frame's header, in its records, in the frame after a damaged one, and in the last frame.
    let places = [0, 3, 5, 9, 11, 15, 30, 40].map(|place| (1, offsets[1] + place)).into_iter();
    let places = places.chain([(0, offsets[0] + 50), (3, offsets[3] + 38), (2, offsets[3] - 1)]);
    for (number, place) in places {
        for keep_state in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            copy(origin.path(), dir.path());
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            std::fs::write(dir.path().join(LAST), &bytes).unwrap();
            if !keep_state {
                remove_state(dir.path());
            }
            let what = format!("flipped at {place}");
            let done = salvaged(dir.path(), 4, &[], &what).await;
            let record = number + 1;
            assert_eq!((done.mended, done.records), (vec![(record, record)], vec![]), "{what}");
            assert!(done.complete && done.doubtful.is_none(), "{what}");
            let repaired = std::fs::read(dir.path().join(LAST)).unwrap();
            assert!(repaired.starts_with(&whole), "{what}: it is not the journal that was written");
            let (store, _) = open(dir.path());
            assert!((0..4).all(|number| has(&store, number)), "{what}");
        }
    }
}

#[tokio::test]
async fn an_unproved_repair_of_the_last_frame_quarantines_its_case() {
    for keep_state in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let offsets = filled(dir.path(), 3).await;
        let mut bytes = std::fs::read(dir.path().join(LAST)).unwrap();
        bytes[offsets[2] + 50] ^= 1;
        std::fs::write(dir.path().join(LAST), &bytes).unwrap();
        std::fs::remove_file(dir.path().join("mark")).unwrap();
        if !keep_state {
            remove_state(dir.path());
        }
        // The state is as good a proof as the mark.
        let touched: &[&str] = if keep_state { &[] } else { &["c2"] };
        let done = salvaged(dir.path(), 3, touched, "the end, without a mark").await;
        assert_eq!(done.doubtful, (!keep_state).then_some((3, 3)));
        let (store, _) = open(dir.path());
        assert!((0..3).all(|number| has(&store, number)));
    }
}

#[tokio::test]
async fn salvage_restores_unreadable_records_from_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = apart(dir.path(), 4).await;
    overwrite(dir.path(), offsets[1]);
    let done = salvaged(dir.path(), 4, &["c1"], "overwritten").await;
    assert_eq!((done.records, done.complete), (vec![(2, 2)], true));
    let (store, _) = open(dir.path());
    assert!((0..4).all(|number| has(&store, number)));
}

#[tokio::test]
async fn salvage_without_a_state_quarantines_all_possibly_affected_cases() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = apart(dir.path(), 4).await;
    overwrite(dir.path(), offsets[1]);
    remove_state(dir.path());
    // The first case has no readable record after the damage; the second one is unknown.
    let done = salvaged(dir.path(), 4, &["c0"], "overwritten, without a state").await;
    assert_eq!((done.records, done.complete), (vec![(2, 2)], false));
    let (store, _) = open(dir.path());
    assert_eq!((0..4).map(|number| has(&store, number)).collect::<Vec<_>>(), [true, false, true, true]);
}

#[tokio::test]
async fn a_missing_segment_and_a_damaged_head_are_salvaged() {
    let dir = tempfile::tempdir().unwrap();
    segmented(dir.path(), 6).await;
    std::fs::remove_file(dir.path().join("journal/000003.log")).unwrap();
    let done = salvaged(dir.path(), 6, &["c2"], "a segment").await;
    assert_eq!((done.records, done.complete), (vec![(3, 3)], true));

    let dir = tempfile::tempdir().unwrap();
    segmented(dir.path(), 6).await;
    let path = dir.path().join("journal/000003.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 2;
    std::fs::write(&path, &bytes).unwrap();
    let done = salvaged(dir.path(), 6, &[], "a head").await;
    assert!(done.complete && done.records.is_empty());
}

#[tokio::test]
async fn salvage_repairs_a_damaged_acknowledged_end() {
    for cut in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let offsets = apart(dir.path(), 4).await;
        let mut bytes = std::fs::read(dir.path().join(LAST)).unwrap();
        bytes[offsets[3] + 50..offsets[3] + 60].fill(0x55);
        bytes.truncate(if cut { offsets[3] } else { bytes.len() });
        std::fs::write(dir.path().join(LAST), &bytes).unwrap();
        let done = salvaged(dir.path(), 4, &["c3"], "the end").await;
        assert_eq!((done.records, done.complete), (vec![(4, 4)], true));
    }
}

/// Commits in a compressed stream of its own.
async fn commit_apart(dir: &Path, commit: Commit) -> usize {
    let (store, _) = open(dir);
    let offset = std::fs::metadata(dir.join(LAST)).unwrap().len();
    store.commit(commit).await.unwrap();
    store.close().await.unwrap();
    usize::try_from(offset).unwrap()
}

/// A commit of a case with `number` entries and its newest entry.
fn later(id: &str, number: u64) -> Commit {
    let mut commit = changed(Case { next_entry: number + 1, ..case(id, 0) });
    for changed in &mut commit.cases {
        changed.entries = vec![entry(number)];
    }
    commit
}

#[tokio::test]
async fn only_cases_with_missing_records_are_quarantined() {
    let origin = tempfile::tempdir().unwrap();
    let dir = origin.path();
    let mut offsets = Vec::new();
    // Case 0 has a record in the damage and one after it. Case 1 is complete after it. Case 2 has no later record.
    // Case 3 is closed before it. The event is received in the damage.
    for commit in [
        later("c0", 1),
        later("c1", 1),
        later("c2", 1),
        changed(Case { next_entry: 2, ..closed("c3", 0) }),
        later("c0", 2),
        received([event("lost", 1)]),
        later("c0", 3),
        later("c1", 2),
    ] {
        offsets.push(commit_apart(dir, commit).await);
    }
    let mut bytes = std::fs::read(dir.join(LAST)).unwrap();
    // A repaired frame after the damage quarantines no case.
    bytes[offsets[7] + 50] ^= 1;
    bytes[offsets[4] + 50..offsets[6] - 5].fill(0x55);
    std::fs::write(dir.join(LAST), &bytes).unwrap();
    for (keep_state, touched, events) in [(true, &["c0"][..], 1), (false, &["c0", "c2"], 0)] {
        let dir = tempfile::tempdir().unwrap();
        copy(origin.path(), dir.path());
        if !keep_state {
            remove_state(dir.path());
        }
        let what = format!("state kept: {keep_state}");
        let done = salvaged(dir.path(), 4, touched, &what).await;
        assert_eq!((done.records, done.mended), (vec![(5, 6)], vec![(8, 8)]), "{what}");
        assert_eq!(done.complete, keep_state, "{what}");
        let (store, _) = open(dir.path());
        assert_eq!(store.inbox(at(1_000), 10).unwrap().0.len(), events, "{what}");
    }
}

#[tokio::test]
async fn a_crash_during_salvage_leaves_the_old_or_the_new_store() {
    let origin = tempfile::tempdir().unwrap();
    let offsets = apart(origin.path(), 4).await;
    overwrite(origin.path(), offsets[1]);
    let bytes = std::fs::read(origin.path().join(LAST)).unwrap();
    let (mut old, mut new, mut ended) = (0, 0, false);
    for fatal in 0.. {
        let dir = tempfile::tempdir().unwrap();
        copy(origin.path(), dir.path());
        let acts = Arc::new(AtomicU32::new(0));
        let fault: Fault = Arc::new(move |_| match acts.fetch_add(1, Ordering::Relaxed) == fatal {
            // Unwinds without running any cleanup.
            true => std::panic::resume_unwind(Box::new("death")),
            false => Ok(()),
        });
        let options = Options { fault: Some(fault), ..options() };
        let attempt = || store::salvage_with(dir.path(), at(50), "test", false, &options);
        let death = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unlocked(attempt)));
        if death.is_ok() {
            ended = true;
            break;
        }
        let copies = [dir.path().join("journal.damaged-1"), dir.path().join("journal")];
        let damaged = |path: &PathBuf| std::fs::read(path.join("000001.log")).is_ok_and(|read| read == bytes);
        assert!(copies.iter().any(damaged), "{fatal}: the damaged journal is gone");
        match unlocked(|| Store::open_with(dir.path(), at(0), crate::support::options())) {
            Ok((store, opened)) => {
                new += 1;
                assert_eq!(opened.accepted_losses, 1, "{fatal}");
                assert!(!dir.path().join("salvage.scratch").exists(), "{fatal}");
                check_cases(&store, 4, &["c1"], "after a death");
                store.close().await.unwrap();
                drop(store);
                assert_sound(dir.path());
            }
            Err(Error::Damaged(_)) => {
                old += 1;
                salvaged(dir.path(), 4, &["c1"], "after a death").await;
            }
            Err(error) => panic!("{fatal}: {error}"),
        }
    }
    assert!(ended && old >= 3 && new >= 2, "old {old}, new {new}");
}

#[tokio::test]
async fn a_second_salvage_keeps_the_quarantine_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut offsets = Vec::new();
    for commit in [later("c0", 1), later("c0", 2), later("c0", 3)] {
        offsets.push(commit_apart(dir.path(), commit).await);
    }
    overwrite(dir.path(), offsets[1]);
    remove_state(dir.path());
    assert_eq!(names(&salvage(dir.path(), false).unwrap().quarantined), ["c0"]);
    // A person retried the case, and it continued; then another record is lost.
    commit_apart(dir.path(), later("c0", 5)).await;
    let lost = commit_apart(dir.path(), later("c1", 1)).await;
    commit_apart(dir.path(), later("c0", 6)).await;
    overwrite(dir.path(), lost);
    remove_state(dir.path());
    let again = salvage(dir.path(), false).unwrap();
    assert_eq!((again.quarantined, again.records), (vec![], vec![(6, 6)]));
    let (store, opened) = open(dir.path());
    assert_eq!((opened.accepted_losses, has(&store, 0), has(&store, 1)), (2, true, false));
}
