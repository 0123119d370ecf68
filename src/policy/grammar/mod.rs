//! The keys and verbs of policy files as one table. Reading a file (`check`) and the published JSON Schema
//! (`schema`) are both driven by it, so the two cannot disagree. It knows shapes; whether names resolve is
//! `load`'s business.

mod check;
mod kind;
mod names;
mod policy;
mod renamed;
mod schema;
mod span;
mod tests;
mod verbs;

pub use check::{check, hours, is_call, mistakes, not_yet};
pub use kind::{Key, Kind, Names, Shape, Thing};
pub use names::{Site, key_naming, visit};
pub use policy::{BLOCKS, CALENDAR, PEOPLE, POLICY, QUEUE, TEAM, VERIFICATION, VERIFICATIONS, shape_of};
pub use renamed::current;
pub use schema::json_schema;
pub use tests::{MOVES, TESTS};
pub use verbs::{EXECUTED_CHANNELS, Outcomes, Rule, STEP_KEYS, VerbRule, step_verb, verb, verbs};
