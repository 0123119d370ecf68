//! The daemon's engine with its loops and its store. The test advances its clock from one due time to the next. Inputs
//! arrive through the same interfaces as in a daemon.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proofd::case::{Entry, Input, LinkKind, known_as};
use proofd::engine::clock::Virtual;
use proofd::engine::{Engine, Settings};
use proofd::model::{CaseId, Clock as _, Lane, Pause, Secret, Timestamp};
use proofd::rollout;
use proofd::store::{CaseFilter, Commit, Enrolled, Options, Store, SweepChange, SweepRun, SweepState};
use proofd::trial::{START_REASON, STARTER, Stimulus, Terms};
use tokio::task::JoinSet;

use super::others::{Others, SINK, VERIFICATION};

/// Timeout of every wait; a test that hangs then reports the remaining work.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Daemon {
    dir: PathBuf,
    clock: Virtual,
    others: Arc<Others>,
    running: Option<(Engine, JoinSet<()>)>,
    /// Whether the test reports outages of the provider to the engine.
    told: bool,
    /// When the reported outage ends.
    back_at: Option<Timestamp>,
}

pub fn settings(dir: &Path) -> Settings {
    let terms = Terms::default();
    assert_eq!(terms.sinks, [SINK]);
    Settings {
        public_url: "https://proof.example.com".to_owned(),
        organization: terms.organization,
        rollout: rollout::Settings { policies: dir.join("policies"), park: Vec::new(), ..Default::default() },
        poll_every: terms.poll_every,
        callback_secrets: [(VERIFICATION.to_owned(), Secret::new("where hints come in"))].into(),
        sinks: terms.sinks,
        ..Settings::default()
    }
}

async fn start(dir: &Path, clock: &Virtual, others: &Arc<Others>, first: Commit) -> (Engine, JoinSet<()>) {
    let options = Options { failure: Arc::new(|_| {}), reserve_bytes: 64 << 10, ..Options::default() };
    // The key of the simulated world: fingerprints of people are equal in both.
    drop(Store::open_with(&dir.join("store"), clock.now(), options.clone()).unwrap());
    fs::write(dir.join("store/secret"), proofd::trial::KEY).unwrap();
    let (store, opened) = Store::open_with(&dir.join("store"), clock.now(), options).unwrap();
    store.commit(first).await.unwrap();
    let shared = Arc::new(clock.clone());
    let engine = Engine::open(settings(dir), store, &opened, shared, others.connectors()).await.unwrap();
    let active = engine.active();
    assert_eq!(active.set.policies.len(), 1, "{}", active.report.rendered);
    others.serve(Some(engine.clone()));
    let mut counted = others.counted.subscribe();
    let tasks = engine.start();
    counted.changed().await.unwrap();
    (engine, tasks)
}

impl Daemon {
    /// Starts with the policies in a directory.
    pub async fn start(dir: &Path, now: Timestamp, told: bool) -> Self {
        let clock = Virtual::new(now);
        let others = Others::new(&clock);
        let running = Some(start(dir, &clock, &others, Commit::default()).await);
        Self { dir: dir.to_owned(), clock, others, running, told, back_at: None }
    }

    /// Continues at the same time with another store, which holds the same records.
    pub async fn go_on_with(&mut self, store: &Path) {
        self.stop().await;
        fs::remove_dir_all(self.dir.join("store")).unwrap();
        crate::world::copy_tree(store, &self.dir.join("store"));
        self.running = Some(start(&self.dir, &self.clock, &self.others, Commit::default()).await);
    }

    /// Stops in an orderly way.
    pub async fn stop(&mut self) {
        let (engine, mut tasks) = self.running.take().expect("the engine runs");
        engine.stop();
        self.others.serve(None);
        while tasks.join_next().await.is_some() {}
        engine.store().close().await.unwrap();
    }

    pub fn engine(&self) -> &Engine {
        &self.running.as_ref().expect("the engine runs").0
    }

