//! Makes a store of an export: a new journal of the same records under the same numbers.

use std::path::Path;

use super::super::backup::{Origin, Target};
use super::super::commit::Body;
use super::super::directory::{journal_dir, make_dir, make_secret};
use super::super::journal::{End, Head, Journal};
use super::super::outside::Header;
use super::super::{Options, Restored, disk, shape};
use super::lines::{self, Line};
use crate::model::Timestamp;
use crate::store::Error;

/// Records and bytes of a frame.
const RECORDS: usize = 512;
const BYTES: usize = 1 << 20;
/// Characters of a secret.
const SECRET: usize = 64;

/// Makes a store of an export. `ended`: the last head of the original store, if an administrator knows it and nothing is
/// lost.
pub fn import(
    file: &Path,
    dir: &Path,
    now: Timestamp,
    reason: &str,
    ended: Option<Head>,
) -> Result<Restored, Error> {
    Target::build(dir, &mut |target| {
        let writer =
            lines::read(file, &mut |header| Writer::new(target, header, ended), &mut |writer, line| {
                writer.take(line)
            })?;
        let header = writer.finish()?;
        let origin = origin(&header, ended, reason);
        let doubtful = origin.settle(target, now)?;
        Ok(Restored {
            from: header.head,
            taken: header.taken,
            newest: header.newest,
            head: doubtful.head,
            complete: origin.is_complete()?,
            in_doubt: doubtful.cases,
            calls: doubtful.calls,
            new_secret: header.secret.is_none(),
        })
    })
}

fn origin<'a>(header: &Header, ended: Option<Head>, reason: &'a str) -> Origin<'a> {
    Origin {
        how: "imported from an export",
        taken: header.taken,
        newest: header.newest,
        head: header.head,
        losses: header.losses,
        ended,
        reason,
    }
}

/// Writes the new journal.
struct Writer {
    header: Header,
    journal: Journal,
    group: Vec<Vec<u8>>,
    bytes: usize,
    /// The sequence of the last record.
    last: u64,
}

impl Writer {
    fn new(target: &Path, header: &Header, ended: Option<Head>) -> Result<Self, Error> {
        // Before anything is read: a wrong head is refused at once.
        origin(header, ended, "").is_complete()?;
        let journals = journal_dir(target);
        make_dir(&journals)?;
        match &header.secret {
            Some(secret) => {
                if secret.len() != SECRET {
                    return Err(Error::Backup("the secret in the header is damaged".to_owned()));
                }
                disk::write_whole(&target.join("secret"), secret.as_bytes())?;
            }
            None => make_secret(target)?,
        }
        let journal = Journal::resume(&journals, Options::default(), &End::default())?;
        Ok(Self { header: header.clone(), journal, group: Vec::new(), bytes: 0, last: 0 })
    }

    /// Adds a line; returns the sequence of the last record so far.
    fn take(&mut self, line: Line<'_>) -> Result<u64, Error> {
        match line {
            Line::Record(line) => {
                self.last += 1;
                // A record that this program cannot read must not become the journal.
                if matches!(shape::decode(self.last, line)?, Body::Redact(_)) {
                    // Only records of sealed segments are redacted.
                    self.write()?;
                    let sealed = self.journal.end_segment();
                    sealed.map_err(|refusal| Error::Backup(refusal.to_string()))?;
                }
                let line = shape::renewed(self.last, line)?.into_owned();
                self.bytes += line.len();
                self.group.push(line);
                if self.group.len() >= RECORDS || self.bytes >= BYTES {
                    self.write()?;
                }
            }
            Line::Lost(lost) => {
                self.write()?;
                if lost.first != self.last + 1 || lost.last < lost.first {
                    return Err(Error::Backup(format!(
                        "the lost records {} to {} do not follow record {}; use another export",
                        lost.first, lost.last, self.last
                    )));
                }
                self.journal.skip(lost.last).map_err(|refusal| Error::Backup(refusal.to_string()))?;
                self.last = lost.last;
            }
        }
        Ok(self.last)
    }

    fn write(&mut self) -> Result<(), Error> {
        if self.group.is_empty() {
            return Ok(());
        }
        let records: Vec<&[u8]> = self.group.iter().map(Vec::as_slice).collect();
        self.journal.append(&records).map_err(|refusal| Error::Backup(refusal.to_string()))?;
        self.group.clear();
        self.bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Header, Error> {
        self.write()?;
        Ok(self.header)
    }
}
