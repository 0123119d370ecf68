//! Data of people that is removed on purpose: what goes, what stays, and what an interruption leaves.
use std::collections::BTreeMap;
use std::path::Path;

use proofd::case::{Case, Cause, Facts, Input, Note, Purpose, Recorded};
use proofd::model::{
    Action, Address, CaseId, DocumentUse, Enrolment, Fields, Forgotten, Message, Subject, SubjectRef, Verdict,
};
use proofd::policy::Revision;
use proofd::store::{
    self, About, Answer, Asked, Changed, Commit, Consumed, Enrolled, FirstSeen, Keyed, Options,
    PolicyVerdict, Redact, Store, SweepChange, SweepPart,
};
use serde_json::json;

use crate::support::{assert_sound, at, case, closed, copy, entry, event, open, options, pending, subject};

/// What only this person has, in every place that holds data of people.
fn canaries(id: &str) -> Vec<String> {
    ["name", "mail", "born", "document", "body", "reason", "trace", "link"]
        .map(|what| format!("{what}-of-{id}"))
        .to_vec()
}

fn canary(id: &str, what: &str) -> String {
    format!("{what}-of-{id}")
}

fn fields(id: &str) -> Fields {
    let fields =
        json!({ "last_name": canary(id, "name"), "email": canary(id, "mail"), "born": canary(id, "born") });
    fields.as_object().unwrap().clone()
}

fn person(id: &str) -> Subject {
    let SubjectRef { source, kind, .. } = subject(id);
    Subject { source, kind, id: format!("r-{id}"), fields: fields(id) }
}

fn reference(id: &str) -> SubjectRef {
    person(id).reference()
}

fn mail(id: &str) -> Action {
    let text = canary(id, "body");
    let to = Address { name: Some(canary(id, "name")), email: canary(id, "mail") };
    let (subject, html) = (text.clone(), text.clone());
    let (template, language) = ("invite".to_owned(), "en".to_owned());
    Action::Mail { message: Message { to, subject, text, html, template, language } }
}

fn recorded(id: &str) -> Recorded {
    let mut event = event(&format!("e-{id}"), 0);
    (event.subject, event.fields) = (reference(id), fields(id));
    let shown =
        DocumentUse { document: "f".into(), person: vec![format!("r-{id}")], case: id.into(), at: at(0) };
    let facts = Facts {
        now: at(0),
        over_limit: Default::default(),
        enrolments: BTreeMap::new(),
        documents: vec![shown],
        others: Vec::new(),
        pauses: Vec::new(),
        under: "u".to_owned(),
    };
    Recorded { cause: Cause::Input(Input::Event(event)), facts }
}

fn change(case: Case, id: &str, from: u64) -> Changed {
    let mut stuck = entry(from + 1);
    stuck.note = Note::Stuck { reason: canary(id, "reason") };
    Changed {
        case: Case { subject: person(id), ..case },
        entries: vec![entry(from), stuck],
        effects: vec![proofd::model::EffectKind::Approve],
        at: at(1),
        recorded: Some(recorded(id)),
    }
}

fn verdict(id: &str) -> PolicyVerdict {
    let said =
        PolicyVerdict::new("p", &Revision("0".repeat(24)), Verdict::CouldNotDecide, canary(id, "trace"));
    PolicyVerdict { would_open: Some(Box::new(recorded(id))), ..said }
}

