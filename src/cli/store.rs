//! `store`: works on the embedded store while the daemon is stopped.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Ending, Failed, client, compose, output};
use crate::engine::clock::System;
use crate::engine::replay::{self, Replayed};
use crate::model::Clock as _;
use crate::{config, store};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the journal's chain, compare the state with the journal, and repeat every decision
    #[command(
        after_help = "Example: proofd store verify --config proofd.yaml\n\nExit codes: 0 whole, 1 something is \
                      lost, damaged or different, 4 nothing new, but losses were accepted before"
    )]
    Verify {
        #[command(flatten)]
        place: Place,
        /// Also check that the journal still holds this end, as `proofd store head` printed it
        #[arg(long, value_name = "SEQUENCE:HASH")]
        head: Option<store::Head>,
    },
    /// Print the end of the journal for safekeeping elsewhere; the daemon may run
    #[command(after_help = "Example: proofd store head >> /mnt/other/proofd.heads")]
    Head {
        #[command(flatten)]
        place: Place,
    },
    /// Repair a damaged journal, quarantine the cases that lost records touch, and go on with the rest
    ///
    /// A frame with one flipped bit is mended; where a hash proves the result, nothing is lost. What other damaged
    /// records did is taken from the state, if it is usable. The cases that lost records touch become stuck, and a person
    /// retries or cancels each: `proofd case list --state stuck`. The loss shows for ever after in `/readyz`, the
    /// metrics and `proofd store verify`. The damaged journal stays in the store's directory, as
    /// `journal.damaged-N`. The daemon must be stopped.
    #[command(
        after_help = "Example: proofd store salvage --dry-run\n         proofd store salvage --reason 'bad sector'\n\n\
                      Exit codes: 0 salvaged, or what a dry run found, 1 nothing is damaged, or the damage cannot \
                      be repaired, 2 wrong use, or the store is open"
    )]
    Salvage {
        #[command(flatten)]
        place: Place,
        /// Only report what is damaged and which cases it touches; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Why it is salvaged; recorded in the journal if something is lost
        #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
        reason: Option<String>,
    },
    /// Go on without records that are lost; the loss shows for ever after
    #[command(after_help = "Example: proofd store accept-loss --reason 'disk replaced, no backup'")]
    AcceptLoss {
        #[command(flatten)]
        place: Place,
        /// Why it is accepted; recorded in the journal
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub struct Place {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = client::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Directory of the store, instead of the configuration's; `verify` then repeats no decisions
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Place {
    fn find(&self) -> Result<PathBuf, Failed> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => {
                let (config, _) = config::read(&self.config).map_err(Failed::usage)?;
                directory(&config)
            }
        }
    }
}

fn directory(config: &config::Config) -> Result<PathBuf, Failed> {
    config.store_dir().ok_or_else(|| Failed::usage(anyhow!("store: expected sled:DIRECTORY")))
}

/// The findings, or why decisions could not be repeated.
#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    store: store::Report,
    /// Whether the journal holds the given head.
    holds_head: Option<bool>,
    decisions: Option<Replayed>,
    decisions_left_out: Option<String>,
}

pub fn run(command: &Command, json: bool) -> Result<Ending, Failed> {
    match command {
        Command::Verify { place, head } => verify(place, *head, json),
        Command::Head { place } => print_head(&place.find()?, json),
        Command::Salvage { place, dry_run, reason } => {
            salvage(&place.find()?, *dry_run, reason.as_deref().unwrap_or_default(), json)
        }
        Command::AcceptLoss { place, reason } => accept_loss(&place.find()?, reason, json),
    }
}

fn failed(error: store::Error) -> Failed {
    match error {
        store::Error::Locked(why) => {
            Failed::usage(anyhow!("opening the store: it is in use ({why}); stop the daemon first"))
        }
        error => Failed::no(anyhow!(error)),
    }
}

fn print_head(dir: &Path, json: bool) -> Result<Ending, Failed> {
    let head = store::head(dir).map_err(failed)?;
    if json {
        output::json(&head);
    } else {
        output::line(&format!("{}:{}", head.sequence, head.hash));
    }
    Ok(Ending::Ok)
}

