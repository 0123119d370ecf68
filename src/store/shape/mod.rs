//! The format of stored data: how each type is written and read. All data of the journal and the state uses `Stored`;
//! type names in other rooms do not affect the format.
//!
//! A shape is a table: the name on disk, the field, and its type. A field or variant that is missing from the table or
//! was renamed does not compile; names on disk are constant.
//!
//! | file | what |
//! |---|---|
//! | `table` | `record!`, `choice!`, `words!` and `wrapped!`: generate reading and writing from a table |
//! | `plain` | texts, numbers, times, lists and maps |
//! | `person` | people, their events, provider data about them |
//! | `call` | calls and their results, pending effects of a case |
//! | `case` | cases |
//! | `entry` | entries of a case's journal |
//! | `cause` | inputs of a decision |
//! | `commit` | content of a commit |
//! | `policy` | policies: revisions, orders about them and verdicts |
//! | `redact` | records that remove data of people |
//! | `state` | data that only the state holds |
//! | `line` | a record of the journal |
//! | `page` | the part of a commit that back-tests read |
//! | `outside` | manifests of backups, lines of exports |
//! | `old` | converts records of earlier versions to this one |

mod call;
mod case;
mod cause;
mod commit;
mod entry;
mod line;
mod old;
mod outside;
pub mod page;
mod person;
#[cfg(test)]
mod pinned;
mod plain;
mod policy;
mod redact;
mod state;
mod table;

pub(super) use line::{decode, encode, part, renewed};
pub(super) use state::{state_of, state_word};
pub(super) use table::{By, Member};

use serde::{Deserializer, Serializer};

use super::Error;

/// The version of all shapes. `CONTRIBUTING.md` explains how to add one.
pub(super) const VERSION: u32 = 5;

/// A type with a shape on disk. Only the tables of this directory implement it.
pub(super) trait Stored: Sized + Clone + Send + Sync + 'static {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;

    /// Returns whether the value is empty, none, false or zero: a record omits such a member.
    fn is_nothing(&self) -> bool {
        false
    }

    /// Returns the value of an omitted member. `None`: the member is required.
    fn nothing() -> Option<Self> {
        None
    }

    /// Adds the shape, and the shapes of its members.
    #[cfg(test)]
    fn describe(all: &mut pinned::Shapes);
}

/// Encodes a value of the state.
pub(super) fn json(value: &impl Stored) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&By(value)).map_err(|error| Error::io("writing JSON")(error.into()))
}

pub(super) fn from_json<T: Stored>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok().map(|By(value)| value)
}
