//! Registered values that proofs depend on: the values that a document was compared with. An effect that grants access,
//! gives something back or cannot be undone needs a proof whose values are unchanged. A pass of an earlier case also
//! counts only then.
//!
//! A case and a pass keep fingerprints of the canonical values: another spelling with the same canonical form is equal.

use std::collections::BTreeMap;

use super::comparison::canonical;
use super::transition::{Transition, Trouble};
use super::walk::limited;
use crate::model::{EffectKind, Fields, Fingerprints, Lane, Nature, Pass, Snapshot, Subject, SubjectKind};
use crate::policy::tree::{Verb, Verify};

/// Returns fingerprints of a person's registered values, by field.
pub fn fingerprints(
    fingerprints: &Fingerprints,
    fields: &[String],
    subject: &Subject,
) -> BTreeMap<String, String> {
    let of = |field: &String| (field.clone(), fingerprint(fingerprints, field, subject));
    fields.iter().map(of).collect()
}

fn fingerprint(fingerprints: &Fingerprints, field: &str, subject: &Subject) -> String {
    fingerprints.registered(field, canonical(field, subject).as_deref())
}

/// Returns whether every value that a pass was compared with is still registered unchanged.
pub(super) fn unchanged(pass: &Pass, person: &Subject, prints: &Fingerprints) -> bool {
    pass.compared.iter().all(|(field, then)| fingerprint(prints, field, person) == *then)
}

/// Returns whether a pass compared every field that a step compares, except optional fields without a value.
pub(super) fn covers(pass: &Pass, verify: &Verify, person: &Subject) -> bool {
    verify.compare.iter().all(|field| {
        let may_miss = verify.optional.contains(field) && canonical(field, person).is_none();
        pass.compared.contains_key(field) || may_miss
    })
}

/// How an effect depends on the compared values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rests {
    Not,
    /// The identity provider's connector compares again when it acts.
    There,
    /// The executing system does not hold the registration: the person is read immediately before.
    Context,
}

fn rests(effect: EffectKind) -> Rests {
    match effect.nature() {
        Nature::Withholds | Nature::Asks | Nature::Notifies => Rests::Not,
        // A target system holds none of the identity provider's data.
        Nature::Ends | Nature::Lifts | Nature::Gives if effect.row().lane == Lane::Provisioning => {
            Rests::Context
        }
        Nature::Ends | Nature::Lifts | Nature::Gives => Rests::There,
    }
}

/// Returns the dependency of a step; among the actions that a function may return the strictest counts.
fn step_rests(verb: &Verb) -> Rests {
    limited(verb).into_iter().chain(verb.may().iter().copied()).map(rests).max().unwrap_or(Rests::Not)
}

impl Transition<'_> {
    /// Returns the person's latest record.
    pub fn person_now(&self) -> &Subject {
        self.case.seen.as_ref().unwrap_or(&self.case.subject)
    }

    /// Adds values that the case depends on from now on.
    pub fn rest_on(&mut self, compared: BTreeMap<String, String>) {
        self.case.compared.extend(compared);
    }

    /// Returns whether the person must be read before a step: the record differs from the compared values, or
    /// the effect needs a fresh record.
    pub fn must_compare(&self, verb: &Verb) -> bool {
        let needed = match step_rests(verb) {
            Rests::Not => false,
            Rests::There => self.changed().is_some(),
            Rests::Context => !self.case.compared.is_empty(),
        };
        needed && self.can_reread()
    }

    /// Returns whether reading the person now could give new data. Applicants are in no identity provider.
    pub fn can_reread(&self) -> bool {
        self.case.seen_at != Some(self.now()) && self.case.subject.kind != SubjectKind::Applicant
    }

    /// Returns the first field whose value differs from the compared one.
    fn changed(&self) -> Option<&str> {
        let (prints, person) = (self.context.links.fingerprints(), self.person_now());
        let differs = |(field, then): &(&String, &String)| fingerprint(prints, field, person) != **then;
        self.case.compared.iter().find(differs).map(|(field, _)| field.as_str())
    }

    /// Returns what the identity provider must hold for an effect that depends on the case's proof.
    pub fn proven_snapshot(&self) -> Result<Snapshot, Trouble> {
        self.still_as_compared()?;
        let person = self.person_now();
        let value = |field: &String| (field.clone(), person.registered(field).map(str::to_owned));
        let compared = self.case.compared.keys().map(value).collect();
        Ok(Snapshot { compared, ..self.case.snapshot() })
    }

    /// Refuses an effect if a compared value changed since the proof.
    pub fn still_as_compared(&self) -> Result<(), Trouble> {
        match self.changed() {
            None => Ok(()),
            Some(field) => Err(format!(
                "{field} of the person changed since it was compared with their document; nothing was done. \
                 Cancel the case, and have the person verified again"
            )),
        }
    }

    /// Excludes attributes that the policy itself sets from the comparison.
    pub fn set_by_us(&mut self, attributes: &Fields) {
        for name in attributes.keys() {
            self.case.compared.remove(name.strip_prefix("attributes.").unwrap_or(name));
        }
    }
}
