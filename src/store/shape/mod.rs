//! The shapes on disk: how each type that is stored is written and read. Everything that lies in the journal and
//! in the state goes through `Stored`, and nothing of it depends on how other rooms name their types.
//!
//! A shape is a table: the name on disk, the field of the type, and what it is. A field or a variant that a type
//! has and its table has not does not compile, and neither does one that was renamed; the names on disk stay.
//!
//! | file | what |
//! |---|---|
//! | `table` | `record!`, `choice!`, `words!` and `wrapped!`: from a table to reading and writing |
//! | `plain` | texts, numbers, times, lists and maps |
//! | `person` | people, their events, what providers know of them |
//! | `call` | calls and how they end, effects that a case still has to do |
//! | `case` | cases |
//! | `entry` | entries of a case's journal |
//! | `cause` | what a decision was made from |
//! | `commit` | everything that a commit may hold |
//! | `policy` | policies: revisions, what was said about them and what they said |
//! | `state` | what only the state holds |
//! | `line` | a record of the journal |
//! | `page` | the part of a commit from which the past is read |
//! | `old` | records of earlier versions, brought to this one |

mod call;
mod case;
mod cause;
mod commit;
mod entry;
mod line;
mod old;
pub mod page;
mod person;
#[cfg(test)]
mod pinned;
mod plain;
mod policy;
mod state;
mod table;

pub(super) use line::{decode, encode, part};
pub(super) use state::{state_of, state_word};
pub(super) use table::{By, Member};

use serde::{Deserializer, Serializer};

use super::Error;

/// The version of all shapes. `CONTRIBUTING.md` says how to add one.
pub(super) const VERSION: u32 = 3;

/// Has a shape on disk. Only the tables of this directory implement it.
pub(super) trait Stored: Sized {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;

    /// Empty, none, false or zero: a record leaves such a member out.
    fn is_nothing(&self) -> bool {
        false
    }

    /// What a member is that was left out. `None`: it has to be there.
    fn nothing() -> Option<Self> {
        None
    }

    /// Adds the shape, and those that it is made of.
    #[cfg(test)]
    fn describe(all: &mut pinned::Shapes);
}

/// A value of the state.
pub(super) fn json(value: &impl Stored) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&By(value)).map_err(|error| Error::io("writing JSON")(error.into()))
}

pub(super) fn from_json<T: Stored>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok().map(|By(value)| value)
}
