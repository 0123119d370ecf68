//! What proofs rest on: the registered values that a document was compared with. An effect that lets somebody
//! in, gives something back or cannot be undone is done on the strength of a proof only while these values are
//! the same; so does a pass of an earlier case count only then.
//!
//! A case and a pass keep fingerprints of the values in their canonical form, so another spelling that compares
//! the same is the same.

use std::collections::BTreeMap;

use super::comparison::canonical;
use super::transition::{Transition, Trouble};
use super::walk::limited;
use crate::model::{EffectKind, Fields, Fingerprints, Lane, Nature, Pass, Snapshot, Subject, SubjectKind};
use crate::policy::tree::{Verb, Verify};

/// Fingerprints of a person's registered values, by field.
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

/// Whether everything that a pass was compared with is still registered so.
pub(super) fn unchanged(pass: &Pass, person: &Subject, prints: &Fingerprints) -> bool {
    pass.compared.iter().all(|(field, then)| fingerprint(prints, field, person) == *then)
}

/// Whether a pass was compared with everything that a step compares. What may be missing can be missing.
pub(super) fn covers(pass: &Pass, verify: &Verify, person: &Subject) -> bool {
    verify.compare.iter().all(|field| {
        let may_miss = verify.optional.contains(field) && canonical(field, person).is_none();
        pass.compared.contains_key(field) || may_miss
    })
}

/// How an effect depends on the values that were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rests {
    Not,
    /// The identity provider's connector compares again when it acts.
    There,
    /// What acts does not know the registration, so the person is read right before.
    Context,
}

fn rests(effect: EffectKind) -> Rests {
    match effect.nature() {
        Nature::Withholds | Nature::Asks | Nature::Tells => Rests::Not,
        // A target system knows nothing of what the identity provider holds.
        Nature::Ends | Nature::Lifts | Nature::Gives if effect.row().lane == Lane::Provisioning => {
            Rests::Context
        }
        Nature::Ends | Nature::Lifts | Nature::Gives => Rests::There,
    }
}

/// The same for a step; of the actions that a function may return the strictest counts.
fn step_rests(verb: &Verb) -> Rests {
    limited(verb).into_iter().chain(verb.may().iter().copied()).map(rests).max().unwrap_or(Rests::Not)
}

impl Transition<'_> {
    /// The person as they were read last.
    pub fn person_now(&self) -> &Subject {
        self.case.seen.as_ref().unwrap_or(&self.case.subject)
    }

    /// From now on the case rests on what these values are.
    pub fn rest_on(&mut self, compared: BTreeMap<String, String>) {
        self.case.compared.extend(compared);
    }

    /// Whether the person has to be read before a step: what is known of them is not what was compared, or is
    /// not fresh enough for an effect that nobody compares again.
    pub fn must_compare(&self, verb: &Verb) -> bool {
        let needed = match step_rests(verb) {
            Rests::Not => false,
            Rests::There => self.changed().is_some(),
            Rests::Context => !self.case.compared.is_empty(),
        };
        needed && self.can_reread()
    }

    /// Whether reading the person now could tell anything new. Nobody can be asked about an applicant.
    pub fn can_reread(&self) -> bool {
        self.case.seen_at != Some(self.now()) && self.case.subject.kind != SubjectKind::Applicant
    }

    /// The first field whose value is not the one that was compared.
    fn changed(&self) -> Option<&str> {
        let (prints, person) = (self.context.links.fingerprints(), self.person_now());
        let differs = |(field, then): &(&String, &String)| fingerprint(prints, field, person) != **then;
        self.case.compared.iter().find(differs).map(|(field, _)| field.as_str())
    }

    /// What the identity provider must hold for an effect that rests on the case's proof.
    pub fn proven_snapshot(&self) -> Result<Snapshot, Trouble> {
        self.still_as_compared()?;
        let person = self.person_now();
        let value = |field: &String| (field.clone(), person.registered(field).map(str::to_owned));
        let compared = self.case.compared.keys().map(value).collect();
        Ok(Snapshot { compared, ..self.case.snapshot() })
    }

    /// An effect is not done on the strength of a proof of what somebody was called before.
    pub fn still_as_compared(&self) -> Result<(), Trouble> {
        match self.changed() {
            None => Ok(()),
            Some(field) => Err(format!(
                "{field} of the person changed since it was compared with their document; nothing was done. \
                 Cancel the case, and have the person verified again"
            )),
        }
    }

    /// What the policy itself sets is not held against the person.
    pub fn set_by_us(&mut self, attributes: &Fields) {
        for name in attributes.keys() {
            self.case.compared.remove(name.strip_prefix("attributes.").unwrap_or(name));
        }
    }
}
