//! Policies: from files to something that a case can walk along. Pure: it is handed bytes and facts, and
//! knows no disk, clock or network.
//!
//! | file | what |
//! |---|---|
//! | `files` | the bytes of a policy tree, and the revision that names a part of it |
//! | `source` | YAML files of the tree as nodes with places, and their mistakes as diagnostics |
//! | `grammar` | the keys and verbs, as a table that also makes the published schema |
//! | `known` | names that the configuration has |
//! | `load` | files to a checked `PolicySet`: names resolve, outcomes are handled, paths end |
//! | `tree` | the compiled policy: steps, branches, limits |
//! | `outcome` | how steps and cases end, where the language fixes the words |
//! | `endings` | how each kind of step can end |
//! | `graph` | the ways on from each step; what walks a policy walks on it |
//! | `people` | teams, queues and when they work |
//! | `effect` | what a step changes or tells, as written and as resolved |
//! | `resolve` | effects with their values worked out; what an `act` function returned |
//! | `effects` | what a policy can do, to whom and by which path; what another revision can do otherwise |
//! | `schedule` | when sweeps run: wall times of a zone, and the instants that they are |
//! | `sweep` | who is due in a sweep |
//! | `schema` | the fields of events and subjects |
//! | `given` | fields that somebody made up, to ask what policies would say |
//! | `script` | clauses, functions and `${...}` in Rhai |
//! | `template` | mails |
//! | `lint` | what is valid and does nothing, or something else than was meant |
//! | `tests` | policy tests as they were read |
//! | `outline` | what each name in the files stands for, for editors |
//! | `diagnostic` | a mistake with its place, and how it is shown |
//! | `unread` | what lies in a tree and is not read |
//! | `codes` | every diagnosis by number, with the page that explains it |
//! | `sarif` | mistakes for code review and editors |

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
pub use load::{Loaded, PolicySet, load};
pub use tree::{Mode, Policy};
pub use unread::{Unread, load_tree};
