//! The store alone, in this process: waiting cases, three commits each (event, opened, waiting). `cargo bench -- stored`
//! takes 20,000 of them; `STORED_CASES` sets another number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use proofd::case::state::Verifying;
use proofd::case::{Case, Entry, Note, Pending, Purpose, State};
use proofd::model::{
    Action, CaseId, Event, EventType, Fields, IdentityChange, Origin, Session, Snapshot, Subject,
    SubjectKind, Timestamp, Verdict,
};
use proofd::policy::Revision;
use proofd::policy::tree::StepIndex;
use proofd::store::{CaseFilter, Changed, Commit, Consumed, PolicyVerdict, Store};
use sha2::{Digest as _, Sha256};

use crate::{daemon, process};

/// Tasks that commit at the same time.
const AT_ONCE: usize = 64;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::milliseconds(1_800_000_000_000 + seconds)
}

fn digits(text: &str, count: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.truncate(count);
    digits
}

fn person(number: i64) -> Subject {
    let mut fields = Fields::new();
    let own = digits(&format!("person {number}"), 16);
    for (name, value) in [
        ("email", format!("{}.{number}@partner{}.example.com", &own[..6], number % 40)),
        ("first_name", format!("Given{}", &own[..5])),
        ("last_name", format!("Family{}", &own[5..10])),
        ("phone", format!("+49 151 {number:08}")),
        ("created_at", at(number).to_rfc3339()),
        ("status", "pending".to_owned()),
    ] {
        fields.insert(name.to_owned(), value.into());
    }
    Subject {
        source: "onelogin".to_owned(),
        kind: SubjectKind::Registration,
        id: (900_000 + number).to_string(),
        fields,
    }
}

fn event(number: i64) -> Event {
    let subject = person(number);
    let mut fields = Fields::new();
    fields.insert("event_type_id".to_owned(), 13.into());
    Event {
        key: format!("onelogin:{}", digits(&format!("event {number}"), 24)),
        near: Vec::new(),
        leaves: Vec::new(),
        kind: EventType::new(EventType::REGISTRATION_CREATED),
        also: Vec::new(),
        source: "onelogin".to_owned(),
        time: at(number),
        subject: subject.reference(),
        actor: None,
        actor_id: None,
        by_subject: true,
        origin: Origin::Unknown,
        ip: Some(format!("198.51.100.{}", number % 250)),
        fields,
    }
}

fn case(number: i64) -> Case {
    let subject = person(number);
    let key = subject.reference().to_string();
    Case {
        redacted: None,
        id: CaseId(digits(&format!("case {number}"), 26)),
        policy: "registration-proofing".to_owned(),
        revision: Revision(digits("revision", 24)),
        key,
        subject,
        event: Some(event(number)),
        opened_at: at(number),
        state: State::Calling { step: StepIndex(0), call: 1 },
        steps: Fields::new(),
        calls: BTreeMap::new(),
        next_call: 1,
        next_entry: 3,
        retries: BTreeMap::new(),
        attempts: 0,
        links: 1,
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
    }
}

fn entries(number: i64, first: u64, notes: Vec<Note>) -> Vec<Entry> {
    let entry =
        |(at_number, note)| Entry { number: at_number, at: at(number), step: Some("proof".to_owned()), note };
    (first..).zip(notes).map(entry).collect()
}

fn opened(number: i64) -> Commit {
    let mut case = case(number);
    let snapshot = Snapshot {
        subject: case.subject.reference(),
        user_id: None,
        profile_id: None,
        email: case.subject.text("email").map(str::to_owned),
        created_at: None,
        compared: BTreeMap::new(),
    };
    let pending = Pending {
        action: Action::change(snapshot, IdentityChange::Approve),
        purpose: Purpose::Step,
        due: at(number),
        attempt: 0,
        begun: None,
        in_doubt: false,
        asked_at: at(number),
        forgiven: 0,
        outages: 0,
        last_failure: None,
    };
    case.calls.insert(1, pending);
    let notes = vec![Note::Opened { by: "event".to_owned() }, Note::StepBegan { verb: "verify".to_owned() }];
    let verdict = PolicyVerdict::new(&case.policy, &case.revision, Verdict::Opened, case.id.to_string());
    let consumed = Consumed {
        key: event(number).key,
        at: at(number),
        verdicts: vec![verdict],
        people: Vec::new(),
        named: Vec::new(),
    };
    let entries = entries(number, 0, notes);
    let changed = Changed { case, entries, effects: Vec::new(), at: at(number), recorded: None };
    Commit { cases: vec![changed], consumed: vec![consumed], ..Commit::default() }
}

