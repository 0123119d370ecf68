//! A journal with damage in the middle: the cases that it touches are quarantined, exactly those, and the rest
//! goes on.

use std::path::Path;

use crate::support::{LAST, assert_sound, at, case, changed, copy, filled, has, open, options, segmented};
use proofd::case::State;
use proofd::model::CaseId;
use proofd::store::{self, Error, Salvaged, Store};

fn names(cases: &[CaseId]) -> Vec<&str> {
    cases.iter().map(CaseId::as_str).collect()
}

fn remove_state(dir: &Path) {
    std::fs::remove_dir_all(dir.join("state")).unwrap();
}

/// A closed store in which each case's frame is read without the others. Gives where each begins.
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

/// Salvages, and checks what holds after every salvage.
async fn salvaged(dir: &Path, cases: usize, touched: &[&str], what: &str) -> Salvaged {
    let journal = std::fs::read(dir.join(LAST)).unwrap();
    assert!(Store::open_with(dir, at(0), options()).is_err(), "{what}: it opened");
    let dry = store::salvage(dir, at(50), "test", true).unwrap();
    assert_eq!(names(&dry.quarantined), touched, "{what}");
    assert_eq!(std::fs::read(dir.join(LAST)).unwrap(), journal, "{what}: a dry run changes nothing");
    assert!(Store::open_with(dir, at(0), options()).is_err(), "{what}: it opened");

    let done = store::salvage(dir, at(50), "test", false).unwrap();
    assert_eq!(
        (names(&done.quarantined), names(&done.cases)),
        (touched.to_vec(), touched.to_vec()),
        "{what}"
    );
    assert_eq!(std::fs::read(done.aside.as_ref().unwrap().join("000001.log")).unwrap(), journal, "{what}");
    for rebuilt in [false, true] {
        if rebuilt {
            remove_state(dir);
        }
        let (store, opened) = open(dir);
        assert_eq!(opened.accepted_losses, 1, "{what}");
        for number in 0..cases {
            let id = CaseId(format!("c{number}"));
            let Some(case) = store.case(&id).unwrap() else { continue };
            let stuck = matches!(case.state, State::Stuck(_));
            assert_eq!(stuck, touched.contains(&id.as_str()), "{what}: {id}");
            assert!(!stuck || (case.wake_at().is_none() && case.calls.is_empty()), "{what}: {id}");
        }
        assert_eq!(names(&store.losses().unwrap()[0].cases), touched, "{what}");
        store.commit(changed(case("after", 0))).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        assert_sound(dir);
    }
    let again = store::salvage(dir, at(50), "test", false);
    assert!(matches!(again, Err(Error::NothingLost)), "{what}: {again:?}");
    done
}

#[tokio::test]
async fn one_flipped_bit_is_turned_back_and_only_its_cases_are_quarantined() {
    let origin = tempfile::tempdir().unwrap();
    let offsets = filled(origin.path(), 4).await;
    let whole = std::fs::read(origin.path().join(LAST)).unwrap();
    // In every field of a frame's head, in its records, and in the last frame.
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
            let (touched, what) = (format!("c{number}"), format!("flipped at {place}"));
            let done = salvaged(dir.path(), 4, &[&touched], &what).await;
            let record = number as u64 + 1;
            assert_eq!((done.mended, done.records), (vec![(record, record)], vec![]), "{what}");
            assert!(done.complete, "{what}");
            let (store, _) = open(dir.path());
            assert!((0..4).all(|number| has(&store, number)), "{what}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_mended_is_taken_from_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = apart(dir.path(), 4).await;
    let mut bytes = std::fs::read(dir.path().join(LAST)).unwrap();
    bytes[offsets[1] + 50..offsets[1] + 60].fill(0x55);
    std::fs::write(dir.path().join(LAST), &bytes).unwrap();
    let done = salvaged(dir.path(), 4, &["c1"], "overwritten").await;
    assert_eq!((done.records, done.complete), (vec![(2, 2)], true));
    let (store, _) = open(dir.path());
    assert!((0..4).all(|number| has(&store, number)));
}

#[tokio::test]
async fn without_the_state_whoever_may_be_touched_is_quarantined() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = apart(dir.path(), 4).await;
    let mut bytes = std::fs::read(dir.path().join(LAST)).unwrap();
    bytes[offsets[1] + 50..offsets[1] + 60].fill(0x55);
    std::fs::write(dir.path().join(LAST), &bytes).unwrap();
    remove_state(dir.path());
    // The first case has no record since; the second one is unknown.
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
async fn a_damaged_end_that_was_acknowledged_is_salvaged() {
    let dir = tempfile::tempdir().unwrap();
    let offsets = apart(dir.path(), 4).await;
    let mut bytes = std::fs::read(dir.path().join(LAST)).unwrap();
    bytes[offsets[3] + 50..offsets[3] + 60].fill(0x55);
    std::fs::write(dir.path().join(LAST), &bytes).unwrap();
    let done = salvaged(dir.path(), 4, &["c3"], "the end").await;
    assert_eq!((done.records, done.complete), (vec![(4, 4)], true));
}