/// The commits about one person, from the event to the end of the case.
fn story(id: &str) -> Vec<Commit> {
    let mut arrives = event(&format!("e-{id}"), 0);
    (arrives.subject, arrives.fields) = (reference(id), fields(id));
    (arrives.actor, arrives.ip) = (Some(canary(id, "name")), Some(canary(id, "born")));
    let mut call = pending(5);
    (call.action, call.purpose) = (mail(id), Purpose::Invite);
    let opened = Case { calls: BTreeMap::from([(1, call)]), ..case(id, 0) };
    let steps: Fields =
        json!({ "proof": { "document": { "last_name": canary(id, "document") }, "score": 3 } })
            .as_object()
            .unwrap()
            .clone();
    let sessions = BTreeMap::from([(format!("x-{id}"), format!("a-{id}"))]);
    let ended = Case { steps, sessions, closed_at: Some(at(9)), next_entry: 4, ..closed(id, 0) };
    let consumed = Consumed {
        key: format!("e-{id}"),
        at: at(1),
        verdicts: vec![verdict(id)],
        people: vec![person(id)],
        named: vec![person(id)],
    };
    let asked = Asked {
        at: at(2),
        subject: reference(id),
        event: format!("sweep-{id}"),
        kind: "sweep".to_owned(),
        also: Vec::new(),
        time: at(2),
        said: verdict(id),
    };
    let enrolled = Enrolled {
        provider: "jumio".to_owned(),
        person: proofd::case::person(&reference(id)),
        enrolment: Enrolment { account: format!("a-{id}"), ..Enrolment::default() },
    };
    let shown = DocumentUse {
        document: format!("d-{id}"),
        person: vec![reference(id).to_string()],
        case: id.into(),
        at: at(3),
    };
    let name = reference(id).person();
    let part = SweepPart {
        schedule: "s".into(),
        number: u32::from(id.len() > 5),
        people: vec![name.clone(), "another".into()],
    };
    let seen = FirstSeen { policy: "p".into(), shadow: false, person: name, at: at(2) };
    let request = Keyed {
        key: format!("k-{id}"),
        request: "h".into(),
        at: at(2),
        about: Some(About::Case(CaseId(id.to_owned()))),
        answer: Some(Answer { status: 200, body: canary(id, "name") }),
    };
    let one = |changed| Commit { cases: vec![changed], ..Commit::default() };
    vec![
        Commit { received: vec![arrives], ..Commit::default() },
        one(change(opened, id, 0)),
        Commit { consumed: vec![consumed], ..Commit::default() },
        Commit { asked: vec![asked], enrolled: vec![enrolled], documents: vec![shown], ..Commit::default() },
        Commit {
            sweeps: vec![SweepChange::Part(part), SweepChange::FirstSeen(seen)],
            requests: vec![request],
            ..Commit::default()
        },
        one(change(ended, id, 2)),
    ]
}

fn small() -> Options {
    Options { segment_bytes: 3_000, ..options() }
}

/// A store with the stories of two people, commit by commit next to each other.
async fn filled(dir: &Path) -> Store {
    let (store, _) = Store::open_with(dir, at(0), small()).unwrap();
    for (one, other) in story("erika").into_iter().zip(story("max")) {
        store.commit(one).await.unwrap();
        store.commit(other).await.unwrap();
    }
    store
}

fn order(class: Forgotten) -> Redact {
    let people: &[String] = if class == Forgotten::Person { &[reference("erika").person()] } else { &[] };
    let events = if class == Forgotten::Case { vec!["e-erika".to_owned()] } else { Vec::new() };
    let order = Redact {
        class,
        at: at(100),
        by: "test".to_owned(),
        reason: "a test".to_owned(),
        cases: vec![CaseId("erika".to_owned())],
        events,
        salt: String::new(),
        people: Vec::new(),
        aliases: Vec::new(),
        counts: BTreeMap::from([("cases".to_owned(), 1)]),
        digest: String::new(),
        deletions: Vec::new(),
        known: Vec::new(),
    };
    order.naming(people).unwrap()
}

/// The texts of a person that a closed store still holds anywhere.
fn left(dir: &Path, id: &str) -> Vec<String> {
    let texts = canaries(id);
    let found = store::search(dir, &texts).unwrap();
    let mut left: Vec<String> = found.into_iter().map(|(number, _)| texts[number].clone()).collect();
    left.sort();
    left.dedup();
    left
}

const CLASSES: [(Forgotten, &[&str]); 3] = [
    (Forgotten::Evidence, &["document", "body"]),
    (Forgotten::Case, &["document", "body", "reason"]),
    (Forgotten::Person, &["name", "mail", "born", "document", "body", "reason", "trace"]),
];

