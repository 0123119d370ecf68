//! A store with lost data does not start: every way to lose a part of it, the message, and the steps to continue.

use std::path::Path;

use crate::support::{
    LAST, assert_sound, at, case, changed, copy, filled, has, open, options, put_back, segmented, unlocked,
};
use proofd::store::{self, Error, Store};

/// A change to a store with three cases in `000001.log`. The second directory is the same store with two cases, the
/// third is another store.
type Harm = fn(&Path, &Path, &Path);

fn remove(dir: &Path, name: &str) {
    let path = dir.join(name);
    if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
}

/// Cuts the journal at the start of its third frame, which is its end in the older copy.
fn cut_whole_frame(dir: &Path, older: &Path) {
    let length = std::fs::metadata(older.join(LAST)).unwrap().len();
    std::fs::File::options().write(true).open(dir.join(LAST)).unwrap().set_len(length).unwrap();
}

/// Name, harm, words of the message, the first and the last lost record.
type Way = (&'static str, Harm, &'static [&'static str], (Option<u64>, Option<u64>));

const WAYS: &[Way] = &[
    (
        "a segment removed",
        |dir, _, _| remove(dir, LAST),
        &[
            "the journal",
            "is missing or empty",
            "holds record 3",
            "high-water mark of 2027-01-15 08:00:00 UTC",
        ],
        (Some(1), Some(3)),
    ),
    (
        "the journal removed",
        |dir, _, _| remove(dir, "journal"),
        &["is missing or empty", "holds record 3"],
        (Some(1), Some(3)),
    ),
    (
        "journal and state removed",
        |dir, _, _| ["journal", "state"].iter().for_each(|name| remove(dir, name)),
        &["is missing or empty", "holds record 3"],
        (Some(1), Some(3)),
    ),
    (
        "journal, state and mark removed",
        |dir, _, _| ["journal", "state", "mark"].iter().for_each(|name| remove(dir, name)),
        &["is missing or empty", "mark is missing", "no state proves"],
        (Some(1), None),
    ),
    (
        "everything but the secret removed",
        |dir, _, _| {
            for entry in std::fs::read_dir(dir).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name != "secret" {
                    remove(dir, &name);
                }
            }
        },
        &["is missing or empty", "mark is missing"],
        (Some(1), None),
    ),
    (
        "everything but the state removed",
        |dir, _, _| ["journal", "secret", "mark"].iter().for_each(|name| remove(dir, name)),
        &["is missing or empty", "the state has record 3"],
        (Some(1), Some(3)),
    ),
    (
        "everything but the mark removed",
        |dir, _, _| {
            ["journal", "secret", "state", "state.ok", "reserve"].iter().for_each(|name| remove(dir, name));
        },
        &["is missing or empty", "mark of 2027-01-15 08:00:00 UTC holds record 3"],
        (Some(1), Some(3)),
    ),
    (
        "journal and mark removed",
        |dir, _, _| ["journal", "mark"].iter().for_each(|name| remove(dir, name)),
        &["is missing or empty", "the state has record 3"],
        (Some(1), Some(3)),
    ),
    (
        "a frame cut off",
        |dir, older, _| cut_whole_frame(dir, older),
        &["ends at record 2", "holds record 3", "record 3 is lost", "of 2027-01-15 08:00:00 UTC"],
        (Some(3), Some(3)),
    ),
    (
        "a frame cut off, without the state",
        |dir, older, _| {
            cut_whole_frame(dir, older);
            remove(dir, "state");
        },
        &["ends at record 2", "high-water mark", "holds record 3"],
        (Some(3), Some(3)),
    ),
    (
        "a frame cut off, without the mark",
        |dir, older, _| {
            cut_whole_frame(dir, older);
            remove(dir, "mark");
        },
        &["ends at record 2", "the state has record 3"],
        (Some(3), Some(3)),
    ),
    (
        "a frame cut off, with an emptied mark",
        |dir, older, _| {
            cut_whole_frame(dir, older);
            std::fs::write(dir.join("mark"), b"").unwrap();
        },
        &["the state has record 3"],
        (Some(3), Some(3)),
    ),
    (
        "an older copy of the journal",
        |dir, older, _| put_back(&older.join("journal"), &dir.join("journal")),
        &["ends at record 2", "holds record 3"],
        (Some(3), Some(3)),
    ),
    (
        "an older copy of journal and mark",
        |dir, older, _| {
            ["journal", "mark"].iter().for_each(|name| put_back(&older.join(name), &dir.join(name)));
        },
        &["ends at record 2", "the state has record 3"],
        (Some(3), Some(3)),
    ),
    (
        "the journal of another store",
        |dir, _, other| put_back(&other.join("journal"), &dir.join("journal")),
        &["was not written by this store", "record 3"],
        (None, None),
    ),
    (
        "the journal of another store, without the mark",
        |dir, _, other| {
            put_back(&other.join("journal"), &dir.join("journal"));
            remove(dir, "mark");
        },
        &["the high-water mark is missing", "no state proves"],
        (Some(5), None),
    ),
    (
        "mark and state removed",
        |dir, _, _| ["mark", "state"].iter().for_each(|name| remove(dir, name)),
        &["the high-water mark is missing", "no state proves its end"],
        (Some(4), None),
    ),
    (
        "mark damaged and state suspect",
        |dir, _, _| {
            std::fs::write(dir.join("mark"), [0x5A; 8192]).unwrap();
            std::fs::write(dir.join("state.suspect"), "test").unwrap();
        },
        &["the high-water mark is damaged", "no state proves its end"],
        (Some(4), None),
    ),
    (
        "a torn end without a mark",
        |dir, _, _| {
            use std::io::Write as _;
            let mut file = std::fs::File::options().append(true).open(dir.join(LAST)).unwrap();
            file.write_all(b"PfF1torn").unwrap();
            remove(dir, "mark");
        },
        &["damaged at byte", "with record 4", "mark is missing"],
        (Some(4), None),
    ),
    (
        "the secret removed",
        |dir, _, _| remove(dir, "secret"),
        &["secret is missing", "every link that was sent depends on it"],
        (None, None),
    ),
];

/// The store, its state one record earlier, and another store.
async fn stores() -> [tempfile::TempDir; 3] {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    filled(dirs[1].path(), 2).await;
    copy(dirs[1].path(), dirs[0].path());
    let (store, _) = open(dirs[0].path());
    store.commit(changed(case("c2", 0))).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    filled(dirs[2].path(), 4).await;
    dirs
}

fn files(dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        files.push(entry.unwrap().file_name().into_string().unwrap());
    }
    files.retain(|name| name != "lock" && name != "state");
    files.sort();
    files
}

