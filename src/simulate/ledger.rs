//! The requests that changed the simulated systems and their results: an append-only record. Tests compare it
//! with the daemon's state. This module must not know any simulator.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Timestamp;

/// The simulated system that wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum System {
    #[serde(rename = "onelogin")]
    OneLogin,
    #[serde(rename = "jumio")]
    Jumio,
    #[serde(rename = "mail")]
    Mail,
    #[serde(rename = "office")]
    Office,
}

/// One request for a change, and its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub at: Timestamp,
    pub system: System,
    /// `noun.verb`, e.g. `user.approve`.
    pub what: String,
    /// The id of the changed object in that system.
    pub subject: String,
    /// Whether anything changed: false for a refusal and for a request without an effect.
    pub applied: bool,
    pub detail: Value,
}

/// An append-only list of records. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Pages>>,
}

#[derive(Debug, Default)]
struct Pages {
    records: Vec<Record>,
    file: Option<File>,
}

impl Ledger {
    /// A ledger in memory, which exists as long as its clones.
    pub fn memory() -> Self {
        Self::default()
    }

    /// A ledger that is also appended to a file, one JSON object per line. Records already in the file are kept and
    /// are part of [`Ledger::records`].
    pub fn file(path: &Path) -> io::Result<Self> {
        let records = if path.exists() { Self::read(path)? } else { Vec::new() };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { inner: Arc::new(Mutex::new(Pages { records, file: Some(file) })) })
    }

    /// Reads a ledger that another process writes. An incomplete last line is ignored.
    pub fn read(path: &Path) -> io::Result<Vec<Record>> {
        let text = std::fs::read_to_string(path)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
    }

    /// Appends a record: with a single write to the file, so a reader never sees a partial mix of two records.
    pub fn append(&self, record: Record) {
        let mut pages = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut pages.file
            && let Err(error) = write_line(file, &record)
        {
            tracing::error!(%error, "the ledger's file could not be written; the record is kept in memory");
        }
        pages.records.push(record);
    }

    /// All records, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).records.clone()
    }
}

fn write_line(file: &mut File, record: &Record) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Record, System};

    #[test]
    fn a_reader_gets_whole_lines_and_a_reopened_ledger_continues() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let record = |what: &str| Record {
            at: chrono::DateTime::UNIX_EPOCH,
            system: System::OneLogin,
            what: what.into(),
            subject: "5001".into(),
            applied: true,
            detail: serde_json::json!({"n": 1}),
        };
        let ledger = Ledger::file(&path).unwrap();
        ledger.append(record("user.approve"));
        std::fs::write(&path, format!("{}{{\"at\":", std::fs::read_to_string(&path).unwrap())).unwrap();
        assert_eq!(Ledger::read(&path).unwrap(), [record("user.approve")]);

        let other = dir.path().join("other.jsonl");
        Ledger::file(&other).unwrap().append(record("user.approve"));
        let again = Ledger::file(&other).unwrap();
        again.append(record("user.delete"));
        assert_eq!(again.records(), [record("user.approve"), record("user.delete")]);
        assert_eq!(Ledger::read(&other).unwrap(), again.records());
    }
}
