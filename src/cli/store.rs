//! `store`: the embedded store, with the daemon stopped.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;

use super::{Ending, Failed, client, output};
use crate::{config, store};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the journal's chain and compares the state with what the journal says.
    Verify {
        #[arg(long, default_value = client::DEFAULT_CONFIG)]
        config: PathBuf,
        /// The store's directory, instead of the configuration's.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

pub fn run(command: &Command, json: bool) -> Result<Ending, Failed> {
    let Command::Verify { config, dir } = command;
    let dir = match dir {
        Some(dir) => dir.clone(),
        None => {
            let (config, _) = config::read(config).map_err(Failed::usage)?;
            config.store_dir().ok_or_else(|| Failed::usage(anyhow!("store: expected sled:DIRECTORY")))?
        }
    };
    let report = match store::verify(&dir) {
        Ok(report) => report,
        Err(store::Error::Locked(why)) => {
            return Err(Failed::usage(anyhow!("the store is in use ({why}); stop the daemon first")));
        }
        Err(error) => return Err(Failed::no(anyhow!(error))),
    };
    if json {
        output::json(&report);
    } else {
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
    Ok(if report.differences.is_empty() { Ending::Ok } else { Ending::No })
}
