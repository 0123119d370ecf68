//! Finds texts in every file of a closed store: in its bytes, in the unpacked journal, and in the values of the state.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::store::directory::{journal_dir, lock};
use crate::store::journal::{self, Piece};
use crate::store::state::State;
use crate::store::{Error, keys, rebuild};

/// Where a text was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The bytes of a file.
    File(PathBuf),
    /// A record of the journal.
    Record(u64),
    /// A key of the state, in hexadecimal digits.
    Key(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Record(number) => write!(f, "record {number} of the journal"),
            Self::Key(key) => write!(f, "key {key} of the state"),
        }
    }
}

/// Returns each place with the index of the text that it holds. Texts are compared byte by byte.
pub fn search(dir: &Path, texts: &[String]) -> Result<Vec<(usize, Place)>, Error> {
    let _lock = lock(dir)?;
    let finders: Vec<_> = texts.iter().map(|text| memchr::memmem::Finder::new(text.as_bytes())).collect();
    let mut found = Vec::new();
    let mut look = |bytes: &[u8], place: &dyn Fn() -> Place| {
        for (number, finder) in finders.iter().enumerate() {
            if finder.find(bytes).is_some() {
                found.push((number, place()));
            }
        }
    };
    files(dir, &mut |path, bytes| look(bytes, &|| Place::File(path.to_owned())))?;
    journal::read(&journal_dir(dir), 1, &mut |piece| {
        if let Piece::Record(number, line) = piece {
            look(line, &|| Place::Record(number));
        }
        Ok(())
    })?;
    if rebuild::state_dir(dir).exists() {
        let state = State::open(&rebuild::state_dir(dir))?;
        for pair in state.pairs() {
            let (key, value) = pair?;
            let place = || Place::Key(keys::hex(&key));
            look(&key, &place);
            look(&value, &place);
        }
    }
    Ok(found)
}

fn files(dir: &Path, visit: &mut dyn FnMut(&Path, &[u8])) -> Result<(), Error> {
    let doing = || format!("reading {}", dir.display());
    for entry in std::fs::read_dir(dir).map_err(Error::io(doing()))? {
        let path = entry.map_err(Error::io(doing()))?.path();
        if path.is_dir() {
            files(&path, visit)?;
        } else {
            let bytes = std::fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?;
            visit(&path, &bytes);
        }
    }
    Ok(())
}
