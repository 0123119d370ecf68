//! What a policy waits for and the source may never send. A tenant without adaptive authentication tells no
//! risk scores; a policy about risky sign-ins then does nothing, and says so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::{Event, EventType};
use crate::policy::Policy;
use crate::policy::tree::Trigger;
use crate::store::{self, Commit, Store};

use super::Engine;

const MARK: &str = "proofd:heard:login.risk";

/// Whether a sign-in with a risk score was ever heard of.
#[derive(Debug, Default)]
pub(super) struct Heard(AtomicBool);

impl Heard {
    pub fn from_store(store: &Store) -> Result<Self, store::Error> {
        Ok(Self(AtomicBool::new(store.cursor(MARK)?.is_some())))
    }
}

impl Engine {
    pub(super) async fn hear(&self, event: &Event) -> Result<(), store::Error> {
        let scored = std::iter::once(&event.kind).chain(&event.also).any(is_risk);
        if !scored || self.0.heard.0.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let cursors = [(MARK.to_owned(), event.time.to_rfc3339())].into();
        self.0.store.commit(Commit { cursors, ..Commit::default() }).await.map(|_| ())
    }

    /// What whoever looks at a policy should know of it.
    pub fn policy_notes(&self, name: &str) -> Vec<String> {
        let active = self.active();
        let Some(policy) = active.set.policies.get(name) else { return Vec::new() };
        let mut notes = Vec::new();
        if waits_for_scores(policy) && !self.0.heard.0.load(Ordering::Relaxed) {
            let known = &self.0.settings.rollout.known;
            let sources = known.sources.iter().flatten().filter(|(name, _)| policy.takes(name));
            let kinds: BTreeSet<_> = sources.map(|(_, source)| source.provider).collect();
            let when = known.vocabulary.identity.iter().filter(|(kind, _)| kinds.contains(*kind));
            let when: Vec<_> = when.map(|(_, words)| words.risk_scores).collect();
            notes.push(format!("no sign-in with a risk score was received yet; {}", when.join("; ")));
        }
        notes
    }
}

fn is_risk(kind: &EventType) -> bool {
    kind.as_str() == "login.risk"
}

fn waits_for_scores(policy: &Policy) -> bool {
    policy.when.iter().any(|trigger| matches!(trigger, Trigger::Event(kind) if is_risk(kind)))
}
