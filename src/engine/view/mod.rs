//! From what the rooms below speak to what the API shows, one place for each shape. Every value is taken apart, so
//! that a new field or variant does not compile until it is shown or left out on purpose.
//!
//! | file | what |
//! |---|---|
//! | `cases` | cases, holds, migrations |
//! | `journal` | entries |
//! | `sweeps` | runs of sweeps |
//! | `traces` | clauses with their values |

mod cases;
mod journal;
mod sweeps;
mod traces;

pub(super) use cases::calls;
