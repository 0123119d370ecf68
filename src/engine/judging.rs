//! Edits that could do what people want to know of first are held while the past is asked about them, and for
//! as long as it speaks against them. Everything else of the tree runs meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Actor;
use crate::policy::Revision;
use crate::trial::past::PolicyPast;

use super::foresight::{Edited, Foreseen, Span};
use super::reload::PolicyState;
use super::standing::Chosen;
use super::{Active, Engine};

const ASKING: &str =
    "the recorded past is being asked about it; if that says nothing against it, it runs by itself";

/// Looks at a tree that keeps being edited.
const LOOKS: usize = 3;

/// What an edit would have done.
#[derive(Debug, Clone)]
pub struct Seen {
    pub revision: Revision,
    pub why: Vec<String>,
    pub span: Span,
    pub past: Arc<PolicyPast>,
}

#[derive(Debug, Clone)]
enum Said {
    Seen(Arc<Seen>),
    /// It could not be asked, which is never a yes.
    Failed(String),
}

/// What the past said, by the revision that runs and the one that is to.
#[derive(Debug, Default)]
pub(super) struct Judgements(Mutex<HashMap<(Option<Revision>, Revision), Said>>);

fn key(edited: &Edited) -> Option<(Option<Revision>, Revision)> {
    let after = edited.after.as_ref()?.revision.clone();
    Some((edited.before.as_ref().map(|policy| policy.revision.clone()), after))
}

impl Judgements {
    fn of(&self, edited: &Edited) -> Option<Said> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(&key(edited)?).cloned()
    }

    fn put(&self, edited: &Edited, what: Said) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(key(edited).map(|key| (key, what)));
    }

    /// Who failed is asked again.
    fn forget_failures(&self) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, said| matches!(said, Said::Seen(_)));
    }

    /// What does not wait any more is of no interest.
    fn keep(&self, waiting: &[&Revision]) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|(_, after), _| waiting.contains(&after));
    }
}

impl Engine {
    /// Obeys what the past said. Gives what waits with what it would have done, and whether the past has to
    /// be asked.
    pub(super) fn obey_the_past(&self, chosen: &mut Chosen) -> (BTreeMap<String, Arc<Seen>>, bool) {
        let (mut seen, mut ask) = (BTreeMap::new(), false);
        for edited in chosen.edited.clone() {
            match self.0.judgements.of(&edited) {
                Some(Said::Seen(said)) => {
                    let newly = self.newly(&said.past, &edited);
                    chosen.hold(&edited, &said.why, newly, self.now());
                    seen.insert(edited.name.clone(), said);
                }
                Some(Said::Failed(why)) => chosen.wait(&edited, &why),
                None => {
                    chosen.wait(&edited, ASKING);
                    ask = true;
                }
            }
        }
        seen.retain(|name, _| chosen.waiting.contains_key(name));
        let waiting: Vec<_> = chosen.waiting.values().map(|policy| &policy.revision).collect();
        self.0.judgements.keep(&waiting);
        (seen, ask)
    }

    /// Looks at the tree, and answers when all of it is decided. The work goes on if nobody waits any more.
    pub async fn reload(&self) -> Arc<Active> {
        self.reload_by(None).await
    }

    /// The same by somebody who pushed what is found.
    pub async fn reload_by(&self, by: Option<Actor>) -> Arc<Active> {
        let engine = self.clone();
        super::cases::to_its_end(async move {
            engine.0.judgements.forget_failures();
            let mut active = engine.look_at_tree(true, by.as_ref()).await;
            for _ in 0..LOOKS {
                if active.asked.is_empty() {
                    break;
                }
                let _one_at_a_time = engine.0.asking.lock().await;
                engine.ask(&active.asked).await;
                active = engine.look_at_tree(true, None).await;
            }
            active
        })
        .await
    }

    /// Looks at the tree, and goes on; the past is asked aside.
    pub async fn reload_aside(&self, even_if_unchanged: bool) -> Arc<Active> {
        let active = self.look_at_tree(even_if_unchanged, None).await;
        if !active.asked.is_empty() {
            let engine = self.clone();
            tokio::spawn(async move {
                // Whoever asks already looks again afterwards.
                let Ok(_one_at_a_time) = engine.0.asking.try_lock() else { return };
                let mut active = engine.active();
                for _ in 0..LOOKS {
                    if active.asked.is_empty() {
                        return;
                    }
                    engine.ask(&active.asked).await;
                    active = engine.look_at_tree(true, None).await;
                }
            });
        }
        active
    }

    /// Asks the past, and keeps what it says.
    async fn ask(&self, edits: &[Edited]) {
        // Somebody may have asked while this waited for its turn.
        let open = edits.iter().any(|edited| edited.judge && self.0.judgements.of(edited).is_none());
        if !open {
            return;
        }
        let (engine, edits_there) = (self.clone(), edits.to_vec());
        let stop = self.stopping();
        let asked = tokio::task::spawn_blocking(move || {
            let wanted = move || !*stop.borrow();
            engine.foresee(&edits_there, &|_| {}, &wanted)
        });
        let said = match asked.await {
            Ok(Ok(foreseen)) => Ok(foreseen),
            Ok(Err(error)) => Err(format!("the recorded past cannot be asked: {error}")),
            Err(_) => Err("asking the recorded past failed inside".to_owned()),
        };
        for edited in edits.iter().filter(|edited| edited.judge) {
            let said = match &said {
                Ok(foreseen) => self.judged(edited, foreseen),
                Err(why) => {
                    tracing::error!(
                        policy = edited.name,
                        why,
                        "an edit waits because the past does not answer"
                    );
                    Some(Said::Failed(why.clone()))
                }
            };
            if let Some(said) = said {
                self.0.judgements.put(edited, said);
            }
        }
    }

    fn judged(&self, edited: &Edited, foreseen: &Foreseen) -> Option<Said> {
        let (past, after) = (foreseen.policies.get(&edited.name)?, edited.after.as_ref()?);
        let (span, why) = (foreseen.span, self.too_much(past, edited, foreseen.span));
        let (revision, past) = (after.revision.clone(), Arc::clone(past));
        Some(Said::Seen(Arc::new(Seen { revision, why, span, past })))
    }
}

impl Chosen {
    /// What ran goes on, for as long as the edit waits for an answer.
    fn wait(&mut self, edited: &Edited, why: &str) {
        let Some(status) = self.statuses.iter_mut().find(|status| status.name == edited.name) else { return };
        if status.state == PolicyState::Active {
            status.why = vec![why.to_owned()];
            self.set_back(edited);
        }
    }
}
