//! Stand-ins for the outside world that tests, the demo and the command line talk to over real HTTP. They
//! share no code with the connectors: a mistake made in both places would hide itself.

pub mod jumio;
pub mod ledger;
pub mod mailbox;
