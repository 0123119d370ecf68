//! Removes data of people from the files of an open store, as orders demand, and reports about it.
//!
//! | file | what |
//! |---|---|
//! | `pass` | rewrites segments |
//! | `reads` | orders, certificates, deletions at providers |
//! | `search` | finds texts in every file, raw and unpacked |
//! | `leftovers` | files that were set aside and cannot be rewritten |

mod leftovers;
mod pass;
mod reads;
mod search;

pub use leftovers::Leftovers;
pub use reads::Done;
pub use search::{Place, search};

pub(super) use pass::clear_temporary;
pub(super) use reads::{Tampered, certificates, done};