#[tokio::test]
async fn each_loss_is_refused_until_a_person_accepts_it() {
    let [origin, older, other] = stores().await;
    for (name, harm, words, lost) in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        copy(origin.path(), dir);
        harm(dir, older.path(), other.path());
        let before = files(dir);
        // Twice: after a refusal, the next start must refuse as well.
        for _ in 0..2 {
            let Err(Error::Lost(loss)) = unlocked(|| Store::open_with(dir, at(50), options())) else {
                panic!("{name}: it opened")
            };
            let text = Error::Lost(loss.clone()).to_string();
            for word in words.iter().chain(&["proofd store accept-loss --reason"]) {
                assert!(text.contains(word), "{name}: `{word}` is not in: {text}");
            }
            assert_eq!((loss.from, loss.to), *lost, "{name}");
        }
        assert_eq!(files(dir), before, "{name}");
        let report = unlocked(|| store::verify(dir)).unwrap();
        assert!(report.lost.is_some(), "{name}");

        let left = report.records;
        let accepted = unlocked(|| store::accept_loss(dir, at(100), "the disk died")).unwrap();
        assert_eq!((accepted.loss.from, accepted.loss.to), *lost, "{name}");
        let (store, opened) = open(dir);
        assert_eq!((opened.records, opened.accepted_losses), (left + 1, 1), "{name}");
        assert_eq!(store.losses().unwrap(), std::slice::from_ref(&accepted), "{name}");
        assert!((0..3).all(|number| has(&store, number) == ((number as u64) < left)), "{name}");
        store.commit(changed(case("after", 0))).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        assert_sound(dir);
        // The loss is permanent, even if the state is rebuilt once more.
        remove(dir, "state");
        let (_, opened) = open(dir);
        assert_eq!(opened.accepted_losses, 1, "{name}");
        assert_eq!(store::head(dir).unwrap().accepted_losses, 1, "{name}");
        assert_eq!(unlocked(|| store::verify(dir)).unwrap().accepted_losses, [accepted], "{name}");
        let again = unlocked(|| store::accept_loss(dir, at(100), "again"));
        assert!(matches!(again, Err(Error::NothingLost)), "{name}");
    }
}

#[tokio::test]
async fn a_removed_segment_is_refused_wherever_it_was() {
    let origin = tempfile::tempdir().unwrap();
    segmented(origin.path(), 6).await;
    let mut segments: Vec<_> = std::fs::read_dir(origin.path().join("journal")).unwrap().collect();
    segments.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
    assert!(segments.len() > 3);
    for segment in &segments {
        let name = segment.as_ref().unwrap().file_name();
        for keep_state in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            copy(origin.path(), dir.path());
            std::fs::remove_file(dir.path().join("journal").join(&name)).unwrap();
            if !keep_state {
                remove(dir.path(), "state");
            }
            let error = unlocked(|| Store::open_with(dir.path(), at(0), options())).unwrap_err();
            assert!(matches!(error, Error::Lost(_) | Error::Damaged(_)), "{name:?}: {error}");
            assert!(error.to_string().contains("record"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_interrupted_creation_of_a_store_is_completed() {
    // The files after a crash at each step of creating a store.
    let made = tempfile::tempdir().unwrap();
    drop(open(made.path()));
    for kept in [&[][..], &["journal"], &["journal", "mark"], &["journal", "mark", "secret"]] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("journal")).unwrap();
        std::fs::write(dir.path().join("secret.tmp"), b"half").unwrap();
        for name in kept {
            put_back(&made.path().join(name), &dir.path().join(name));
        }
        let (store, opened) = open(dir.path());
        assert_eq!((opened.new, opened.marked_anew), (!kept.contains(&"secret"), false), "{kept:?}");
        store.commit(changed(case("c0", 0))).await.unwrap();
        drop(store);
        assert!(!open(dir.path()).1.new);
        assert_sound(dir.path());
    }
}

#[tokio::test]
async fn a_saved_head_is_verified_against_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let mut heads = Vec::new();
    for number in 0..4 {
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
        // Works while the store is open, too.
        let head = store::head(dir.path()).unwrap();
        assert_eq!((head.sequence, head.at), (number + 1, Some(at(0))));
        heads.push(format!("{}:{}", head.sequence, head.hash).parse::<store::Head>().unwrap());
    }
    store.close().await.unwrap();
    drop(store);
    for head in heads {
        assert!(store::holds(dir.path(), head).unwrap());
        assert!(!store::holds(dir.path(), store::Head { sequence: head.sequence + 1, ..head }).unwrap());
    }
    for wrong in
        ["", "7", "x:00", "1:zz", "1:0123456789abcdef0123456789abcde", "1:é123456789abcdef0123456789abcde"]
    {
        assert!(wrong.parse::<store::Head>().is_err(), "{wrong}");
    }
}
