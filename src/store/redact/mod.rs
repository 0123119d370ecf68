//! Removes data of people from records and from the state. `forget` removes it from the files.
//!
//! An order (`Body::Redact`) is a record. Its projection removes the data from the state. Later the sealed segments are
//! rewritten, and a second record (`Body::Redacted`) holds the hashes of the rewritten files. `docs/decisions/0016`
//! explains the design.
//!
//! The projection is canonical: the state after an order is the same, whether earlier records were redacted or not. A
//! rebuild from a redacted journal therefore gives an equal state, key by key.
//!
//! | file | what |
//! |---|---|
//! | `who` | whom and what an order concerns, without their names |
//! | `strip` | cases and entries without evidence, or as skeletons |
//! | `record` | a record of the journal as an order leaves it |
//! | `project` | the state as an order leaves it |
//! | `decisions` | the decision log as an order leaves it |

mod decisions;
mod project;
mod record;
mod strip;
mod who;

pub(super) use project::{apply, certify, note_deletion};
pub(super) use record::{Events, record};
pub(super) use who::{Who, alias, hash, names};
