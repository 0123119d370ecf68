//! Random commits compared with a model of plain maps: both give the same answers, also after the store is reopened
//! and after its state is rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{assert_sound, at, case, changed, event, open, options, pending, received};
use proofd::case::{Case, State};
use proofd::model::EffectKind;
use proofd::model::Lane;
use proofd::policy::Revision;
use proofd::policy::tree::StepIndex;
use proofd::store::{
    CaseFilter, Commit, Consumed, Deferred, FirstSeen, Store, SweepChange, SweepPart, SweepRun, SweepState,
};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

#[derive(Debug, Clone)]
enum Step {
    /// The new state of a case: state, due time of its call, whether the call is in progress, session.
    Case {
        id: u8,
        state: u8,
        due: u8,
        begun: bool,
        session: u8,
    },
    Received(u8, u8),
    Consumed(u8),
    Deferred(u8, u8),
    Cursor(u8),
    /// The progress of a sweep's run; the run ends if it is even.
    Sweep(u8, u8),
    /// A part of the selected people, with their number.
    Part(u8, u8),
    FirstSeen(u8, u8),
    Reopen,
    Rebuild,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..6_u8, 0..4_u8, any::<u8>(), any::<bool>(), 0..3_u8).prop_map(
            |(id, state, due, begun, session)| Step::Case { id, state, due, begun, session }
        ),
        4 => (0..8_u8, any::<u8>()).prop_map(|(key, time)| Step::Received(key, time)),
        3 => (0..8_u8).prop_map(Step::Consumed),
        2 => (0..8_u8, any::<u8>()).prop_map(|(key, due)| Step::Deferred(key, due)),
        1 => any::<u8>().prop_map(Step::Cursor),
        1 => (0..3_u8, any::<u8>()).prop_map(|(sweep, position)| Step::Sweep(sweep, position)),
        1 => (0..3_u8, 0..3_u8).prop_map(|(number, people)| Step::Part(number, people)),
        1 => (0..4_u8, any::<u8>()).prop_map(|(person, time)| Step::FirstSeen(person, time)),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Debug, Default)]
struct Model {
    cases: BTreeMap<String, Case>,
    /// Maps a key to due time, event time and attempts.
    inbox: BTreeMap<String, (i64, u8, u32)>,
    received: BTreeSet<String>,
    consumed: BTreeSet<String>,
    cursor: Option<String>,
    sweeps: BTreeMap<String, SweepState>,
    past: BTreeMap<(String, i64), SweepRun>,
    parts: BTreeMap<u32, Vec<String>>,
    first_seen: BTreeMap<(bool, String), i64>,
}

impl Model {
    /// Applies a step to the model and returns the equivalent commit.
    fn step(&mut self, step: &Step) -> Commit {
        match step {
            Step::Case { id, state, due, begun, session } => self.case(*id, *state, *due, *begun, *session),
            Step::Received(key, time) => {
                let name = format!("e{key}");
                if self.received.insert(name.clone()) {
                    self.inbox.insert(name.clone(), (i64::MIN, *time, 0));
                }
                received([event(&name, i64::from(*time))])
            }
            Step::Consumed(key) => {
                let key = format!("e{key}");
                self.inbox.remove(&key);
                self.received.insert(key.clone());
                self.consumed.insert(key.clone());
                Commit {
                    consumed: vec![Consumed { key, at: at(0), ..Consumed::default() }],
                    ..Commit::default()
                }
            }
            Step::Deferred(key, due) => {
                let key = format!("e{key}");
                if let Some(waiting) = self.inbox.get_mut(&key) {
                    (waiting.0, waiting.2) = (i64::from(*due), 2);
                }
                let deferred = Deferred { key, due: at(i64::from(*due)), attempts: 2, reason: String::new() };
                Commit { deferred: vec![deferred], ..Commit::default() }
            }
            Step::Cursor(cursor) => {
                self.cursor = Some(cursor.to_string());
                let cursors = BTreeMap::from([("s".to_owned(), cursor.to_string())]);
                Commit { cursors, ..Commit::default() }
            }
            Step::Sweep(..) | Step::Part(..) | Step::FirstSeen(..) => {
                Commit { sweeps: self.sweep(step), ..Commit::default() }
            }
            Step::Reopen | Step::Rebuild => Commit::default(),
        }
    }