fn salvage(dir: &Path, dry_run: bool, reason: &str, json: bool) -> Result<Ending, Failed> {
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

fn accept_loss(dir: &Path, reason: &str, json: bool) -> Result<Ending, Failed> {
    if reason.trim().is_empty() {
        return Err(Failed::usage(anyhow!("--reason is empty; write why the loss is accepted")));
    }
    let accepted = store::accept_loss(dir, System.now(), reason.trim()).map_err(failed)?;
    if json {
        output::json(&accepted);
    } else {
        output::line(&format!("accepted: {}", accepted.loss));
        output::line("the next start rebuilds the state from the remaining journal");
    }
    Ok(Ending::Ok)
}

fn verify(place: &Place, head: Option<store::Head>, json: bool) -> Result<Ending, Failed> {
    let (dir, settings) = match &place.dir {
        Some(dir) => (dir.clone(), Err(anyhow!("--dir has no configuration; use --config FILE"))),
        None => {
            let configured = compose::read(&place.config).map_err(Failed::usage)?;
            // An unreadable secret must not prevent a check of the store.
            (directory(&configured.config)?, configured.settings())
        }
    };
    let holds_head = head.map(|head| store::holds(&dir, head)).transpose().map_err(failed)?;
    let verified = match settings {
        Ok(settings) => replay::verify(&dir, &settings).map(|(store, found)| Verified {
            store,
            holds_head,
            decisions: Some(found),
            decisions_left_out: None,
        }),
        Err(why) => store::verify(&dir).map(|store| Verified {
            store,
            holds_head,
            decisions: None,
            decisions_left_out: Some(format!("{why:#}")),
        }),
    };
    let verified = verified.map_err(failed)?;
    if json {
        output::json(&verified);
    } else {
        tell_store(&verified.store);
        match holds_head {
            Some(true) => output::line("the journal contains the head given with --head"),
            Some(false) => output::line(
                "the journal does not contain the head given with --head: it is shorter, or another journal",
            ),
            None => {}
        }
        verified.decisions.iter().for_each(tell_decisions);
        if let Some(why) = &verified.decisions_left_out {
            output::line(&format!("decisions were not repeated: {why}"));
        }
    }
    let differs = verified.store.different > 0
        || verified.store.lost.is_some()
        || holds_head == Some(false)
        || verified.decisions.is_some_and(|decisions| decisions.different > 0);
    Ok(match (differs, verified.store.accepted_losses.is_empty()) {
        (true, _) => Ending::No,
        (false, true) => Ending::Ok,
        (false, false) => Ending::NotWhole,
    })
}

fn tell_store(report: &store::Report) {
    output::line(&format!("{} records, chain head {}", report.records, report.head));
    for difference in &report.differences {
        output::line(&format!("  differs: {difference}"));
    }
    for accepted in &report.accepted_losses {
        output::line(&format!(
            "  accepted loss of {}: {}; reason: {}",
            accepted.at.format("%F %T UTC"),
            accepted.loss,
            output::visible(&accepted.reason)
        ));
        for case in &accepted.cases {
            output::line(&format!("    case {case}"));
        }
    }
    if let Some(lost) = &report.lost {
        output::line(&format!("lost: {lost}"));
        return;
    }
    output::line(if report.differences.is_empty() {
        "the state matches the journal"
    } else {
        "the state differs from the journal; move the directory `state` away and start the daemon to rebuild it"
    });
}

fn tell_decisions(decisions: &Replayed) {
    for difference in &decisions.differences {
        output::line(&format!("  decided differently: {difference}"));
    }
    let others = decisions.elsewhere + decisions.unrecorded;
    let left = match others {
        0 => String::new(),
        some => format!("; {some} made under another configuration or version are skipped"),
    };
    output::line(&match decisions.different {
        0 => format!("{} decisions repeated with the same result{left}", decisions.decided),
        some => format!("{some} of {} repeated decisions differ{left}", decisions.decided),
    });
}