fn waiting(number: i64) -> Commit {
    let mut case = case(number);
    let day = TimeDelta::days(14);
    let own = digits(&format!("session {number}"), 36);
    let session = Session {
        account: own[..32].to_owned(),
        execution: own.clone(),
        link: format!("https://verify.example.com/web/v4/app?token={own}{own}"),
        expires_at: at(number) + day,
        reference: case.id.to_string(),
        returns_by: None,
    };
    case.sessions.insert(session.execution.clone(), session.account.clone());
    case.next_entry = 5;
    case.state = State::Verifying(Verifying {
        step: StepIndex(0),
        started_at: at(number),
        deadline: at(number) + day,
        reminded: 0,
        remind_at: Some(at(number) + TimeDelta::days(3)),
        link: 1,
        session: Some(session),
        poll_at: None,
        polls: 0,
        captured_at: None,
        unclear: false,
        start: None,
        read: None,
        wanted: false,
        locale: Some("de-DE".to_owned()),
        late_until: None,
        sessions: 1,
        fell_back: false,
        anew: false,
        try_until: None,
        rests_until: None,
        fair_until: at(number),
    });
    let notes = vec![
        Note::StepEnded { outcome: "sent".to_owned(), reasons: Vec::new() },
        Note::StepBegan { verb: "verify".to_owned() },
    ];
    let entries = entries(number, 3, notes);
    let changed = Changed { case, entries, effects: Vec::new(), at: at(number), recorded: None };
    Commit { cases: vec![changed], ..Commit::default() }
}

fn bytes(dir: &Path) -> f64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let size = |path: std::path::PathBuf| {
        if path.is_dir() { bytes(&path) } else { path.metadata().map_or(0.0, |file| file.len() as f64) }
    };
    entries.map(size).sum()
}

pub async fn print() {
    let count: usize =
        std::env::var("STORED_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    println!("\nThe store alone: {count} waiting cases, three commits each");
    let dir = daemon::directory();
    let (dir, own) = (dir.path(), std::process::id());
    let (store, _) = Store::open(dir, at(0)).unwrap();
    let none = process::resident(own);
    fill(&store, count).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("  settled: {:.0} MiB resident, {none:.0} MiB before", process::resident(own));
    disk(dir, count, "as written");
    let began = Instant::now();
    store.rewrite_state().await.unwrap();
    println!("  rewritten in {:.1} s", began.elapsed().as_secs_f64());
    disk(dir, count, "rewritten");
    store.close().await.unwrap();
    drop(store);
    let began = Instant::now();
    let (store, _) = Store::open(dir, at(0)).unwrap();
    println!(
        "  opened again in {:.2} s, {:.0} MiB resident",
        began.elapsed().as_secs_f64(),
        process::resident(own)
    );
    reads(&store, count);
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.join("state")).unwrap();
    let (began, before) = (Instant::now(), process::cpu(own));
    drop(Store::open(dir, at(0)).unwrap());
    println!(
        "  rebuilt in {:.1} s ({:.3} ms of CPU a case), {:.0} MiB resident",
        began.elapsed().as_secs_f64(),
        (process::cpu(own) - before).as_secs_f64() * 1e3 / count as f64,
        process::resident(own)
    );
    disk(dir, count, "rebuilt");
}

/// Opens cases and lets them wait.
async fn fill(store: &Store, count: usize) {
    let (began, before) = (Instant::now(), process::cpu(std::process::id()));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let number = number as i64;
                store.commit(Commit { received: vec![event(number)], ..Commit::default() }).await.unwrap();
                store.commit(opened(number)).await.unwrap();
                store.commit(waiting(number)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let cpu = (process::cpu(std::process::id()) - before).as_secs_f64() * 1e3 / count as f64;
    println!(
        "  opened: {:.0} cases/s, {cpu:.3} ms of CPU each, {:.0} MiB resident at the end",
        count as f64 / began.elapsed().as_secs_f64(),
        process::resident(std::process::id())
    );
}

fn disk(dir: &Path, count: usize, what: &str) {
    let each = |part: &str| bytes(&dir.join(part)) / count as f64;
    let (journal, state) = (each("journal"), each("state"));
    println!("  {what}: {:.0} bytes of disk a case: journal {journal:.0}, state {state:.0}", journal + state);
}

fn reads(store: &Store, count: usize) {
    let timed = |what: &str, work: &dyn Fn(usize)| {
        let mut times: Vec<Duration> = Vec::new();
        for number in 0..500 {
            let began = Instant::now();
            work(number);
            times.push(began.elapsed());
        }
        times.sort();
        println!("  {what}: p50 {:?}, p99 {:?}", times[250], times[495]);
    };
    timed("list page of 50", &|_| drop(store.cases(&CaseFilter::default(), None, 50).unwrap()));
    timed("a cold case", &|number| {
        assert!(store.case(&case((number * 7919 % count) as i64).id).unwrap().is_some());
    });
    timed("due cases", &|_| drop(store.due_cases(at(0), 10).unwrap()));
}
