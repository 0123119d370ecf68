//! `schema`: prints JSON Schemas for editors.

use clap::ValueEnum;
use serde_json::Value;

use super::{Ending, output};
use crate::connectors::{Registry, setup};
use crate::{config, policy};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Which {
    /// NAME/policy.yaml
    Policy,
    /// shared/blocks.yaml
    Blocks,
    /// NAME/tests.yaml
    Tests,
    /// proofd.yaml
    Config,
    /// verifications.yaml
    Verifications,
    /// people.yaml
    People,
    /// Events as clauses and functions see them
    Events,
}

pub fn run(which: Which) -> Ending {
    output::json(&of(which));
    Ending::Ok
}

/// Returns the schema of a file.
pub fn of(which: Which) -> Value {
    let registry = Registry::shipped();
    let grammar = |file| policy::grammar::json_schema(file, &registry.vocabulary());
    match which {
        Which::Policy => grammar("policy"),
        Which::Blocks => grammar("blocks"),
        Which::Tests => grammar("tests"),
        Which::Verifications => grammar("verifications"),
        Which::People => grammar("people"),
        Which::Events => policy::schema::json_schema(),
        Which::Config => config::json_schema(|generator| setup::schema(&registry, generator)),
    }
}
