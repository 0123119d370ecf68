//! `schema`: JSON Schema for editors.

use clap::ValueEnum;

use super::{Ending, output};
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
    output::json(&match which {
        Which::Policy => policy::grammar::json_schema("policy"),
        Which::Blocks => policy::grammar::json_schema("blocks"),
        Which::Tests => policy::grammar::json_schema("tests"),
        Which::Verifications => policy::grammar::json_schema("verifications"),
        Which::People => policy::grammar::json_schema("people"),
        Which::Events => policy::schema::json_schema(),
        Which::Config => config::json_schema(),
    });
    Ending::Ok
}
