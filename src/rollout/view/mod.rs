//! Converts core types to types of the API, for the rollout: one place for each shape. Every value is destructured: a
//! new field or variant does not compile until it is shown or left out on purpose.
//!
//! | file | what |
//! |---|---|
//! | `effects` | effects sheets and their differences |
//! | `past` | back-tests |
//! | `policies` | status, diagnostics |
//! | `steps` | files and steps of a revision |
//! | `shadow` | what a shadow policy would have done |

mod effects;
mod past;
mod policies;
mod shadow;
mod steps;