#[tokio::test]
async fn each_class_removes_its_data_from_every_file_and_nothing_of_others() {
    for (class, gone) in CLASSES {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let store = filled(dir).await;
        let head = store::head(dir).unwrap();
        store.redact(order(class)).await.unwrap();
        assert_eq!(store.finish_redactions(at(101)).await.unwrap(), 1);
        assert_eq!(store.finish_redactions(at(102)).await.unwrap(), 0);
        store.close().await.unwrap();
        drop(store);
        // The state as it is, against a rebuild from the redacted journal.
        assert_sound(dir);
        let report = store::verify(dir).unwrap();
        assert_eq!(report.redactions.len(), 1);
        assert!(report.redactions[0].records >= Some(2), "{:?}", report.redactions);
        let before = format!("{}:{}", head.sequence, head.hash).parse().unwrap();
        assert!(store::holds(dir, before).unwrap(), "an earlier end of the journal is still proved");
        // The next start writes the state anew.
        drop(open(dir));
        assert_sound(dir);
        let left = left(dir, "erika");
        for what in gone {
            assert!(!left.contains(&canary("erika", what)), "{class:?}: {what} is left: {left:?}");
        }
        let found = store::search(dir, &[canary("max", "name")]).unwrap();
        assert!(found.iter().any(|(_, place)| matches!(place, store::Place::Key(_))), "{found:?}");
        assert!(found.iter().any(|(_, place)| matches!(place, store::Place::Record(_))), "{found:?}");
        let others = self::left(dir, "max");
        assert_eq!(others.len(), canaries("max").len() - 1, "{others:?}");
    }
}

#[tokio::test]
async fn a_case_keeps_its_skeleton() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.redact(order(Forgotten::Case)).await.unwrap();
    let id = CaseId("erika".to_owned());
    let case = store.case(&id).unwrap().unwrap();
    assert_eq!((case.redacted, case.result.as_deref()), (Some(Forgotten::Case), Some("approved")));
    assert_eq!((case.opened_at, case.closed_at), (at(0), Some(at(9))));
    assert!(case.subject.fields.is_empty() && case.steps.is_empty() && case.sessions.is_empty());
    let entries = store.entries(&id, 0, 10).unwrap();
    let words: Vec<_> = entries.iter().map(|entry| entry.note.word()).collect();
    assert_eq!(words, ["step_began", "stuck", "step_began", "stuck"]);
    assert_eq!(store.effects_since(at(0)).unwrap().len(), 4, "counters of limits stay");
    let other = store.case(&CaseId("max".to_owned())).unwrap().unwrap();
    assert_eq!((other.redacted, other.subject), (None, person("max")));
}

#[tokio::test]
async fn an_open_case_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(dir.path(), at(0), small()).unwrap();
    for commit in story("erika").into_iter().take(2) {
        store.commit(commit).await.unwrap();
    }
    let id = CaseId("erika".to_owned());
    let before = store.case(&id).unwrap();
    store.redact(order(Forgotten::Case)).await.unwrap();
    assert_eq!(store.case(&id).unwrap(), before);
}

