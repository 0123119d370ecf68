//! Makes the decisions of the journal again and compares. A case is a function of its inputs. If the same inputs do not
//! give the same state, byte for byte, the state depended on something else.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::case::{Advance, Case, Context, Facts, Links};
use crate::model::CaseId;
use crate::policy::{self, Files, Known, Policy, Revision};
use crate::store::{self, Before, Changed, Commit, StoredRevision};
use crate::trial::Terms;

use super::settings::Settings;

/// Time that an approval may take to invite the person by itself before we check.
pub(super) const INVITE_GRACE: TimeDelta = TimeDelta::minutes(2);

/// Most differences that are named; the rest are counted.
const NAMED: usize = 100;

/// The result of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Decisions that were made again.
    pub decided: u64,
    /// Decisions that were skipped because another configuration or program version made them, which may decide
    /// differently.
    pub elsewhere: u64,
    /// Decisions recorded before inputs were recorded, and those whose case or revision is in lost records.
    pub unrecorded: u64,
    pub different: u64,
    /// The first differences: record, case and position. Names no person.
    pub differences: Vec<String>,
}

/// Verifies a closed store and the decisions in it.
pub fn verify(dir: &Path, settings: &Settings) -> Result<(store::Report, Replayed), store::Error> {
    let links = Links::new(&settings.public_url, store::secret(dir)?, settings.callback_secrets.clone());
    let under = under(settings, &links);
    let mut replay = Replay {
        settings,
        links: &links,
        under,
        policies: HashMap::new(),
        lost: false,
        found: Replayed::default(),
    };
    let report = store::verify_with(dir, &mut |record, commit, before| replay.look(record, commit, before))?;
    Ok((report, replay.found))
}

/// Returns the context of a decision: its own facts, and the environment that all decisions share.
pub(super) fn here<'a>(settings: &'a Settings, links: &'a Links, facts: &'a Facts) -> Context<'a> {
    Context {
        now: facts.now,
        links,
        organization: &settings.organization,
        over_limit: &facts.over_limit,
        enrolments: &facts.enrolments,
        documents: &facts.documents,
        others: &facts.others,
        pauses: &facts.pauses,
        sinks: &settings.sinks,
        poll_every: &settings.poll_every,
        told: &settings.told,
        invite_grace: INVITE_GRACE,
        consistency: &settings.consistency,
    }
}

/// Returns the settings of decisions, for a back-test.
pub(super) fn terms(settings: &Settings, links: &Links) -> Terms {
    Terms {
        links: links.clone(),
        organization: settings.organization.clone(),
        sinks: settings.sinks.clone(),
        poll_every: settings.poll_every.clone(),
        told: settings.told.clone(),
        invite_grace: INVITE_GRACE,
        consistency: settings.consistency.clone(),
        ..Terms::default()
    }
}

/// Returns the environment hash: a hash of what `here` takes from settings and links, and of the program version. Links
/// contribute only what every mail shows of their keys.
pub(super) fn under(settings: &Settings, links: &Links) -> String {
    let no_case = CaseId(String::new());
    let mut constants = json!([
        env!("CARGO_PKG_VERSION"),
        settings.organization,
        settings.sinks,
        settings
            .poll_every
            .each
            .iter()
            .map(|(name, every)| (name, every.num_milliseconds()))
            .collect::<Vec<_>>(),
        settings.consistency.iter().map(|(system, span)| (system, span.num_seconds())).collect::<Vec<_>>(),
        links.person(&no_case, crate::case::LinkKind::Verify, 0),
        settings.callback_secrets.keys().map(|name| links.callback(name, &no_case, 0)).collect::<Vec<_>>(),
    ]);
    // Without such a provider the hash stays what it was before there were any.
    if let Some(constants) = constants.as_array_mut().filter(|_| !settings.told.is_empty()) {
        constants.push(json!(settings.told));
    }
    HEXLOWER.encode(&Sha256::digest(constants.to_string().as_bytes())[..4])
}

