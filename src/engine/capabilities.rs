//! Source capabilities: what a policy waits for and the source may never send. A tenant without adaptive authentication
//! sends no risk scores; a policy about risky sign-ins then does nothing, and its notes tell so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::{Event, EventType};
use crate::policy::tree::Trigger;
use crate::policy::{Known, Policy};
use crate::store::{self, Commit, Store};

const MARK: &str = "proofd:heard:login.risk";

/// A handle on what sources were seen to send. Clones share it.
#[derive(Debug, Clone)]
pub struct Capabilities {
    store: Store,
    known: Known,
    /// A sign-in with a risk score was received, ever.
    scored: Arc<AtomicBool>,
}

impl Capabilities {
    pub(super) fn open(store: Store, known: Known) -> Result<Self, store::Error> {
        let scored = Arc::new(AtomicBool::new(store.cursor(MARK)?.is_some()));
        Ok(Self { store, known, scored })
    }

    /// Notes what an event shows of its source.
    pub(super) async fn hear(&self, event: &Event) -> Result<(), store::Error> {
        let scored = std::iter::once(&event.kind).chain(&event.also).any(is_risk);
        if !scored || self.scored.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let cursors = [(MARK.to_owned(), event.time.to_rfc3339())].into();
        self.store.commit(Commit { cursors, ..Commit::default() }).await
    }

    /// What people who look at a policy should know of it.
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