    /// Applies a stimulus.
    pub async fn take(&mut self, stimulus: &Stimulus) {
        match stimulus {
            Stimulus::Person { reference, person } => {
                let people = &mut self.others.world().people;
                match person {
                    Some(person) => people.insert(reference.clone(), (**person).clone()),
                    None => people.remove(reference),
                };
            }
            Stimulus::Enrolled { provider, person, enrolment } => {
                let (provider, person) = (provider.clone(), known_as(person));
                let enrolled = vec![Enrolled { provider, person, enrolment: enrolment.clone() }];
                self.engine().store().commit(Commit { enrolled, ..Commit::default() }).await.unwrap();
            }
            Stimulus::Answers(answers) => self.others.world().answers.clone_from(answers),
            Stimulus::Event(event) => {
                self.engine().inbox().receive(vec![event.clone()], None).await.unwrap();
                self.barrier().await;
                self.settle().await;
            }
            Stimulus::Input { case, input } => {
                self.input(case, input.clone()).await;
                self.settle().await;
            }
            Stimulus::StartByHand(person) => {
                let policy = self.policy();
                let (by, reason) = (STARTER.to_owned(), START_REASON.to_owned());
                // Only the caller reads the verdict if no case opens.
                let _ = self
                    .engine()
                    .intake()
                    .start_case(&policy, &person.reference(), by, reason)
                    .await
                    .unwrap();
                self.settle().await;
            }
            Stimulus::Sweep(_) => self.sweep().await,
            Stimulus::Finds { execution, proof } => {
                self.others.world().vendor.finds(execution, proof.clone())
            }
            Stimulus::Down { who, until } => {
                self.others.world().goes_down(who, *until);
                if self.told && who == VERIFICATION {
                    let pause = Pause { who: who.clone(), from: self.clock.now(), until: None };
                    self.restart(Commit { pauses: vec![pause], ..Commit::default() }).await;
                    self.back_at = *until;
                }
            }
            Stimulus::Up { who } => self.others.world().comes_up(who),
            Stimulus::Until(at) => self.turn(*at).await,
        }
    }

    fn policy(&self) -> String {
        self.engine().active().set.policies.keys().next().unwrap().clone()
    }

    /// Applies a press, hint, decision or operator's command. A refused one changes nothing, as the journals show.
    async fn input(&self, id: &CaseId, input: Input) {
        let links = self.engine().links();
        // A case that exists only in the other world is found in the comparison.
        let Some(case) = self.engine().cases().case(id).unwrap() else { return };
        match input {
            Input::Press(press) => {
                self.press(id, links.token(id, LinkKind::Verify, press.link), press.locale).await
            }
            Input::Contest { link } => {
                self.engine()
                    .portal()
                    .press(&links.token(id, LinkKind::Contest, link), None, None)
                    .await
                    .unwrap();
            }
            Input::Hint { execution } => {
                let address = links.callback(VERIFICATION, id, case.attempts).unwrap();
                self.engine()
                    .portal()
                    .hint(VERIFICATION, address.rsplit('/').next().unwrap(), &execution)
                    .await
                    .unwrap();
            }
            Input::Decision(decision) => {
                let _ = self
                    .engine()
                    .operators()
                    .decide_case(id, decision.decision, decision.reason, decision.by)
                    .await;
            }
            Input::Operator(operator) => {
                let _ =
                    self.engine().operators().order(id, operator.order, operator.by, operator.reason).await;
            }
            Input::Event(_)
            | Input::Attempt { .. }
            | Input::Misplanned { .. }
            | Input::Outcome { .. }
            | Input::Lost { .. }
            | Input::Return { .. }
            | Input::SetBack { .. }
            | Input::RefusedDecision(_)
            | Input::Wake => {
                panic!("nobody outside gives this to a case")
            }
        }
    }

    /// The person's request lasts until the vendor answers or a timeout in real time. Here it ends when there is
    /// nothing left to do.
    async fn press(&self, id: &CaseId, token: String, locale: Option<String>) {
        let engine = self.engine().clone();
        let before = self.journal(id).len();
        let mut applied = self.engine().store().applied();
        let mut pressing = tokio::spawn(async move { engine.portal().press(&token, locale, None).await });
        while self.journal(id).len() == before {
            tokio::select! {
                _ = &mut pressing => return,
                changed = applied.changed() => changed.unwrap(),
            }
        }
        self.settle().await;
        pressing.abort();
    }

    /// Runs a sweep. Its time comes without an input. A run that had just begun when the daemon stopped continues at
    /// the start, and a run of the current time is begun in that way.
    async fn sweep(&mut self) {
        let active = self.engine().active();
        let policy = active.set.policies.values().next().unwrap();
        let now = self.clock.now();
        let sweep = policy.sweeps().next().unwrap();
        let run = SweepState {
            schedule: sweep.schedule.clone(),
            timetable: sweep.timetable.to_string(),
            awake: true,
            settled: now,
            run: Some(SweepRun::new(now, policy.revision.clone(), false, now)),
        };
        let first = Commit { sweeps: vec![SweepChange::State(run)], ..Commit::default() };
        self.restart(first).await;
        self.settle().await;
    }

