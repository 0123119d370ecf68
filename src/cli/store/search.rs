//! `store search`: texts in any file of a store.

use std::path::Path;

use serde_json::json;

use super::{Ending, Failed, failed, output};
use crate::store;

pub(super) fn search(dir: &Path, texts: &[String], json: bool) -> Result<Ending, Failed> {
    let found = store::search(dir, texts).map_err(failed)?;
    if json {
        let items: Vec<_> =
            found.iter().map(|(text, place)| json!({ "text": text, "place": place })).collect();
        output::json(&json!({ "items": items }));
    } else {
        for (text, place) in &found {
            // The number of the text: the text itself may be personal data.
            output::line(&format!("text {}: {place}", text + 1));
        }
        if found.is_empty() {
            output::line("nothing found");
        }
    }
    Ok(if found.is_empty() { Ending::Ok } else { Ending::No })
}
