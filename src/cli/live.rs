//! Follows the cases of a daemon in this process and prints each new entry of their journals in words.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::{Failed, output, sentences, when};
use crate::api::bounds::CaseLimit;
use crate::api::cases::CaseQuery;
use crate::case::Case;
use crate::engine::Engine;
use crate::model::{CaseId, Timestamp};

/// Cases that are followed, newest first.
const MOST: usize = 200;

/// The position in each case's journal, which prevents an entry from being printed twice.
#[derive(Debug, Default)]
pub struct Teller {
    printed: BTreeMap<CaseId, u64>,
}

impl Teller {
    /// Prints the new entries of every case.
    pub fn catch_up(&mut self, engine: &Engine, cases: &[Case]) {
        let mut lines: Vec<(Timestamp, u64, String)> = Vec::new();
        for case in cases {
            let from = self.printed.get(&case.id).copied().unwrap_or(0);
            let Ok(entries) = engine.operators().journal(&case.id, from, 1_000) else { continue };
            let name = output::short_name(&case.subject.display_name());
            for entry in &entries {
                if let Some(text) = sentences::headline(&entry.note, entry.step.as_deref(), &case.steps) {
                    lines.push((entry.at, entry.number, format!("{name:<16} {}", output::visible(&text))));
                }
            }
            if let Some(last) = entries.last() {
                self.printed.insert(case.id.clone(), last.number + 1);
            }
        }
        lines.sort();
        for (at, _, text) in lines {
            output::line(&format!("  {}  {text}", when::stamp(at)));
        }
    }
}

/// The newest cases.
pub fn cases(engine: &Engine) -> Result<Vec<Case>, Failed> {
    let query = CaseQuery { limit: Some(CaseLimit::nearest(MOST)), ..CaseQuery::default() };
    let lines = engine.operators().list_cases(&query).context("while listing cases")?;
    let mut cases = Vec::new();
    for line in lines.items {
        cases.extend(engine.cases().case(&line.id).context("while reading a case")?);
    }
    Ok(cases)
}
