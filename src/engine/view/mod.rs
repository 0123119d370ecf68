//! From what the rooms below speak to what the API shows, one place for each shape. Every value is taken apart, so
//! that a new field or variant does not compile until it is shown or left out on purpose.
//!
//! | file | what |
//! |---|---|
//! | `cases` | cases, holds, migrations |
//! | `journal` | entries |
//! | `effects` | effects sheets and their differences |
//! | `past` | back-tests |
//! | `policies` | status, diagnostics, sweeps |
//! | `traces` | clauses with their values |

mod cases;
mod effects;
mod journal;
mod past;
mod policies;
mod traces;

pub(super) use cases::calls;

/// Converts each element.
pub(super) fn all<A, B: From<A>>(list: impl IntoIterator<Item = A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}
