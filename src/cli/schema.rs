//! `schema`: JSON Schema for editors.

use clap::ValueEnum;

use super::{Ending, output};
use crate::connectors::{Registry, setup};
use crate::{config, policy};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Which {
    Policy,
    Blocks,
    Tests,
    Config,
    Verifications,
    People,
    Events,
}

pub fn run(which: Which) -> Ending {
    let registry = Registry::shipped();
    let grammar = |file| policy::grammar::json_schema(file, &registry.vocabulary());
    output::json(&match which {
        Which::Policy => grammar("policy"),
        Which::Blocks => grammar("blocks"),
        Which::Tests => grammar("tests"),
        Which::Verifications => grammar("verifications"),
        Which::People => grammar("people"),
        Which::Events => policy::schema::json_schema(),
        Which::Config => config::json_schema(|generator| setup::schema(&registry, generator)),
    });
    Ending::Ok
}
