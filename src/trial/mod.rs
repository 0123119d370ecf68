//! A world that is made up, with a clock that is turned: identity provider, verification provider, mail box
//! and target systems that do at once what they are asked. What decides in it is what decides in the daemon.
//! Policy tests are played in it, and recorded events can be played again.
//!
//! | file | what |
//! |---|---|
//! | `world` | cases, their calls and their times, in the order in which they fall due |
//! | `terms` | what is the same for every decision |
//! | `attempts` | calls begin and end |
//! | `openings` | answers the questions of the intake: events, starts by hand, sweeps |
//! | `environment` | what a world needs of everybody who is not a case |
//! | `outside` | the identity provider, target systems, endpoints, and what is down |
//! | `vendor` | the verification provider |
//! | `person` | the ordinary person of a test |
//! | `story` | what happened, in lines that people read |
//! | `play` | plays the tests of a policy |
//! | `actions` | one line of a test that does something |
//! | `stimulus` | what comes from outside with it, as data |
//! | `expect` | one line of a test that looks |
//! | `coverage` | which branches of a policy were walked |
//! | `past` | recorded events, answers and decisions, walked again with other revisions |

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
