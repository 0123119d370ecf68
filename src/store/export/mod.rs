//! Exports: a whole store as JSON Lines, for moving it to another program version, machine or storage.
//!
//! The first line is the header, then follow the records of the journal in order, each as one line of its shape, then
//! the end with their number and a hash of all lines before it. Lost records are one line with their numbers.
//!
//! | file | what |
//! |---|---|
//! | `lines` | header and end; hashing, compressed streams |
//! | `import` | makes a store of an export |

mod import;
mod lines;

use std::path::Path;

use super::directory::{journal_dir, secret};
use super::journal::{self, Head, Piece};
use super::mark::{self, Found};
use super::outside::{Header, Lost};
use super::{Error, shape};
use crate::model::Timestamp;
pub use import::import;
use lines::Exporter;

/// The result of an export.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    pub records: u64,
    #[serde(serialize_with = "super::backup::as_text")]
    pub head: Head,
    /// The secret is in the file.
    pub secret: bool,
}

/// Writes an export up to the mark; the store may be open. The file must not exist.
pub fn export(store: &Path, to: &Path, now: Timestamp, with_secret: bool) -> Result<Exported, Error> {
    let Found::Read { mark, .. } = mark::read(store)? else {
        let path = store.join("mark");
        return Err(Error::Backup(format!(
            "the high-water mark {} is missing or damaged; the store has lost it, or this is no store",
            path.display()
        )));
    };
    let mut header = Header::new(now, mark.at, mark.head, mark.losses);
    if with_secret {
        header.secret = Some(secret(store)?.expose().to_owned());
    }
    if to.exists() {
        return Err(Error::Backup(format!("{} exists; choose another name", to.display())));
    }
    let records = lines::whole(to, &mut |exporter| {
        exporter.header(&header)?;
        records(store, mark.head, exporter)
    })?;
    Ok(Exported::new(records, &header))
}

fn records(store: &Path, head: Head, exporter: &mut Exporter<'_>) -> Result<u64, Error> {
    let journals = journal_dir(store);
    let (mut next, mut found) = (1, head == Head::default());
    journal::read(&journals, 1, &mut |piece| {
        match piece {
            Piece::Record(sequence, line) if sequence <= head.sequence => {
                skip(exporter, &mut next, sequence)?;
                exporter.line(&shape::renewed(sequence, line)?)?;
                next = sequence + 1;
            }
            // Written after the mark was read.
            Piece::Record(..) => {}
            Piece::Frame(passed) => found |= passed == head,
        }
        Ok(())
    })?;
    skip(exporter, &mut next, head.sequence + 1)?;
    if found {
        return Ok(head.sequence);
    }
    Err(Error::Backup(format!(
        "the journal {} does not contain the record of the high-water mark, {head}; the store has lost records, and \
         the daemon reports which",
        journals.display()
    )))
}

/// Writes a line for records that an earlier salvage lost.
fn skip(exporter: &mut Exporter<'_>, next: &mut u64, to: u64) -> Result<(), Error> {
    if *next < to {
        exporter.lost(Lost { first: *next, last: to - 1 })?;
        *next = to;
    }
    Ok(())
}

impl Exporter<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.to.write_all(line).map_err(Error::io("writing the export"))
    }
}
