//! Reads of the decision log, by person and by policy.

use crate::model::{Event, Timestamp};
use crate::store::Error;
use crate::store::asked::{of_person, of_policy};
use crate::store::commit::{Asked, Class};
use crate::store::handle::Store;
use crate::store::keys::{self, Key, Kind};
use crate::store::values::Pointer;

impl Store {
    /// Returns an event that a policy evaluated, as long as its verdicts are kept.
    pub fn event(&self, key: &str) -> Result<Option<Event>, Error> {
        self.state().value(&keys::heard(key))
    }

    /// Returns a policy's verdicts on a person until a time, newest first.
    pub fn asked(
        &self,
        person: &str,
        policy: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Asked>, Error> {
        let prefix = of_person(person, policy);
        let from = prefix.clone().time_descending(until).end();
        self.some(&prefix.end(), &from, limit)
    }

    /// Returns the policies with kept verdicts on a person.
    pub fn policies_asked(&self, person: &str) -> Result<Vec<String>, Error> {
        let prefix = Key::new(Kind::Asked).text(person).end();
        let mut from = prefix.clone();
        let mut policies = Vec::new();
        loop {
            let Some(first) = self.some::<Asked>(&prefix, &from, 1)?.pop() else { return Ok(policies) };
            from = keys::after(&of_person(person, &first.said.policy).end());
            policies.push(first.said.policy);
        }
    }

    /// Returns a policy's verdicts of one class, newest first.
    pub fn asked_of(&self, policy: &str, class: Class, limit: usize) -> Result<Vec<Asked>, Error> {
        let prefix = of_policy(policy, class).end();
        let pointers: Vec<Pointer> = self.some(&prefix, &prefix, limit)?;
        let mut found = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            found.extend(self.state().value::<Asked>(&pointer.key)?);
        }
        Ok(found)
    }
}
