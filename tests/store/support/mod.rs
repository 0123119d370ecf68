//! Cases, events and stores for the tests of the store.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use proofd::case::{Case, Entry, Note, Pending, Purpose, State};
use proofd::model::{
    Action, CaseId, Event, EventType, Fields, IdentityChange, Origin, Snapshot, Subject, SubjectKind,
    SubjectRef, Timestamp,
};
use proofd::policy::Revision;
use proofd::policy::tree::StepIndex;
use proofd::store::{Changed, Commit, Error, Opened, Options, Store};

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(1_800_000_000 + seconds)
}

pub fn subject(id: &str) -> SubjectRef {
    SubjectRef { source: String::new(), kind: SubjectKind::Registration, id: id.to_owned() }
}

pub fn case(id: &str, opened: i64) -> Case {
    Case {
        id: CaseId(id.to_owned()),
        policy: "self-registration".to_owned(),
        revision: Revision("0".repeat(24)),
        key: format!("key-{id}"),
        subject: Subject {
            source: String::new(),
            kind: SubjectKind::Registration,
            id: format!("r-{id}"),
            fields: Fields::new(),
        },
        event: None,
        opened_at: at(opened),
        state: State::Calling { step: StepIndex(0), call: 1 },
        steps: Fields::new(),
        calls: BTreeMap::new(),
        next_call: 1,
        next_entry: 1,
        retries: BTreeMap::from([(StepIndex(2), 1)]),
        attempts: 0,
        links: 0,
        contests: 0,
        pending_adverse: None,
        settled: Vec::new(),
        sessions: BTreeMap::new(),
        result: None,
        closed_at: None,
        seen: None,
        seen_at: None,
        holds: Vec::new(),
        acting: None,
        compared: BTreeMap::new(),
        released: None,
        refusals: 0,
        echoes: Vec::new(),
        stretch: None,
        redacted: None,
    }
}

pub fn closed(id: &str, opened: i64) -> Case {
    Case { state: State::Closed, result: Some("approved".to_owned()), ..case(id, opened) }
}

pub fn pending(due: i64) -> Pending {
    let snapshot = Snapshot {
        subject: subject("1"),
        user_id: None,
        profile_id: None,
        email: None,
        created_at: None,
        compared: BTreeMap::new(),
    };
    Pending {
        action: Action::change(snapshot, IdentityChange::Approve),
        purpose: Purpose::Step,
        due: at(due),
        attempt: 0,
        begun: None,
        in_doubt: false,
        asked_at: at(0),
        forgiven: 0,
        outages: 0,
        last_failure: None,
    }
}

pub fn entry(number: u64) -> Entry {
    Entry { number, at: at(0), step: None, note: Note::StepBegan { verb: "verify".to_owned() } }
}

pub fn event(key: &str, time: i64) -> Event {
    Event {
        key: key.to_owned(),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new(EventType::REGISTRATION_CREATED),
        also: Vec::new(),
        source: "onelogin".to_owned(),
        time: at(time),
        subject: subject(key),
        actor: None,
        actor_id: None,
        by_subject: false,
        origin: Origin::Unknown,
        ip: None,
        fields: Fields::new(),
    }
}

pub fn changed(case: Case) -> Commit {
    Commit {
        cases: vec![Changed {
            case,
            entries: vec![entry(0)],
            effects: Vec::new(),
            at: at(0),
            recorded: None,
        }],
        ..Commit::default()
    }
}

/// A commit that opens a case.
pub fn opens(case: Case) -> Commit {
    let mut commit = changed(case);
    for entry in commit.cases.iter_mut().flat_map(|changed| &mut changed.entries) {
        entry.note = Note::Opened { by: "test".to_owned() };
    }
    commit
}

pub fn received(events: impl IntoIterator<Item = Event>) -> Commit {
    Commit { received: events.into_iter().collect(), ..Commit::default() }
}

pub fn options() -> Options {
    Options { reserve_bytes: 64 << 10, ..Options::default() }
}

pub fn open(dir: &Path) -> (Store, Opened) {
    unlocked(|| Store::open_with(dir, at(0), options())).expect("the store opens")
}

/// Retries while a child process of another test still holds the inherited locks, before it executes its program.
pub fn unlocked<T>(attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let began = std::time::Instant::now();
    loop {
        match attempt() {
            Err(Error::Locked(_)) if began.elapsed() < Duration::from_secs(10) => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

/// Asserts that journal and state are consistent.
pub fn assert_sound(dir: &Path) {
    let report = unlocked(|| proofd::store::verify(dir)).expect("the store can be verified");
    assert_eq!(report.different, 0, "{:?}", report.differences);
    assert_eq!(report.applied, report.records);
}

pub const LAST: &str = "journal/000001.log";

/// A closed store with `cases` cases, each in a frame of its own. Returns the offsets of the frames and the end.
pub async fn filled(dir: &Path, cases: usize) -> Vec<usize> {
    let (store, _) = open(dir);
    let mut offsets = Vec::new();
    for number in 0..cases {
        offsets.push(usize::try_from(std::fs::metadata(dir.join(LAST)).unwrap().len()).unwrap());
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
    }
    store.close().await.unwrap();
    offsets.push(usize::try_from(std::fs::metadata(dir.join(LAST)).unwrap().len()).unwrap());
    offsets
}

/// A closed store with `cases` cases, over segments of one or two frames.
pub async fn segmented(dir: &Path, cases: usize) {
    let options = Options { segment_bytes: 200, ..options() };
    let (store, _) = Store::open_with(dir, at(0), options).unwrap();
    for number in 0..cases {
        store.commit(changed(case(&format!("c{number}"), 0))).await.unwrap();
    }
    store.close().await.unwrap();
}

pub fn copy(from: &Path, to: &Path) {
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

pub fn has(store: &Store, number: usize) -> bool {
    store.case(&CaseId(format!("c{number}"))).unwrap().is_some()
}

/// Replaces a file or directory with another one.
pub fn put_back(from: &Path, to: &Path) {
    if to.is_dir() {
        std::fs::remove_dir_all(to).unwrap();
        copy(from, to);
    } else {
        std::fs::copy(from, to).unwrap();
    }
}