struct Replay<'a> {
    settings: &'a Settings,
    links: &'a Links,
    under: String,
    policies: HashMap<Revision, Option<Arc<Policy>>>,
    /// Earlier records, which may have held revisions, are lost.
    lost: bool,
    found: Replayed,
}

impl Replay<'_> {
    fn look(&mut self, record: u64, commit: &Commit, before: &[Before]) {
        for stored in &commit.revisions {
            let policy = self.load(stored);
            self.policies.insert(stored.revision.clone(), policy);
        }
        for (changed, before) in commit.cases.iter().zip(before) {
            self.lost |= before.doubtful;
            if before.doubtful {
                self.found.unrecorded += 1;
            } else {
                self.decide(record, changed, before.case.as_ref());
            }
        }
    }

    fn load(&self, stored: &StoredRevision) -> Option<Arc<Policy>> {
        let files = stored.files.iter().map(|(path, text)| (path.clone(), Arc::from(text.as_bytes())));
        let files = Files(files.collect());
        let find = |known: &Known| policy::load(&files, known).set.policies.get(&stored.policy).cloned();
        // A name that was removed from the configuration since does not change past decisions.
        find(&self.settings.rollout.known)
            .or_else(|| find(&self.settings.rollout.known.of_any_configuration()))
    }

    fn decide(&mut self, record: u64, changed: &Changed, before: Option<&Case>) {
        let Some(recorded) = &changed.recorded else {
            self.found.unrecorded += 1;
            return;
        };
        if recorded.facts.under != self.under {
            self.found.elsewhere += 1;
            return;
        }
        let revision = &changed.case.revision;
        let held = |revision: &Revision| self.policies.contains_key(revision);
        if self.lost && !(held(revision) && before.is_none_or(|case| held(&case.revision))) {
            self.found.unrecorded += 1;
            return;
        }
        self.found.decided += 1;
        let difference = match self.policies.get(revision) {
            None => Some(format!("revision {} is not in the journal", revision.short())),
            Some(None) => Some(format!("revision {} has errors in this version", revision.short())),
            Some(Some(policy)) => {
                let here = here(self.settings, self.links, &recorded.facts);
                let old = before.and_then(|case| Some((case, self.policies.get(&case.revision)?.as_ref()?)));
                let moved = old.and_then(|(case, old)| recorded.migrate(case.clone(), old, policy, &here));
                let again = match moved {
                    Some(moved) => moved.map(|moved| moved.advance).map_err(|why| why.to_string()),
                    None => recorded.decide(before.cloned(), policy, &here).map_err(|why| why.to_string()),
                };
                match again {
                    Err(refused) => Some(format!("is refused now: {refused}")),
                    Ok(advance) => compare(&advance, changed),
                }
            }
        };
        let Some(difference) = difference else { return };
        self.found.different += 1;
        if self.found.differences.len() < NAMED {
            let place = format!("record {record}, case {}: {difference}", changed.case.id);
            self.found.differences.push(place);
        }
    }
}

/// Returns where the two serialized forms differ, or `None` if they are equal.
fn compare(now: &Advance, then: &Changed) -> Option<String> {
    let now = json!({ "case": now.case, "entries": now.entries, "effects": now.effects });
    let then = json!({ "case": then.case, "entries": then.entries, "effects": then.effects });
    // Compared as text: JSON values are equal whatever the order of their fields, bytes are not.
    let [new, old] = [&now, &then].map(Value::to_string);
    if new == old {
        return None;
    }
    let mut fields = Vec::new();
    for part in ["entries", "effects"] {
        if now[part] != then[part] {
            fields.push(part.to_owned());
        }
    }
    if let (Value::Object(now), Value::Object(then)) = (&now["case"], &then["case"]) {
        let differ = then.iter().filter(|(field, value)| now.get(*field) != Some(value));
        fields.extend(differ.map(|(field, _)| format!("case.{field}")));
    }
    if fields.is_empty() {
        fields.push("the order of fields".to_owned());
    }
    Some(format!("differs in {}", fields.join(", ")))
}
