//! Source capabilities: event data that a policy waits for and that a source may never send. A tenant without adaptive
//! authentication sends no risk scores. A policy about risky sign-ins then does nothing, and its notes report that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::{Event, EventType};
use crate::policy::tree::Trigger;
use crate::policy::{Known, Policy};
use crate::store::{self, Commit, Store};

const MARK: &str = "proofd:heard:login.risk";

/// A handle on the recorded capabilities of sources. Clones share it.
#[derive(Debug, Clone)]
pub struct Capabilities {
    store: Store,
    known: Known,
    /// True once a sign-in with a risk score was received.
    scored: Arc<AtomicBool>,
}

impl Capabilities {
    pub(super) fn open(store: Store, known: Known) -> Result<Self, store::Error> {
        let scored = Arc::new(AtomicBool::new(store.cursor(MARK)?.is_some()));
        Ok(Self { store, known, scored })
    }

    /// Records the capabilities that an event shows of its source.
    pub(super) async fn hear(&self, event: &Event) -> Result<(), store::Error> {
        let scored = std::iter::once(&event.kind).chain(&event.also).any(is_risk);
        if !scored || self.scored.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let cursors = [(MARK.to_owned(), event.time.to_rfc3339())].into();
        self.store.commit(Commit { cursors, ..Commit::default() }).await
    }

    /// Returns notes for people who inspect a policy.
    pub fn notes(&self, policy: &Policy) -> Vec<String> {
        if !waits_for_scores(policy) || self.scored.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let sources = self.known.sources.iter().flatten().filter(|(name, _)| policy.takes(name));
        let kinds: BTreeSet<_> = sources.map(|(_, source)| source.provider).collect();
        let when = self.known.vocabulary.identity.iter().filter(|(kind, _)| kinds.contains(*kind));
        let when: Vec<_> = when.map(|(_, words)| words.risk_scores).collect();
        vec![format!("no sign-in with a risk score was received yet; {}", when.join("; "))]
    }
}

fn is_risk(kind: &EventType) -> bool {
    kind.as_str() == "login.risk"
}

fn waits_for_scores(policy: &Policy) -> bool {
    policy.when.iter().any(|trigger| matches!(trigger, Trigger::Event(kind) if is_risk(kind)))
}
