//! proofd: identity proofing as policy files.

pub mod case;
// pub mod cli;
pub mod config;
pub mod connectors;
pub mod engine;
pub mod http;
pub mod model;
pub mod policy;
pub mod simulate;
pub mod store;
