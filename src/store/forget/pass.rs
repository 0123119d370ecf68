//! Rewrites segments as pending orders demand, and certifies the result. Safe to interrupt: a segment is replaced in one
//! step, an order stays pending until its certificate is in the journal, and a repeated pass changes nothing twice.

use std::path::Path;
use std::sync::Arc;

use super::reads::orders;
use crate::model::Timestamp;
use crate::store::commit::{Body, Certified, Fulfilled, Redact, Redacted, Redaction};
use crate::store::committer::Until;
use crate::store::directory::journal_dir;
use crate::store::handle::Store;
use crate::store::redact::{Events, Who, alias, hash, names, record};
use crate::store::{Error, Options, disk, journal, shape};

impl Redact {
    /// Names the persons of an order, by their keys: hashed, with a new salt.
    pub fn naming(mut self, people: &[String]) -> Result<Self, Error> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::io("asking the system for random bytes")(std::io::Error::other(error)))?;
        self.salt = data_encoding::HEXLOWER.encode(&bytes);
        self.people =
            people.iter().flat_map(|person| names(person)).map(|name| hash(&self.salt, &name)).collect();
        self.aliases = people.iter().map(|person| alias(&self.salt, person)).collect();
        self.known = people.to_vec();
        Ok(self)
    }

    /// Proves later what was removed, without holding it.
    #[must_use]
    pub fn proving(mut self, removed: &str) -> Self {
        self.digest = hash(&self.salt, removed);
        self
    }
}

impl Store {
    /// Removes data from the state, durably. `finish_redactions` removes it from the files.
    pub async fn redact(&self, order: Redact) -> Result<(), Error> {
        self.submit(Body::Redact(Box::new(order)), Until::Visible).await
    }

    /// Notes an attempt to delete an account at a provider.
    pub async fn note_deletion(&self, deletion: crate::store::Deletion) -> Result<(), Error> {
        self.submit(Body::Deletion(deletion), Until::Visible).await
    }

    /// Removes what pending orders name from the journal and from the state's files. Returns the number of orders that
    /// were fulfilled.
    pub async fn finish_redactions(&self, now: Timestamp) -> Result<usize, Error> {
        let _one = self.shared.rewriting.lock().await;
        let shared = Arc::clone(&self.shared);
        let rewritten = tokio::task::spawn_blocking(move || {
            let pending = pending(orders(&shared.state)?);
            if pending.is_empty() { Ok(None) } else { pass(&shared.dir, &shared.options, &pending).map(Some) }
        });
        let Some((segments, orders)) = rewritten.await.map_err(|_| Error::Closed)?? else { return Ok(0) };
        self.rewrite_state().await?;
        let fulfilled = orders.len();
        self.submit(Body::Redacted(Redacted { at: now, segments, orders }), Until::Visible).await?;
        Ok(fulfilled)
    }
}

fn pending(mut orders: Vec<Redaction>) -> Vec<Redaction> {
    orders.retain(|order| order.records.is_none());
    orders
}

/// Rewrites every sealed segment from before the orders. An order is the first record of its segment.
fn pass(
    dir: &Path,
    options: &Options,
    pending: &[Redaction],
) -> Result<(Vec<Certified>, Vec<Fulfilled>), Error> {
    let journals = journal_dir(dir);
    let newest = pending.iter().map(|order| order.entry).max().unwrap_or_default();
    let mut work: Vec<Work<'_>> = pending.iter().map(Work::new).collect();
    let mut certified = Vec::new();
    let (sealed, open) = journal::sealed(&journals)?;
    if open < newest {
        return Err(Error::Damaged(format!(
            "the order {newest} to remove data is not the start of a segment"
        )));
    }
    for (segment, first) in sealed {
        if first >= newest {
            continue;
        }
        let done = journal::rewrite(&journals, segment, options, &mut |sequence, line| {
            redacted(sequence, line, &mut work)
        })?;
        if done.redacted {
            certified.push(Certified { segment, hash: done.hash });
        }
    }
    let fulfilled = work.iter().map(|work| Fulfilled { entry: work.entry, records: work.records });
    Ok((certified, fulfilled.collect()))
}

/// An order during a pass.
struct Work<'a> {
    entry: u64,
    who: Who<'a>,
    events: Events,
    records: u64,
}

impl<'a> Work<'a> {
    fn new(redaction: &'a Redaction) -> Self {
        let who = Who::new(&redaction.order);
        Self { entry: redaction.entry, who, events: Events::default(), records: 0 }
    }
}

/// Returns the new line of a record, if an order changes it.
fn redacted(sequence: u64, line: &[u8], work: &mut [Work<'_>]) -> Result<Option<Vec<u8>>, Error> {
    let mut body = shape::decode(sequence, line)?;
    let mut concerned = false;
    for work in work.iter_mut().filter(|work| sequence < work.entry) {
        let concerns = record(&mut body, &work.who, &mut work.events).map_err(|why| {
            Error::Damaged(format!("record {sequence} of the journal cannot be redacted: {why}"))
        })?;
        work.records += u64::from(concerns);
        concerned |= concerns;
    }
    if !concerned {
        return Ok(None);
    }
    let new = shape::encode(&body)?;
    Ok((new != line).then_some(new))
}

/// Removes the temporary files of an interrupted pass.
pub(in crate::store) fn clear_temporary(dir: &Path) {
    let journals = journal_dir(dir);
    let entries = std::fs::read_dir(&journals).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().extension().is_some_and(|ends| ends == "tmp")) {
        if let Err(error) = disk::remove(&entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "removing a temporary file failed");
        }
    }
}
