//! `store backup`, `restore`, `export` and `import`: prints what was written.

use std::path::Path;

use anyhow::anyhow;

use super::super::when;
use super::{Ending, Failed, New, failed, output, store};
use crate::engine::clock::System;
use crate::model::Clock as _;

pub(super) fn backup(store: &Path, to: &Path, json: bool) -> Result<Ending, Failed> {
    let done = store::backup(store, to, System.now()).map_err(failed)?;
    if json {
        output::json(&done);
        return Ok(Ending::Ok);
    }
    output::line(&format!("backed up to {}: {}", to.display(), content(&done)));
    output::line(&format!("{} bytes copied and read back; the chain is checked", done.copied_bytes));
    if done.replaced > 0 {
        output::line(&format!("{} segments were replaced: they changed in the store", done.replaced));
    }
    Ok(Ending::Ok)
}

pub(super) fn verify(backup: &Path, json: bool) -> Result<Ending, Failed> {
    let found = store::verify_backup(backup).map_err(failed)?;
    if json {
        output::json(&found);
        return Ok(Ending::Ok);
    }
    output::line(&format!("the backup {} is whole: {}", backup.display(), content(&found)));
    output::line(&format!("taken {}", when::moment(found.taken)));
    Ok(Ending::Ok)
}

fn content(backup: &store::BackedUp) -> String {
    let newest = backup.newest.map(|at| format!(", the newest of {}", when::moment(at)));
    format!(
        "{} records{}, {} segments, {} bytes, head {}",
        backup.head.sequence,
        newest.unwrap_or_default(),
        backup.segments,
        backup.bytes,
        backup.head
    )
}

pub(super) fn restore(backup: &Path, new: &New, json: bool) -> Result<Ending, Failed> {
    let (reason, now) = (reason(new)?, System.now());
    let done = store::restore(backup, &new.dir, now, reason, new.head).map_err(failed)?;
    made(new, &done, json)
}

pub(super) fn import(file: &Path, new: &New, json: bool) -> Result<Ending, Failed> {
    let (reason, now) = (reason(new)?, System.now());
    let done = store::import(file, &new.dir, now, reason, new.head).map_err(failed)?;
    made(new, &done, json)
}

fn reason(new: &New) -> Result<&str, Failed> {
    let reason = new.reason.as_deref().unwrap_or_default().trim();
    if new.head.is_none() && reason.is_empty() {
        return Err(Failed::usage(anyhow!("--reason is empty; write why the store is made")));
    }
    Ok(reason)
}

fn made(new: &New, done: &store::Restored, json: bool) -> Result<Ending, Failed> {
    if json {
        output::json(done);
        return Ok(Ending::Ok);
    }
    output::line(&format!("the store {} has {} records", new.dir.display(), done.from.sequence));
    if done.new_secret {
        output::line(
            "the export has no secret: a new one was created, and links that were sent no longer work",
        );
    }
    if done.complete {
        output::line("it continues where the original store ended; never start that one again");
        return Ok(Ending::Ok);
    }
    let newest = done.newest.map_or_else(String::new, |at| format!(" after {}", when::moment(at)));
    output::line(&format!("what happened{newest} is not known to it; the loss is recorded in its journal"));
    output::line(&match done.calls {
        0 => "no call was pending".to_owned(),
        calls => format!(
            "{calls} pending calls of {} cases may have been performed since; the next start reads before it \
             changes anything",
            done.in_doubt.len()
        ),
    });
    for case in &done.in_doubt {
        output::line(&format!("  case {case}"));
    }
    output::line(
        "never start the original store again; its webhooks since then are lost unless they are sent again",
    );
    Ok(Ending::Ok)
}

pub(super) fn export(store: &Path, file: &Path, secret: bool, json: bool) -> Result<Ending, Failed> {
    let done = store::export(store, file, System.now(), secret).map_err(failed)?;
    if json {
        output::json(&done);
        return Ok(Ending::Ok);
    }
    output::line(&format!("exported {} records to {}, head {}", done.records, file.display(), done.head));
    if !done.secret {
        output::line("without the secret: links that were sent do not work in a store made of it (--secret)");
    }
    Ok(Ending::Ok)
}
