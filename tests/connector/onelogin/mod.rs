//! The OneLogin connector over HTTP: against a simulated tenant with either back end, and against a small
//! scripted server that shares no code with the simulator.

mod accounts;
mod effects;
mod examination;
mod finding;
mod polling;
mod population;
mod rows;
mod scripted;
mod tenant;
