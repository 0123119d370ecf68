//! Reads a callback, which means that a run may have changed. Callbacks are not signed and may be missing, repeated,
//! late or out of order: their content is not trusted. The run is read afterwards with our own token.

use serde::Deserialize;
use serde_json::Value;

use super::api::plain;
use super::is_id;

/// A run that may have changed. The addresses in the callback are dropped: they are never followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub account: Option<String>,
    pub execution: String,
    /// An open word, for logs only.
    pub status: Option<String>,
}

#[derive(Deserialize)]
struct Callback {
    #[serde(default)]
    account: Value,
    #[serde(default, rename = "workflowExecution")]
    execution: Value,
}

/// Parses a callback's body. The error names the missing part and repeats nothing of the body.
pub fn hint(body: &[u8]) -> Result<Hint, String> {
    let callback: Callback =
        serde_json::from_slice(body).map_err(|_| "the callback is not a JSON object".to_owned())?;
    let id = |value: &Value| value.get("id")?.as_str().filter(|id| is_id(id)).map(str::to_owned);
    let execution =
        id(&callback.execution).ok_or_else(|| "the callback has no workflowExecution.id".to_owned())?;
    let status = callback.execution.get("status").and_then(Value::as_str).map(|word| plain(word, 40));
    Ok(Hint { account: id(&callback.account), execution, status })
}
