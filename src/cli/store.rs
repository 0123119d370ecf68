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
    #[command(after_help = "Example: proofd store verify --config proofd.yaml")]
    Verify {
        #[arg(long, default_value = client::DEFAULT_CONFIG)]
        config: PathBuf,
        /// The store's directory, instead of the configuration's. Decisions are then not made again.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

/// What was found. Where decisions could not be made again, why not.
#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    store: store::Report,
    decisions: Option<Replayed>,
    decisions_left_out: Option<String>,
}

pub fn run(command: &Command, json: bool) -> Result<Ending, Failed> {
    let Command::Verify { config, dir } = command;
    let (dir, settings) = match dir {
        Some(dir) => (dir.clone(), Err(anyhow!("that takes the configuration"))),
        None => {
            let (config, _) = config::read(config).map_err(Failed::usage)?;
            let dir = config.store_dir();
            let dir = dir.ok_or_else(|| Failed::usage(anyhow!("store: expected sled:DIRECTORY")))?;
            // A secret that only the service can read is no reason not to look at the store.
            (dir, compose::settings(&config))
        }
    };
    let verified = match settings {
        Ok(settings) => replay::verify(&dir, &settings).map(|(store, found)| Verified {
            store,
            decisions: Some(found),
            decisions_left_out: None,
        }),
        Err(why) => store::verify(&dir).map(|store| Verified {
            store,
            decisions: None,
            decisions_left_out: Some(format!("{why:#}")),
        }),
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
        if let Some(why) = &verified.decisions_left_out {
            output::line(&format!("decisions were not made again: {why}"));
        }
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