    /// Stops and restarts at the same time, with an additional commit in the store.
    async fn restart(&mut self, first: Commit) {
        self.stop().await;
        self.running = Some(start(&self.dir, &self.clock, &self.others, first).await);
    }

    /// Advances the time, from one due time to the next.
    async fn turn(&mut self, end: Timestamp) {
        self.settle().await;
        while let Some(next) = self.next_due().filter(|next| *next <= end) {
            self.clock.advance(next - self.clock.now());
            if self.back_at == Some(next) {
                self.back_at = None;
                self.sees_the_end().await;
            }
            self.settle().await;
        }
        self.clock.advance(end - self.clock.now());
        self.settle().await;
    }

    /// Waits until the daemon notices that a provider is available again.
    async fn sees_the_end(&self) {
        let (store, mut applied) = (self.engine().store(), self.engine().store().applied());
        while store.pauses_since(Timestamp::MIN_UTC).unwrap().iter().any(|pause| pause.until.is_none()) {
            tokio::time::timeout(PATIENCE, applied.changed()).await.expect("the outage ends").unwrap();
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        let (store, now) = (self.engine().store(), self.clock.now());
        let calls = Lane::ALL.into_iter().filter_map(|lane| store.due_calls(lane, now, 1).unwrap().1);
        let others = [store.due_cases(now, 1).unwrap().1, store.inbox(now, 1).unwrap().1];
        calls.chain(others.into_iter().flatten()).chain(self.back_at).min()
    }

    /// Waits until nothing is left to do at this time. Calls end one at a time and in order, each after all the work
    /// that the one before caused has begun.
    async fn settle(&self) {
        let mut applied = self.engine().store().applied();
        let mut arrived = self.others.arrivals();
        loop {
            applied.mark_unchanged();
            arrived.mark_unchanged();
            let before = *applied.borrow();
            let left = self.left();
            if left.is_empty() {
                // The checks are consistent only if nothing was written between them: the next number is this commit's.
                self.barrier().await;
                if *applied.borrow() == before + 1 && !self.others.answer_one() {
                    return;
                }
                continue;
            }
            let changed = async {
                tokio::select! {
                    changed = applied.changed() => changed.unwrap(),
                    changed = arrived.changed() => changed.unwrap(),
                }
            };
            if tokio::time::timeout(PATIENCE, changed).await.is_err() {
                panic!("at {} there is still {left}", self.clock.now());
            }
        }
    }

    /// Waits until earlier commits are readable.
    async fn barrier(&self) {
        self.engine().store().commit(Commit::default()).await.unwrap();
    }

    /// The engine's remaining work at this time, before a call may end.
    fn left(&self) -> String {
        let (store, now) = (self.engine().store(), self.clock.now());
        let begun = store.begun_calls().unwrap();
        let calls: Vec<_> =
            Lane::ALL.into_iter().flat_map(|lane| store.due_calls(lane, now, 1).unwrap().0).collect();
        let cases = store.due_cases(now, 1).unwrap().0;
        let events = store.inbox(now, 1).unwrap().0;
        let sweeps = store.sweeps().unwrap().into_values().filter(|sweep| sweep.run.is_some()).count();
        if begun.len() == self.others.waiting()
            && calls.is_empty()
            && cases.is_empty()
            && events.is_empty()
            && sweeps == 0
        {
            return String::new();
        }
        let waiting = self.others.waiting();
        format!(
            "{calls:?} to begin, {begun:?} begun ({waiting} wait), {cases:?} to wake, {events:?}, {sweeps} sweeps"
        )
    }

    fn journal(&self, id: &CaseId) -> Vec<Entry> {
        self.engine().store().entries(id, 0, usize::MAX).unwrap()
    }

    pub fn kept(&self) -> BTreeMap<CaseId, Vec<String>> {
        let (cases, next) = self.engine().store().cases(&CaseFilter::default(), None, 1_000).unwrap();
        assert_eq!(next, None);
        cases.iter().map(|case| (case.id.clone(), super::lines(&self.journal(&case.id), case))).collect()
    }
}
