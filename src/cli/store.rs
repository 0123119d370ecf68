//! `store`: the embedded store, with the daemon stopped.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;
use serde::Serialize;

use super::{Ending, Failed, client, compose, output};
use crate::engine::replay::{self, Replayed};
use crate::{config, store};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the journal's chain, compares the state with what the journal says, and makes every decision
    /// again.
    Verify {
        #[arg(long, default_value = client::DEFAULT_CONFIG)]
        config: PathBuf,
        /// The store's directory, instead of the configuration's. Decisions are not made again then: that
        /// takes the configuration.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

/// What was found; `decisions` only where they were made again.
#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    store: store::Report,
    decisions: Option<Replayed>,
}

pub fn run(command: &Command, json: bool) -> Result<Ending, Failed> {
    let Command::Verify { config, dir } = command;
    let verified = match dir {
        Some(dir) => store::verify(dir).map(|store| Verified { store, decisions: None }),
        None => {
            let (config, _) = config::read(config).map_err(Failed::usage)?;
            let dir =
                config.store_dir().ok_or_else(|| Failed::usage(anyhow!("store: expected sled:DIRECTORY")))?;
            let settings = compose::settings(&config).map_err(Failed::usage)?;
            let verified = replay::verify(&dir, &settings);
            verified.map(|(store, decisions)| Verified { store, decisions: Some(decisions) })
        }
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(store::Error::Locked(why)) => {
            return Err(Failed::usage(anyhow!("the store is in use ({why}); stop the daemon first")));
        }
        Err(error) => return Err(Failed::no(anyhow!(error))),
    };
    if json {
        output::json(&verified);
    } else {
        tell_store(&verified.store);
        verified.decisions.iter().for_each(tell_decisions);
    }
    let differs =
        verified.store.different > 0 || verified.decisions.is_some_and(|decisions| decisions.different > 0);
    Ok(if differs { Ending::No } else { Ending::Ok })
}

fn tell_store(report: &store::Report) {
    output::line(&format!("{} records, chain head {}", report.records, report.head));
    for difference in &report.differences {
        output::line(&format!("  differs: {difference}"));
    }
    output::line(if report.differences.is_empty() {
        "the state is what the journal says"
    } else {
        "the state differs from the journal; move the directory `state` away and start the daemon to rebuild it"
    });
}

fn tell_decisions(decisions: &Replayed) {
    for difference in &decisions.differences {
        output::line(&format!("  decided otherwise: {difference}"));
    }
    let others = decisions.elsewhere + decisions.unrecorded;
    let left = match others {
        0 => String::new(),
        some => format!("; {some} were made under another configuration or version and are left out"),
    };
    output::line(&match decisions.different {
        0 => format!("{} decisions made again give the same{left}", decisions.decided),
        some => format!("{some} of {} decisions made again give something else{left}", decisions.decided),
    });
}
