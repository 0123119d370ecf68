//! The keys and verbs of policy files in one table. Both the check of a file (`check`) and the published JSON Schema
//! (`schema`) use it, which keeps them consistent. Knows shapes only; `load` checks whether names resolve.

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
pub use kind::{Key, Kind, NameKind, Names, Shape};
pub use names::{Site, key_naming, visit};
pub use policy::{BLOCKS, CALENDAR, PEOPLE, POLICY, QUEUE, TEAM, VERIFICATION, VERIFICATIONS, shape_of};
pub use renamed::current;
pub use schema::json_schema;
pub use tests::TESTS;
pub use verbs::{EXECUTED_CHANNELS, Outcomes, Rule, STEP_KEYS, VerbRule, step_verb, verb, verbs};
