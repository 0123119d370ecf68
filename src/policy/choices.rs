//! The closed choices of policy keys. The grammar, the loader and the compiled policy take their words from here.

use serde::{Deserialize, Serialize};

use crate::model::words;

/// The days of a week, from Monday.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The HTTP methods of a request.
pub const HTTP_METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Whether a policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Enforce,
    /// Opens no case and does nothing. Cases that it would open are recorded, and walked on request.
    Shadow,
    Disabled,
}

words! { Mode {
    Enforce => "enforce",
    Shadow => "shadow",
    Disabled => "disabled",
} }

/// What a triggering event does if a case is already open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfAlreadyOpen {
    Attach,
    Restart,
    Cancel,
    OpenAnother,
}

words! { IfAlreadyOpen {
    Attach => "attach",
    Restart => "restart",
    Cancel => "cancel",
    OpenAnother => "open_another",
} }

/// What happens to an effect over a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenExceeded {
    /// The case waits until a person releases the effect.
    Ask,
    /// The effect is skipped and the case continues.
    Skip,
}

words! { WhenExceeded {
    Ask => "ask",
    Skip => "skip",
} }

/// What an empty field means for a person's due date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfEmpty {
    /// The time counts from the day on which the sweep first saw the person.
    Now,
    Never,
}

words! { IfEmpty {
    Now => "now",
    Never => "never",
} }

/// What happens after a nominal time at which the daemon was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissed {
    /// One run, for the latest missed time.
    RunOnce,
    /// No run; the next nominal time is the next run.
    Skip,
}

words! { IfMissed {
    RunOnce => "run_once",
    Skip => "skip",
} }
