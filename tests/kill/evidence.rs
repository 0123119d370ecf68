//! The evidence of a campaign: the simulators' ledger and mailbox, what the identity provider says of itself, the
//! people's sessions, every change of every case in the journal, and the daemon's logs and metrics. This module makes
//! no assertions about it, and must not know the identity provider.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use proofd::case::{Case, Cause, Entry, Note};
use proofd::model::{CaseId, Event, Timestamp};
use proofd::policy::Revision;
use proofd::simulate::ledger::{Ledger, Record, System};
use proofd::simulate::mailbox::Mail;
use proofd::store::{Changed, Consumed};
use serde_json::Value;

use crate::lives::Life;
use crate::world::World;

/// The system under which a ledger lists the identity provider's changes, whichever provider it is.
pub const PROVIDER: System = System::OneLogin;

/// What the identity provider says, and what is particular to a campaign with it.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Changes to its people, if the ledger does not have them already.
    pub changes: Vec<Record>,
    /// Events that the daemon must have taken.
    pub heard: Vec<Heard>,
    /// Secrets of the daemon's configuration.
    pub secrets: Vec<&'static str>,
    /// What the policies of the campaign count in.
    pub unit: TimeDelta,
}

/// An event of the identity provider, by its own name.
#[derive(Debug, Clone)]
pub struct Heard {
    pub id: String,
    pub kind: String,
    pub user: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Evidence {
    /// The requests to the simulated systems and the identity provider, and their results.
    pub ledger: Vec<Record>,
    /// Mails as they arrived.
    pub mails: Vec<Mail>,
    pub heard: Vec<Heard>,
    pub secrets: Vec<&'static str>,
    pub unit: TimeDelta,
    pub lives: Vec<Life>,
    pub stories: BTreeMap<CaseId, Story>,
    /// Events in the journal, and every policy's verdict on them.
    pub received: Vec<Event>,
    pub consumed: BTreeMap<String, Consumed>,
    /// Revisions with all their files in one text.
    pub revisions: BTreeMap<Revision, String>,
    /// Size of the journal in bytes.
    pub journal: u64,
    /// Logs and metrics.
    pub written: String,
    /// The output of `proofd store verify --json`.
    pub verified: Value,
}

/// All journal data about one case.
#[derive(Debug, Clone)]
pub struct Story {
    /// The case in its last state.
    pub case: Case,
    /// Each change with the state of the case before it.
    pub changes: Vec<(Option<Case>, Changed)>,
}

impl Story {
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.changes.iter().flat_map(|(_, changed)| &changed.entries)
    }

    /// The action of each call, by its number.
    pub fn actions(&self) -> BTreeMap<u32, &str> {
        let asked = self.entries().filter_map(|entry| match &entry.note {
            Note::CallAsked { call, action } => Some((call.number, action.as_str())),
            _ => None,
        });
        asked.collect()
    }

    /// When a call was requested.
    pub fn asked(&self, number: u32) -> Option<Timestamp> {
        let asked = |note: &Note| matches!(note, Note::CallAsked { call, .. } if call.number == number);
        self.entries().find(|entry| asked(&entry.note)).map(|entry| entry.at)
    }

    /// When attempts of a call began, with their numbers.
    pub fn attempts(&self, number: u32) -> impl Iterator<Item = (u32, Timestamp)> {
        self.entries().filter_map(move |entry| match &entry.note {
            Note::AttemptBegan { call, attempt } if call.number == number => Some((*attempt, entry.at)),
            _ => None,
        })
    }
}

impl Evidence {
    /// Collects the evidence after the daemon has stopped.
    pub fn collect(world: &World, lives: Vec<Life>, written: String, provider: Provider) -> Self {
        let mut ledger = Ledger::read(&world.dir.path().join("ledger.jsonl")).unwrap();
        ledger.extend(provider.changes);
        let mut evidence = Self {
            ledger,
            mails: world.town.mailbox.mails(),
            heard: provider.heard,
            secrets: provider.secrets,
            unit: provider.unit,
            lives,
            stories: BTreeMap::new(),
            received: Vec::new(),
            consumed: BTreeMap::new(),
            revisions: BTreeMap::new(),
            journal: size(&world.dir.path().join("store/journal")),
            written,
            verified: Value::Null,
        };
        let read = proofd::store::verify_with(&world.dir.path().join("store"), &mut |_, commit, before| {
            evidence.received.extend(commit.received.iter().cloned());
            evidence.consumed.extend(commit.consumed.iter().map(|one| (one.key.clone(), one.clone())));
            for stored in &commit.revisions {
                let files = stored.files.values().cloned().collect();
                evidence.revisions.insert(stored.revision.clone(), files);
            }
            for (changed, before) in commit.cases.iter().zip(before) {
                let story = evidence.stories.entry(changed.case.id.clone());
                let story =
                    story.or_insert_with(|| Story { case: changed.case.clone(), changes: Vec::new() });
                story.case = changed.case.clone();
                story.changes.push((before.case.clone(), changed.clone()));
            }
        });
        read.unwrap();
        evidence.verified = world.say(&["store", "verify", "--json"]).json();
        evidence
    }

    pub fn changes(&self) -> impl Iterator<Item = &(Option<Case>, Changed)> {
        self.stories.values().flat_map(|story| &story.changes)
    }

    /// The applied changes of one kind in a system.
    pub fn applied(&self, system: System, what: &str) -> impl Iterator<Item = &Record> {
        self.ledger.iter().filter(move |one| one.system == system && one.applied && one.what == what)
    }

    /// The case of a user of the identity provider.
    pub fn story_of(&self, user: &str) -> Option<&Story> {
        self.stories.values().find(|story| story.case.subject.id == user)
    }

    /// The timers that had an effect: when they were due, and when they were handled.
    pub fn timers(&self) -> impl Iterator<Item = (&Changed, Option<Timestamp>, Timestamp)> {
        self.changes().filter_map(|(before, changed)| {
            let (before, recorded) = (before.as_ref()?, changed.recorded.as_ref()?);
            let due = match &recorded.cause {
                Cause::Input(proofd::case::Input::Wake) => before.wake_at(),
                Cause::Input(proofd::case::Input::Attempt { call }) => Some(before.calls.get(call)?.due),
                Cause::Input(_) | Cause::Opening(_) | Cause::Migration(_) => return None,
            };
            Some((changed, due, recorded.facts.now))
        })
    }

    /// Figures of the run. They are not asserted, because they depend on the machine.
    pub fn summary(&self) -> String {
        let mut late: Vec<_> = self.timers().filter_map(|(_, due, at)| Some(at - due?)).collect();
        late.sort_unstable();
        let at =
            |share: usize| late.get(late.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
        let lost = self.stories.values().flat_map(Story::entries);
        let lost = lost.filter(|entry| matches!(entry.note, Note::AttemptLost { .. })).count();
        let mails = self.ledger.iter().filter(|one| one.system == System::Mail).count();
        let ids: std::collections::BTreeSet<_> = self.mails.iter().map(|mail| &mail.message_id).collect();
        format!(
            "{} cases, {} changes, {lost} attempts lost, {mails} mails of {} intents\n\
             timers late by {} s (median), {} s (99 %), {} s (worst), in the campaign's time\n\
             {} bytes of the journal a case",
            self.stories.len(),
            self.changes().count(),
            ids.len(),
            at(50).num_seconds(),
            at(99).num_seconds(),
            at(100).num_seconds(),
            self.journal / self.stories.len().max(1) as u64,
        )
    }
}

fn size(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
