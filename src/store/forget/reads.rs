//! Orders with their progress, certificates of rewritten segments, and deletions at providers.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::model::{DocumentUse, Forgotten, Timestamp};
use crate::store::Error;
use crate::store::commit::{Certified, Deletion, Redaction};
use crate::store::handle::Store;
use crate::store::journal::{self, End};
use crate::store::keys::{Key, Kind};
use crate::store::redact::hash;
use crate::store::shape::Stored;
use crate::store::state::State;

fn all<T: Stored>(state: &State, kind: Kind) -> Result<Vec<T>, Error> {
    let prefix = Key::new(kind).end();
    let mut found = Vec::new();
    state.walk(&prefix, &prefix, &mut |_, value| {
        found.push(value);
        true
    })?;
    Ok(found)
}

/// Returns the orders, oldest first.
pub(super) fn orders(state: &State) -> Result<Vec<Redaction>, Error> {
    all(state, Kind::Redaction)
}

/// A fulfilled order, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The record of the order.
    pub entry: u64,
    pub class: Forgotten,
    pub at: Timestamp,
    /// Records that it concerned; `None`: the journal still has to be rewritten.
    pub records: Option<u64>,
}

pub(in crate::store) fn done(state: &State) -> Result<Vec<Done>, Error> {
    let orders = orders(state)?.into_iter();
    let done =
        |Redaction { entry, order, records }| Done { entry, class: order.class, at: order.at, records };
    Ok(orders.map(done).collect())
}

/// A segment whose redacted records are not as they were certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Tampered {
    /// Its file has another hash.
    Hash(u64),
    /// It has redacted records, and no record says so.
    Uncertified(u64),
}

/// Compares segments that have redacted records with their certificates, except those that a salvage changed. A segment
/// without redacted records is proved by its chain: an import writes such ones. With pending orders, a segment may be
/// rewritten and not certified yet.
pub(in crate::store) fn certificates(
    journals: &Path,
    state: &State,
    end: &End,
) -> Result<Vec<Tampered>, Error> {
    let certified: Vec<Certified> = all(state, Kind::Certificate)?;
    if orders(state)?.iter().any(|order| order.records.is_none()) {
        return Ok(Vec::new());
    }
    let mut tampered = Vec::new();
    for Certified { segment, hash } in &certified {
        if end.redacted.contains(segment)
            && !end.gapped.contains(segment)
            && journal::seal_of(journals, *segment)? != *hash
        {
            tampered.push(Tampered::Hash(*segment));
        }
    }
    let unknown = |segment: &&u64| {
        !end.gapped.contains(segment) && !certified.iter().any(|known| known.segment == **segment)
    };
    tampered.extend(end.redacted.iter().filter(unknown).map(|segment| Tampered::Uncertified(*segment)));
    Ok(tampered)
}

impl Store {
    /// Returns the orders to remove data, oldest first.
    pub fn redactions(&self) -> Result<Vec<Redaction>, Error> {
        orders(self.state())
    }

    /// Returns the erasures of a person, found by the name.
    pub fn erasures_of(&self, person: &str) -> Result<Vec<Redaction>, Error> {
        let mut found = self.redactions()?;
        found.retain(|one| one.order.people.contains(&hash(&one.order.salt, person)));
        Ok(found)
    }

    /// Returns the uses of documents by a person, by the names under which the uses know them. Reads all uses.
    pub fn documents_of(&self, names: &BTreeSet<String>) -> Result<Vec<DocumentUse>, Error> {
        let mut shown: Vec<DocumentUse> = all(self.state(), Kind::Document)?;
        shown.retain(|shown| shown.person.iter().any(|name| names.contains(name)));
        Ok(shown)
    }

    /// Returns the deletions at verification providers, done and pending.
    pub fn deletions(&self) -> Result<Vec<Deletion>, Error> {
        all(self.state(), Kind::Deletion)
    }
}
