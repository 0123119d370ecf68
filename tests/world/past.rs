//! Back-tests with the policies that ran.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proofd::engine::Engine;
use proofd::model::CaseId;
use proofd::policy::{Policy, PolicySet};
use proofd::rollout::Edited;
use proofd::store::CaseFilter;
use proofd::trial::What;
use proofd::trial::past::walk;

/// Asserts that a back-test with the running policies reproduces every journal of the daemon byte for byte.
pub fn reproduces_the_record(engine: &Engine) {
    let running: Vec<Arc<Policy>> = engine.active().set.policies.values().cloned().collect();
    let edited: Vec<Edited> = running
        .iter()
        .map(|policy| Edited::new(&policy.name, Some(Arc::clone(policy)), Some(Arc::clone(policy))))
        .collect();
    let past = engine.rollout().back_tester.past(&edited, &|_| {}, &|| true).unwrap();
    let set = Arc::new(PolicySet::new(running));
    let mut walked: BTreeMap<CaseId, String> = BTreeMap::new();
    for person in &past.people {
        let again = walk(person, &set, &past.pauses, past.to, engine.rollout().back_tester.terms());
        for happened in again.story {
            if let (Some(case), What::Entry(entry)) = (happened.case, happened.what) {
                let line = serde_json::to_string(&entry).unwrap();
                walked.entry(case).or_default().push_str(&format!("{line}\n"));
            }
        }
    }
    let (mut cases, _) = engine.store().cases(&CaseFilter::default(), None, 100_000).unwrap();
    let from = past.to - engine.settings().rollout.look_back;
    // The inputs of decisions go with the evidence.
    cases.retain(|case| case.opened_at > from && case.redacted.is_none());
    assert_eq!(walked.len(), cases.len());
    for case in cases {
        let entries = engine.store().entries(&case.id, 0, 10_000).unwrap();
        let lines = entries.iter().map(|entry| format!("{}\n", serde_json::to_string(entry).unwrap()));
        assert_eq!(walked[&case.id], lines.collect::<String>());
    }
}
