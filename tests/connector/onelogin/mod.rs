//! The OneLogin connector over real HTTP: against a simulated tenant with either back end, and against a
//! small scripted server that shares nothing with the simulator.

mod accounts;
mod effects;
mod examination;
mod finding;
mod polling;
mod population;
mod rows;
mod scripted;
mod tenant;
