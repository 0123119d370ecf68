//! The pure parts of the Keycloak connector, with answers of a real server as data: `tests/data/keycloak`. The server
//! itself is tried in `tests/keycloak`.
//!
//! | file | what |
//! |---|---|
//! | `records` | what stored events say |
//! | `gate` | whether a gate is whole |
//! | `options` | mistakes in the configuration |

mod gate;
mod options;
mod records;

use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keycloak").join(name)
}

fn read(name: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(data(name)).unwrap()).unwrap()
}