#[tokio::test]
async fn an_interruption_at_each_step_is_made_up_for_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let store = filled(&kept).await;
    store.redact(order(Forgotten::Person)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let segments = std::fs::read_dir(kept.join("journal")).unwrap().count();
    for failing in 0..=segments {
        for state in [true, false] {
            let dir = dir.path().join(format!("{failing}-{state}"));
            copy(&kept, &dir);
            if !state {
                std::fs::remove_dir_all(dir.join("state")).unwrap();
            }
            // The disk is full at the n-th segment.
            let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let fault = move |act| match act {
                store::Act::Rewrite { .. }
                    if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= failing =>
                {
                    Err(std::io::ErrorKind::StorageFull.into())
                }
                _ => Ok(()),
            };
            let options = Options { fault: Some(std::sync::Arc::new(fault)), ..small() };
            let (store, _) = Store::open_with(&dir, at(0), options).unwrap();
            let outcome = store.finish_redactions(at(200)).await;
            let done = outcome.is_ok();
            if let Err(error) = outcome {
                assert!(error.is_no_room(), "{error}");
            }
            store.close().await.unwrap();
            drop(store);
            std::fs::write(dir.join("journal/000001.tmp"), b"half").unwrap();
            let report = store::verify(&dir).unwrap();
            assert_eq!((report.different, report.lost), (0, None), "{:?}", report.differences);
            let (store, _) = open(&dir);
            assert_eq!(store.finish_redactions(at(201)).await.unwrap(), usize::from(!done));
            store.close().await.unwrap();
            drop(store);
            drop(open(&dir));
            assert_sound(&dir);
            let left = left(&dir, "erika");
            assert_eq!(left, Vec::<String>::new(), "{failing} {state}");
        }
    }
}

#[tokio::test]
async fn a_changed_redacted_record_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| dir.path().join(name));
    let store = filled(&one).await;
    store.close().await.unwrap();
    drop(store);
    copy(&one, &other);
    for (dir, class) in [(&one, Forgotten::Person), (&other, Forgotten::Evidence)] {
        let (store, _) = open(dir);
        store.redact(order(class)).await.unwrap();
        store.finish_redactions(at(101)).await.unwrap();
        store.close().await.unwrap();
    }
    // Every checksum and every hash of the chain is right, and the content is another one.
    std::fs::copy(other.join("journal/000001.log"), one.join("journal/000001.log")).unwrap();
    let differences = store::verify(&one).unwrap().differences;
    let named = differences.iter().any(|text| text.contains("segment 1") && text.contains("its hash"));
    assert!(named, "{differences:?}");
}

/// Erases a person from a store of which a backup exists.
async fn erased(origin: &Path, backup: &Path) -> Store {
    let store = filled(origin).await;
    store::backup(origin, backup, at(50)).unwrap();
    store.redact(order(Forgotten::Person)).await.unwrap();
    store
}

#[tokio::test]
async fn the_next_backup_forgets_too_and_restores_to_a_sound_store() {
    let dir = tempfile::tempdir().unwrap();
    let [origin, backup, place] = ["store", "backup", "place"].map(|name| dir.path().join(name));
    let store = erased(&origin, &backup).await;
    store.finish_redactions(at(101)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let done = store::backup(&origin, &backup, at(102)).unwrap();
    assert!(done.replaced > 0, "{done:?}");
    store::verify_backup(&backup).unwrap();
    store::restore(&backup, &place, at(103), "", Some(done.head)).unwrap();
    drop(open(&place));
    assert_sound(&place);
    assert_eq!(left(&place, "erika"), Vec::<String>::new());
    // A backup has no state: its segments are read as a store's.
    let segments = std::fs::read_dir(backup.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let segments: Vec<_> = segments.collect();
    assert_eq!(segments.len() as u64, done.segments);
    for path in segments {
        let (text, bytes) = (canary("erika", "name"), std::fs::read(path).unwrap());
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    }
}

#[tokio::test]
async fn an_export_of_a_redacted_store_is_imported_and_forgets_what_was_pending() {
    for finished in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let [origin, backup, file, place] =
            ["store", "backup", "export.jsonl", "place"].map(|name| dir.path().join(name));
        let store = erased(&origin, &backup).await;
        if finished {
            store.finish_redactions(at(101)).await.unwrap();
        }
        store.close().await.unwrap();
        drop(store);
        let exported = store::export(&origin, &file, at(102), true).unwrap();
        store::import(&file, &place, at(103), "", Some(exported.head)).unwrap();
        let (store, _) = open(&place);
        assert_eq!(store.finish_redactions(at(104)).await.unwrap(), usize::from(!finished));
        store.close().await.unwrap();
        drop(store);
        drop(open(&place));
        assert_sound(&place);
        assert_eq!(left(&place, "erika"), Vec::<String>::new(), "{finished}");
    }
}