    fn sweep(&mut self, step: &Step) -> Vec<SweepChange> {
        match step {
            Step::Sweep(sweep, position) => {
                let schedule = format!("p{sweep}/1");
                let nominal = i64::from(position / 2);
                let mut run = SweepRun::new(at(nominal), Revision("1".to_owned()), false, at(0));
                run.position = (*position).into();
                let ended = position % 2 == 0;
                let state = SweepState {
                    schedule: schedule.clone(),
                    timetable: "daily".to_owned(),
                    awake: true,
                    settled: at(nominal),
                    run: (!ended).then(|| run.clone()),
                };
                self.sweeps.insert(schedule.clone(), state.clone());
                let mut changes = vec![SweepChange::State(state)];
                if ended {
                    self.past.insert((schedule.clone(), -nominal), run.clone());
                    changes.push(SweepChange::Ended { schedule, run });
                }
                changes
            }
            Step::Part(number, people) => {
                let people: Vec<_> = (0..*people).map(|person| person.to_string()).collect();
                self.parts.remove(&u32::from(*number));
                if !people.is_empty() {
                    self.parts.insert((*number).into(), people.clone());
                }
                let part = SweepPart { schedule: "p0/1".to_owned(), number: (*number).into(), people };
                vec![SweepChange::Part(part)]
            }
            Step::FirstSeen(person, time) => {
                let (shadow, name) = (person % 2 == 0, format!("u{person}"));
                let time = i64::from(*time);
                self.first_seen.entry((shadow, name.clone())).or_insert(time);
                let policy = "p0".to_owned();
                vec![SweepChange::FirstSeen(FirstSeen { policy, shadow, person: name, at: at(time) })]
            }
            _ => Vec::new(),
        }
    }

    fn sweeps_agree(&self, store: &Store) -> Result<(), TestCaseError> {
        proptest::prop_assert_eq!(&store.sweeps().unwrap(), &self.sweeps);
        for schedule in ["p0/1", "p1/1", "p2/1"] {
            proptest::prop_assert_eq!(store.sweep(schedule).unwrap(), self.sweeps.get(schedule).cloned());
            let past = self.past.iter().filter(|((of, _), _)| of == schedule);
            let past: Vec<_> = past.map(|(_, run)| run.clone()).collect();
            proptest::prop_assert_eq!(store.sweep_runs(schedule, 999).unwrap(), past);
        }
        proptest::prop_assert_eq!(
            store.sweep_parts("p0/1").unwrap(),
            Vec::from_iter(self.parts.keys().copied())
        );
        for number in 0..3 {
            let people = self.parts.get(&number).cloned().unwrap_or_default();
            proptest::prop_assert_eq!(store.sweep_part("p0/1", number).unwrap(), people);
        }
        for person in 0..4 {
            let name = format!("u{person}");
            for shadow in [true, false] {
                let seen = self.first_seen.get(&(shadow, name.clone())).map(|seconds| at(*seconds));
                proptest::prop_assert_eq!(store.first_seen("p0", shadow, &name).unwrap(), seen);
            }
        }
        Ok(())
    }

    fn case(&mut self, id: u8, state: u8, due: u8, begun: bool, session: u8) -> Commit {
        let id = format!("c{id}");
        let mut one = self.cases.get(&id).cloned().unwrap_or_else(|| case(&id, i64::from(due % 5)));
        one.state = match state {
            0 => State::Calling { step: StepIndex(0), call: 1 },
            1 => State::Held { step: StepIndex(0), action: EffectKind::Delete, asked: None, since: at(0) },
            _ => State::Closed,
        };
        one.calls.clear();
        if state < 2 {
            let begun = begun.then(|| at(0));
            one.calls.insert(1, proofd::case::Pending { begun, ..pending(i64::from(due)) });
        }
        one.sessions.insert(format!("x-{id}-{session}"), "account".to_owned());
        self.cases.insert(id, one.clone());
        changed(one)
    }

