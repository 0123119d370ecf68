//! The shadow report: the back-test of a policy next to those that run.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::api::all;
use crate::api::shadow::ShadowReport;
use crate::model::EffectKind;
use crate::store;

use super::active::Running;
use super::back_test::BackTester;

/// Most people of one report.
const MOST_PEOPLE: usize = 1_000;

/// A handle on shadow reports.
#[derive(Debug, Clone)]
pub struct Shadows {
    pub(super) running: Running,
    pub(super) back_tester: BackTester,
    pub(super) stop: watch::Receiver<bool>,
}

impl Shadows {
    /// Replays recorded events, one back-test at a time. `None`: no policy has this name.
    pub async fn report(&self, name: &str, people: usize) -> Result<Option<ShadowReport>, store::Error> {
        let Some(policy) = self.running.load().set.policies.get(name).cloned() else { return Ok(None) };
        let _turn = self.back_tester.turn().await;
        let (there, stop) = (self.back_tester.clone(), self.stop.clone());
        let (of, people) = (policy.clone(), people.min(MOST_PEOPLE));
        let walked = move || there.beside(&of, people, &move || !*stop.borrow());
        let walked = tokio::task::spawn_blocking(walked).await;
        let (span, found) = match walked.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(walked) => walked?,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(Err(_)) => return Err(store::Error::Closed),
        };
        let (mut would, mut happened) = (BTreeMap::new(), BTreeMap::new());
        for one in &found {
            count(&mut would, one.would.iter().flat_map(|would| &would.case.did).map(|deed| deed.what));
            let same_event = one.happened.iter().filter(|live| live.same_event);
            count(&mut happened, same_event.flat_map(|live| &live.case.did).map(|deed| deed.what));
        }
        Ok(Some(ShadowReport {
            policy: policy.name.clone(),
            revision: policy.revision.0.clone(),
            mode: policy.mode.into(),
            past: span.into(),
            people: found.len(),
            would,
            happened,
            unknown: found.iter().filter(|one| one.same.is_none()).count(),
            items: all(found),
        }))
    }
}

fn count(counts: &mut BTreeMap<EffectKind, usize>, effects: impl Iterator<Item = EffectKind>) {
    for effect in effects {
        *counts.entry(effect).or_default() += 1;
    }
}
