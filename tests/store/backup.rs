//! Backups of an open and of a closed store, and stores made of them.

use std::path::{Path, PathBuf};

use proofd::case::{Case, State, Stuck};
use proofd::model::CaseId;
use proofd::policy::tree::StepIndex;
use proofd::store::{self, Error, Head, Options, Store};

use crate::disk::Disk;
use crate::support::{
    assert_sound, at, case, changed, closed, copy, event, has, open, options, pending, put_back, received,
    segmented, unlocked,
};

/// Small segments: a backup has many.
fn small() -> Options {
    Options { segment_bytes: 600, ..options() }
}

fn open_small(dir: &Path) -> Store {
    unlocked(|| Store::open_with(dir, at(0), small())).expect("the store opens").0
}

/// The files of a backup's segments, with their content.
fn files(backup: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(backup.join("segments")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, words: &[&str]) {
    let text = outcome.expect_err(words[0]).to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
}

/// The records of a store's journal, as lines of an export without the first line and the end.
pub fn records(store: &Path) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("records");
    store::export(store, &file, at(0), false).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

fn head(store: &Path) -> Head {
    let head = store::head(store).unwrap();
    format!("{}:{}", head.sequence, head.hash).parse().unwrap()
}

/// Restores without a loss and compares with the first records of a store.
fn restores(backup: &Path, head: Head, all: &[String]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("store");
    let done = store::restore(backup, &place, at(9), "", Some(head)).unwrap();
    assert!(done.complete && done.head == head && done.calls == 0);
    let records = records(&place);
    assert_eq!(records, all[..usize::try_from(head.sequence).unwrap()]);
    let (store, opened) = open(&place);
    assert_eq!((opened.records, opened.accepted_losses, opened.new), (head.sequence, 0, false));
    drop(store);
    assert_sound(&place);
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_store_has_every_acknowledged_commit_and_the_next_copies_only_what_is_new() {
    let (dir, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (dir, backup) = (dir.path(), backups.path().join("backup"));
    let store = open_small(dir);
    let (mut heads, mut before) = (Vec::new(), 0);
    for round in 0..4 {
        for number in 0..25 {
            store.commit(changed(case(&format!("c{}", round * 25 + number), 0))).await.unwrap();
        }
        // Commits go on during the backup.
        let during = store.clone();
        let writer = tokio::spawn(async move {
            for number in 0..50 {
                during.commit_durable(received([event(&format!("e{round}-{number}"), 0)])).await.unwrap();
            }
        });
        let done = store::backup(dir, &backup, at(round)).unwrap();
        writer.await.unwrap();
        assert!(done.head.sequence >= u64::try_from(round * 75 + 25).unwrap());
        assert!(done.bytes >= before + done.copied_bytes, "only what is new is copied");
        assert_eq!(done.replaced, 0);
        let whole = store::verify_backup(&backup).unwrap();
        assert_eq!((whole.head, whole.taken, whole.bytes), (done.head, at(round), done.bytes));
        let kept = backups.path().join(format!("kept-{round}"));
        copy(&backup, &kept);
        heads.push((kept, done.head));
        before = done.bytes;
    }
    let done = store::backup(dir, &backup, at(5)).unwrap();
    assert!(done.segments > 5, "{done:?}");
    let again = store::backup(dir, &backup, at(6)).unwrap();
    assert_eq!((again.copied_bytes, again.head), (0, done.head));
    drop(store);
    let closed = store::backup(dir, &backup, at(7)).unwrap();
    assert_eq!((closed.copied_bytes, closed.head), (0, head(dir)));
    assert_eq!(store::head(dir).unwrap().sequence, done.head.sequence);
    let all = records(dir);
    assert_eq!(all.len(), 300);
    for (kept, head) in heads.into_iter().chain([(backup.clone(), closed.head)]) {
        drop(restores(&kept, head, &all));
    }
    #[cfg(unix)]
    for (path, _) in files(&backup) {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// A store, a backup of it, and the rest of the journal that came later.
async fn older() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (origin, backup) = (dir.path().join("store"), dir.path().join("backup"));
    let store = open_small(&origin);
    for number in 0..30 {
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
    }
    drop(store);
    store::backup(&origin, &backup, at(0)).unwrap();
    let store = open_small(&origin);
    for number in 30..60 {
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
    }
    drop(store);
    (dir, origin, backup)
}

#[tokio::test]
async fn a_changed_truncated_or_newer_backup_is_refused_and_restores_to_nothing() {
    let (dir, origin, whole) = older().await;
    /// What is done to a backup, how, and a part of the error.
    type Harm = (&'static str, fn(&Path), &'static str);
    let harms: [Harm; 9] = [
        ("a flipped bit", |backup| flip(&backup.join("segments/000003.log")), "was changed"),
        ("a cut segment", |backup| cut(&backup.join("segments/000003.log")), "is truncated"),
        ("a cut end", |backup| cut(&files(backup).pop().unwrap().0), "is truncated"),
        (
            "a missing segment",
            |backup| std::fs::remove_file(backup.join("segments/000002.log")).unwrap(),
            "is missing",
        ),
        (
            "no manifest",
            |backup| std::fs::remove_file(backup.join("backup.json")).unwrap(),
            "holds no backup",
        ),
        ("a changed manifest", |backup| edit(backup, "\"program\":\"", "\"program\":\"9"), "is damaged"),
        ("a cut manifest", |backup| cut(&backup.join("backup.json")), "is damaged"),
        ("a newer format", |backup| edit(backup, "\"proofd_backup\":1", "\"proofd_backup\":2"), "format 2"),
        ("another secret", |backup| flip(&backup.join("secret")), "secret is missing or was changed"),
    ];
    for (what, harm, says) in harms {
        let (backup, place) = (dir.path().join("harmed"), dir.path().join("place"));
        copy(&whole, &backup);
        harm(&backup);
        refused(store::verify_backup(&backup), &[says]);
        refused(store::restore(&backup, &place, at(1), "test", None), &[says]);
        assert!(!place.exists() && !dir.path().join(".place.restoring").exists(), "{what}");
        std::fs::remove_dir_all(&backup).unwrap();
    }
    // The backup that was harmed in the middle is not made whole by a run that has nothing to copy there.
    flip(&whole.join("segments/000002.log"));
    store::backup(&origin, &whole, at(1)).unwrap();
    refused(store::verify_backup(&whole), &["was changed"]);
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 3]).unwrap();
}

fn edit(backup: &Path, from: &str, to: &str) {
    let path = backup.join("backup.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_backup_of_another_store_or_another_history_is_not_touched() {
    let (dir, origin, backup) = older().await;
    let before = files(&backup);
    let other = dir.path().join("other");
    segmented(&other, 40).await;
    refused(store::backup(&other, &backup, at(1)), &["another store", "nothing was changed"]);
    // The same secret, but the records of the backup are not there.
    let shorter = dir.path().join("shorter");
    segmented(&shorter, 3).await;
    put_back(&origin.join("secret"), &shorter.join("secret"));
    refused(
        store::backup(&shorter, &backup, at(1)),
        &["another store", "does not contain the backup's head"],
    );
    assert_eq!(files(&backup), before);
    store::verify_backup(&backup).unwrap();

    // Directories that are no backup.
    let foreign = dir.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("holiday.jpg"), "x").unwrap();
    refused(store::backup(&origin, &foreign, at(1)), &["holiday.jpg", "is no backup"]);
    refused(store::backup(&origin, &origin, at(1)), &["inside of the store"]);
    refused(store::backup(&origin, &origin.join("backup"), at(1)), &["inside of the store"]);
    let missing = dir.path().join("missing");
    refused(store::backup(&missing, &missing.join("backup"), at(1)), &["high-water mark", "is missing"]);
    assert!(!missing.exists());
    for there in [&origin, &foreign] {
        refused(
            store::restore(&backup, there, at(1), "test", None),
            &["is not empty", "nothing was changed"],
        );
    }
    assert_sound(&origin);
}

#[tokio::test]
async fn an_interrupted_run_leaves_the_earlier_backup_and_the_next_one_completes_it() {
    let (dir, origin, backup) = older().await;
    let earlier = store::verify_backup(&backup).unwrap();
    // Every state between the runs: the last segment has grown, others are there, the manifest is the earlier one.
    let manifest = std::fs::read(backup.join("backup.json")).unwrap();
    let later = store::backup(&origin, &backup, at(1)).unwrap();
    std::fs::write(backup.join("backup.json"), &manifest).unwrap();
    std::fs::write(backup.join("segments/000099.log"), "half a segment").unwrap();
    std::fs::write(backup.join("backup.tmp"), "half a manifest").unwrap();
    let found = store::verify_backup(&backup).unwrap();
    assert_eq!(found.head, earlier.head);
    assert!(later.head.sequence > earlier.head.sequence);
    drop(restores(&backup, earlier.head, &records(&origin)));
    let again = store::backup(&origin, &backup, at(2)).unwrap();
    assert_eq!((again.head, again.bytes), (later.head, later.bytes));
    assert!(!backup.join("segments/000099.log").exists());
    drop(restores(&backup, later.head, &records(&origin)));
    // A first run that was interrupted.
    let first = dir.path().join("first");
    std::fs::create_dir_all(first.join("segments")).unwrap();
    std::fs::write(first.join("segments/000001.log"), "half a segment").unwrap();
    store::backup(&origin, &first, at(2)).unwrap();
    drop(restores(&first, later.head, &records(&origin)));
}

#[tokio::test]
async fn a_rewritten_segment_replaces_its_copy_in_the_backup() {
    let (dir, origin, backup) = older().await;
    let whole = store::backup(&origin, &backup, at(0)).unwrap();
    // Renamed over itself, as a redaction that changed nothing.
    let segment = origin.join("journal/000003.log");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(dir.path().join("beside"), &bytes).unwrap();
    std::fs::rename(dir.path().join("beside"), &segment).unwrap();
    let same = store::backup(&origin, &backup, at(1)).unwrap();
    assert_eq!((same.copied_bytes, same.replaced), (0, 0));
    // Repaired without its damaged records.
    let mut harmed = bytes.clone();
    harmed[80..90].fill(0x55);
    std::fs::write(&segment, &harmed).unwrap();
    refused(store::backup(&origin, &backup, at(1)), &["store/journal/000003.log is damaged at byte"]);
    assert_eq!(store::verify_backup(&backup).unwrap().head, whole.head, "the good copy stays");
    unlocked(|| store::salvage(&origin, at(2), "test", false)).unwrap();
    let done = store::backup(&origin, &backup, at(3)).unwrap();
    assert_eq!((done.replaced, done.segments), (1, whole.segments), "{done:?}");
    assert!(files(&backup).iter().all(|(_, content)| *content != bytes));
    assert_eq!(files(&backup).len() as u64, done.segments);
    store::verify_backup(&backup).unwrap();
    let place = dir.path().join("place");
    store::restore(&backup, &place, at(4), "", Some(done.head)).unwrap();
    assert_eq!(records(&place), records(&origin));
    let (_, opened) = open(&place);
    assert_eq!(opened.accepted_losses, 1, "the salvage");
}

#[tokio::test]
async fn a_full_disk_keeps_the_earlier_backup() {
    let Some(disk) = Disk::mount(24) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (origin, backup) = (dir.path().join("store"), disk.at.join("backup"));
    let store = open_small(&origin);
    store.commit(changed(case("c0", 0))).await.unwrap();
    let earlier = store::backup(&origin, &backup, at(0)).unwrap();
    for number in 1..200 {
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
    }
    drop(store);
    let foreign = disk.fill();
    let Err(error) = store::backup(&origin, &backup, at(1)) else { panic!("there is no space") };
    assert!(error.is_no_room(), "{error}");
    assert_eq!(store::verify_backup(&backup).unwrap().head, earlier.head);
    let place = disk.at.join("place");
    let Err(error) = store::restore(&backup, &place, at(1), "test", None) else {
        panic!("there is no space")
    };
    assert!(error.is_no_room() && !place.exists(), "{error}");
    std::fs::remove_file(foreign).unwrap();
    let later = store::backup(&origin, &backup, at(2)).unwrap();
    assert_eq!(later.head.sequence, 200);
    store::verify_backup(&backup).unwrap();
}

/// A case with calls that are due, planned, in progress and parked.
fn busy(id: &str) -> Case {
    let mut case = case(id, 0);
    case.calls = [
        (1, pending(1)),
        (2, pending(1_000_000)),
        (3, proofd::case::Pending { begun: Some(at(1)), attempt: 2, ..pending(1) }),
    ]
    .into();
    case.next_call = 4;
    case
}

fn stuck(id: &str) -> Case {
    let state = State::Stuck(Stuck {
        step: StepIndex(0),
        since: at(0),
        reason: "test".to_owned(),
        call: Some(1),
        parked: vec![(1, pending(1))],
        interrupted: None,
    });
    Case { state, ..case(id, 0) }
}

#[tokio::test]
async fn a_restored_store_knows_that_its_calls_may_have_been_performed_and_reports_the_loss() {
    let dir = tempfile::tempdir().unwrap();
    let (origin, backup) = (dir.path().join("store"), dir.path().join("backup"));
    let (store, _) = open(&origin);
    for case in [busy("busy"), stuck("stuck"), case("idle", 0), closed("closed", 0)] {
        store.commit(changed(case)).await.unwrap();
    }
    let taken = store::backup(&origin, &backup, at(10)).unwrap();
    store.commit(changed(case("later", 0))).await.unwrap();
    drop(store);

    // With the end of the original store, nothing is missing and nothing is in doubt; with a later one it is refused.
    let place = dir.path().join("complete");
    refused(store::restore(&backup, &place, at(20), "", Some(head(&origin))), &["later records are missing"]);
    let done = store::restore(&backup, &place, at(20), "", Some(taken.head)).unwrap();
    assert!(done.complete && done.in_doubt.is_empty());

    // A directory that exists, as systemd creates it, or that is missing.
    for exists in [false, true] {
        let place = dir.path().join(format!("place-{exists}"));
        if exists {
            std::fs::create_dir(&place).unwrap();
            std::fs::create_dir(place.join("restore.scratch")).unwrap();
        }
        let done = store::restore(&backup, &place, at(20), "disk lost", None).unwrap();
        assert_eq!((done.complete, done.from, done.calls), (false, taken.head, 3));
        let names: Vec<_> = done.in_doubt.iter().map(CaseId::as_str).collect();
        assert_eq!(names, ["busy", "stuck"]);
        assert!(!place.join("restore.scratch").exists());
        for rebuilt in [false, true] {
            if rebuilt {
                std::fs::remove_dir_all(place.join("state")).unwrap();
            }
            let (store, opened) = open(&place);
            assert_eq!((opened.records, opened.accepted_losses), (5, 1));
            check_doubt(&store);
            let losses = store.losses().unwrap();
            let [loss] = losses.as_slice() else { panic!("{losses:?}") };
            assert_eq!((loss.reason.as_str(), loss.loss.from, loss.loss.to), ("disk lost", Some(5), None));
            assert_eq!(loss.loss.head, Some(taken.head.to_string()));
            assert!(
                loss.to_owned().loss.to_string().contains("restored from a backup of 2027-01-15 08:00:10")
            );
            assert!(store.case(&CaseId("later".to_owned())).unwrap().is_none());
            store.close().await.unwrap();
            drop(store);
            assert_sound(&place);
        }
        // It is backed up as a store of its own.
        store::backup(&place, &dir.path().join(format!("again-{exists}")), at(30)).unwrap();
    }
}

fn check_doubt(store: &Store) {
    let begun: Vec<_> = store
        .begun_calls()
        .unwrap()
        .into_iter()
        .map(|(case, call, attempt)| (case.0, call, attempt))
        .collect();
    // The due one counts as begun once; the one in progress stays as it was.
    assert_eq!(begun, [("busy".to_owned(), 1, 1), ("busy".to_owned(), 3, 2)]);
    let case = |id: &str| store.case(&CaseId(id.to_owned())).unwrap().unwrap();
    let busy = case("busy");
    assert!(busy.calls[&2].in_doubt && busy.calls[&2].begun.is_none() && busy.calls[&2].due == at(1_000_000));
    let State::Stuck(stuck) = case("stuck").state else { panic!("it is stuck") };
    assert!(stuck.parked[0].1.in_doubt);
    assert_eq!(case("idle"), self::case("idle", 0));
    // Events of the approval since the backup are known as our own.
    assert!(busy.echoes.iter().any(|echo| echo.call == 1 && echo.from == at(10)), "{:?}", busy.echoes);
}

#[tokio::test]
async fn a_store_rolled_back_behind_its_mark_is_refused() {
    let (dir, origin, backup) = older().await;
    let place = dir.path().join("place");
    let restored = store::restore(&backup, &place, at(1), "test", None).unwrap();
    // The journal of the backup under the newer mark, and the restored journal without its last record.
    let under = dir.path().join("under");
    copy(&origin, &under);
    std::fs::remove_dir_all(under.join("journal")).unwrap();
    copy(&place.join("journal"), &under.join("journal"));
    let error = unlocked(|| Store::open_with(&under, at(2), small())).map(drop).expect_err("rolled back");
    assert!(matches!(error, Error::Lost(_)), "{error}");
    let complete = dir.path().join("complete");
    store::restore(&backup, &complete, at(1), "", Some(restored.from)).unwrap();
    let back = dir.path().join("back");
    copy(&place, &back);
    put_back(&complete.join("journal"), &back.join("journal"));
    let error = unlocked(|| Store::open_with(&back, at(2), small())).map(drop).expect_err("rolled back");
    assert!(matches!(error, Error::Lost(_)), "{error}");
    // The restored one opens and goes on.
    let (store, _) = open(&place);
    assert!(has(&store, 29) && !has(&store, 30));
    store.commit(changed(case("c30", 0))).await.unwrap();
    drop(store);
    assert_sound(&place);
}
