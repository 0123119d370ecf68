//! A simulated world with a simulated clock: identity provider, verification provider, mailbox and target systems that
//! answer at once. Decisions use the daemon's functions. Policy tests run in it, and back-tests replay recorded events
//! in it.
//!
//! | file | what |
//! |---|---|
//! | `world` | cases, their calls and their times, in due order |
//! | `terms` | settings shared by all decisions |
//! | `attempts` | begins and ends calls |
//! | `openings` | answers requests of the intake: events, manual starts, sweeps |
//! | `environment` | the interface to everything outside the cases |
//! | `outside` | the identity provider, target systems, endpoints, and outages |
//! | `vendor` | the verification provider |
//! | `person` | the default person of a test |
//! | `story` | what happened, as readable lines |
//! | `play` | runs the tests of a policy |
//! | `actions` | runs one acting line of a test |
//! | `stimulus` | a line's external input, as data |
//! | `expect` | runs one expecting line of a test |
//! | `coverage` | which branches of a policy were walked |
//! | `past` | back-tests: replays recorded events, answers and decisions with other revisions |

mod actions;
mod attempts;
mod coverage;
mod environment;
mod expect;
mod openings;
mod outside;
pub mod past;
mod person;
mod play;
mod stimulus;
mod story;
mod terms;
mod vendor;
mod world;

pub use coverage::{Branch, Coverage};
pub use environment::{Answer, Environment};
pub use outside::Outside;
pub use play::{Failure, POPULATION, Played, TestResult, Tested, diagnostics, played, run};
pub use stimulus::{START_REASON, STARTER, Stimulus};
pub use story::{Happened, Line, What};
pub use terms::{KEY, Terms};
pub use vendor::Vendor;
pub use world::{Reached, TooLong, World};
