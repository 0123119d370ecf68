//! Converts types of the lower rooms to types of the API, one place for each shape. Every value is destructured: a new
//! field or variant does not compile until it is shown or left out on purpose.
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

pub(super) use cases::{calls, decisions, registered, review};
