//! `store salvage`: prints what a salvage repaired.

use std::path::Path;

use anyhow::anyhow;

use super::{Ending, Failed, failed, output, store};
use crate::engine::clock::System;
use crate::model::Clock as _;

pub(super) fn salvage(dir: &Path, dry_run: bool, reason: &str, json: bool) -> Result<Ending, Failed> {
    if !dry_run && reason.trim().is_empty() {
        return Err(Failed::usage(anyhow!("--reason is empty; write why the store is salvaged")));
    }
    let done = store::salvage(dir, System.now(), reason.trim(), dry_run).map_err(failed)?;
    if json {
        output::json(&done);
        return Ok(Ending::Ok);
    }
    tell_salvage(&done, dry_run);
    Ok(Ending::Ok)
}

fn tell_salvage(done: &store::Salvaged, dry_run: bool) {
    let records = |(first, last): &(u64, u64)| match first == last {
        true => format!("record {first}"),
        false => format!("records {first} to {last}"),
    };
    for range in &done.mended {
        let records = records(range);
        output::line(&format!("{records}: mended, one bit was flipped; a hash proves the result"));
    }
    if let Some(range) = &done.doubtful {
        let records = records(range);
        output::line(&format!("{records}: mended, one bit was flipped; nothing proves the result"));
    }
    for range in &done.records {
        output::line(&format!("{}: lost, cannot be read", records(range)));
    }
    for case in &done.cases {
        let held = if done.quarantined.contains(case) { "quarantined" } else { "closed" };
        output::line(&format!("  case {case}: {held}"));
    }
    output::line(match (done.records.is_empty(), done.complete) {
        (true, _) if done.doubtful.is_none() => "nothing is lost, and no case is quarantined",
        (true, _) => "the unproved record is kept, and its cases are quarantined",
        (false, true) => {
            "the state holds the lost records: their changes are restored from it, events in the inbox included; \
             only their cases are quarantined"
        }
        (false, false) => {
            "the state does not hold the lost records: the list of cases may be longer than needed; cases that they \
             opened are unknown; their events are lost unless the provider lists them again"
        }
    });
    output::line(match (dry_run, done.quarantined.is_empty()) {
        (true, _) => "dry run: nothing was changed; salvage with --reason TEXT",
        (false, true) => "the store is ready to start",
        (false, false) => {
            "the store is ready to start; retry or cancel each quarantined case (proofd case list --state stuck)"
        }
    });
    if let Some(aside) = &done.aside {
        output::line(&format!("the damaged journal is in {}", aside.display()));
    }
}