    fn agrees(&self, store: &Store) -> Result<(), TestCaseError> {
        let mut counts = BTreeMap::new();
        let mut due = Vec::new();
        let mut begun = Vec::new();
        for case in self.cases.values() {
            proptest::prop_assert_eq!(store.case(&case.id).unwrap(), Some(case.clone()));
            let open = (!case.is_closed()).then(|| case.id.clone());
            proptest::prop_assert_eq!(store.open_case(&case.policy, &case.key).unwrap(), open.clone());
            let of_subject = store.open_cases_of(&case.subject.reference()).unwrap();
            proptest::prop_assert_eq!(of_subject, Vec::from_iter(open.clone()));
            if open.is_some() {
                *counts.entry((case.policy.clone(), case.state_word().to_owned())).or_insert(0_u64) += 1;
            }
            for execution in case.sessions.keys() {
                proptest::prop_assert_eq!(store.case_by_execution(execution).unwrap(), Some(case.id.clone()));
            }
            for (number, call) in &case.calls {
                match call.begun {
                    None => due.push((call.due, case.id.clone(), *number)),
                    Some(_) => begun.push((case.id.clone(), *number, call.attempt)),
                }
            }
        }
        due.sort();
        let due: Vec<_> = due.into_iter().map(|(_, id, number)| (id, number)).collect();
        proptest::prop_assert_eq!(store.due_calls(Lane::Identity, at(999), 99).unwrap(), (due, None));
        proptest::prop_assert_eq!(store.begun_calls().unwrap(), begun);
        proptest::prop_assert_eq!(store.counts().unwrap(), counts);
        proptest::prop_assert_eq!(store.cursor("s").unwrap(), self.cursor.clone());
        self.sweeps_agree(store)?;
        self.lists_agree(store)
    }

    fn lists_agree(&self, store: &Store) -> Result<(), TestCaseError> {
        let mut newest: Vec<_> = self.cases.values().cloned().collect();
        newest.sort_by(|a, b| b.opened_at.cmp(&a.opened_at).then_with(|| a.id.cmp(&b.id)));
        proptest::prop_assert_eq!(store.cases(&CaseFilter::default(), None, 99).unwrap(), (newest, None));
        let mut inbox: Vec<_> =
            self.inbox.iter().map(|(key, (due, time, tries))| (due, time, key.clone(), *tries)).collect();
        inbox.sort();
        let inbox: Vec<_> = inbox.into_iter().map(|(_, _, key, tries)| (key, tries)).collect();
        let found: Vec<_> = store.inbox(at(999), 99).unwrap().0;
        let found: Vec<_> = found.into_iter().map(|one| (one.event.key, one.attempts)).collect();
        proptest::prop_assert_eq!(found, inbox);
        for key in 0..8 {
            let name = format!("e{key}");
            proptest::prop_assert_eq!(store.seen(&event(&name, 0)).unwrap(), self.consumed.contains(&name));
        }
        Ok(())
    }
}

#[test]
fn the_store_matches_a_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&steps(), |steps| {
        let dir = tempfile::tempdir().unwrap();
        let open_small = || {
            let options = proofd::store::Options { segment_bytes: 800, ..options() };
            Store::open_with(dir.path(), at(0), options).unwrap()
        };
        let (mut store, _) = open_small();
        let mut model = Model::default();
        for step in &steps {
            let commit = model.step(step);
            runtime.block_on(store.commit(commit)).unwrap();
            if matches!(step, Step::Reopen | Step::Rebuild) {
                drop(store);
                if matches!(step, Step::Rebuild) {
                    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
                }
                let (again, opened) = open_small();
                proptest::prop_assert_eq!(opened.rebuilt.is_some(), matches!(step, Step::Rebuild));
                store = again;
            }
            model.agrees(&store)?;
        }
        drop(store);
        assert_sound(dir.path());
        model.agrees(&open(dir.path()).0)
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
