//! Simulators of the external systems, which tests, the demo and the command line use over HTTP. They share no
//! code with the connectors: a mistake in shared code would stay undetected.
//!
//! | file | what |
//! |---|---|
//! | `onelogin`, `jumio`, `mailbox` | the simulated systems, each with a page for people and knobs for tests |
//! | `office` | an HR system, a ticketing system, a pager and a collector of events |
//! | `serving`, `fault`, `page` | the server, the faults and the pages that all of them share |
//! | `ledger` | the requests they received and the results |
//! | `town` | all of them on one clock |
//! | `front` | a page with the addresses of a tour, and buttons for its clock |
//! | `stand_in` | simulators in the place of the systems that a configuration names |
//! | `which` | selects the simulators to run |
//! | `applicant` | a person who registers and proves their identity |

pub mod applicant;
pub mod fault;
pub mod front;
pub mod jumio;
pub mod ledger;
pub mod mailbox;
pub mod office;
pub mod onelogin;
mod page;
mod serving;
mod stand_in;
pub mod town;
pub mod which;

pub use serving::Serving;
