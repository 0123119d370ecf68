//! Stand-ins for the outside world that tests, the demo and the command line talk to over real HTTP. They
//! share no code with the connectors: a mistake made in both places would hide itself.
//!
//! | file | what |
//! |---|---|
//! | `onelogin`, `jumio`, `mailbox` | the simulated systems, each with a page for people and knobs for tests |
//! | `office` | an HR system, a ticketing system, a pager and a collector of events |
//! | `serving`, `fault`, `page` | the server, the faults and the pages that all of them have |
//! | `ledger` | what they were asked to do and did |
//! | `town` | all of them on one clock |
//! | `which` | which of them somebody asks for |
//! | `applicant` | a person who registers and proves who they are |

pub mod applicant;
pub mod fault;
pub mod jumio;
pub mod ledger;
pub mod mailbox;
pub mod office;
pub mod onelogin;
mod page;
mod serving;
pub mod town;
pub mod which;

pub use serving::Serving;
