//! From core types to those of the API, for what the rollout shows: one place for each shape. Every value is taken
//! apart, so that a new field or variant does not compile until it is shown or left out on purpose.
//!
//! | file | what |
//! |---|---|
//! | `effects` | effects sheets and their differences |
//! | `past` | back-tests |
//! | `policies` | status, diagnostics |
//! | `shadow` | what a shadow policy would have done |

mod effects;
mod past;
mod policies;
mod shadow;
