//! Policies: from files to a compiled policy that a case can walk along. Pure: takes bytes and facts, and must not
//! know disk, clock or network.
//!
//! | file | what |
//! |---|---|
//! | `files` | the bytes of a policy tree, and the revision that names a part of it |
//! | `source` | YAML files of the tree as nodes with places, and their errors as diagnostics |
//! | `grammar` | the keys and verbs, as a table that also generates the published schema |
//! | `known` | names that the configuration has |
//! | `load` | files to a checked `PolicySet`: names resolve, outcomes are handled, paths end |
//! | `choices` | the closed choices of keys, such as modes and days |
//! | `tree` | the compiled policy: steps, branches, limits |
//! | `outcome` | how steps and cases end, where the language fixes the words |
//! | `endings` | how each kind of step can end |
//! | `graph` | the edges between steps, for everything that walks a policy |
//! | `people` | teams, queues and their working hours |
//! | `effect` | changes and messages of a step, as written and as resolved |
//! | `resolve` | effects with their values resolved; results of `act` functions |
//! | `effects` | what a policy can do, to which subjects and by which path; the difference to another revision |
//! | `schedule` | when sweeps run: wall times of a zone, and their instants |
//! | `sweep` | which people are due in a sweep |
//! | `schema` | the fields of events and subjects |
//! | `given` | made-up fields for dry runs, and their checks |
//! | `script` | clauses, functions and `${...}` in Rhai |
//! | `template` | mails |
//! | `lint` | valid input that has no effect, or another effect than was probably meant |
//! | `tests` | policy tests as read |
//! | `outline` | the meaning of each name in the files, for editors |
//! | `diagnostic` | an error with its place, and its rendering |
//! | `unread` | entries of a tree that are not read |
//! | `codes` | every diagnosis by number, with the page that explains it |
//! | `sarif` | diagnostics for code review and editors |

pub mod choices;
pub mod codes;
pub mod diagnostic;
pub mod effect;
pub mod effects;
mod endings;
pub mod files;
pub mod given;
pub mod grammar;
pub mod graph;
mod known;
mod lint;
pub mod load;
pub mod outcome;
pub mod outline;
pub mod people;
pub mod resolve;
pub mod sarif;
pub mod schedule;
pub mod schema;
pub mod script;
pub mod source;
pub mod sweep;
pub mod template;
pub mod tests;
pub mod tree;
mod unread;

pub use diagnostic::{Diagnostic, Severity};
pub use files::{Files, Revision};
pub use known::{Known, Source};
pub use load::{Loaded, Loader, PolicySet, load};
pub use tree::{Mode, Policy};
pub use unread::{Unread, load_tree};
