//! `store`: works on the embedded store on this machine.
//!
//! | file | what |
//! |---|---|
//! | `verify`, `salvage` | check and repair of a closed store |
//! | `backup` | backups, exports, and stores made of them |

mod backup;
mod salvage;
mod search;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{Ending, Failed, client, compose, output};
use crate::engine::clock::System;
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
    /// Search every file of the store for texts: its bytes, the unpacked journal, the values of the state
    ///
    /// Shows that an erasure left nothing. The daemon must be stopped.
    #[command(
        after_help = "Example: proofd store search erika@example.com\n\nExit codes: 0 nothing found, 1 found, 2 wrong \
                      use, or the store is open"
    )]
    Search {
        #[command(flatten)]
        place: Place,
        /// The texts; compared byte by byte
        #[arg(required = true, value_name = "TEXT")]
        texts: Vec<String>,
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
    /// Write a backup of the store to a directory, or bring the backup there up to date; the daemon may run
    ///
    /// Copies what the backup lacks, reads it back and checks it. Until the end the earlier backup stays valid. The
    /// backup contains personal data and the secret on which links that were sent depend: keep it as safe as the
    /// store.
    #[command(after_help = "Example: proofd store backup /mnt/backup/proofd
         proofd store backup --verify \
                      /mnt/backup/proofd\n\nExit codes: 0 written, or the backup is whole, 1 it was not \
                      written, or it is damaged, 2 wrong use")]
    Backup {
        #[command(flatten)]
        place: Place,
        /// Read the whole backup and check every hash and the chain; write nothing
        #[arg(long)]
        verify: bool,
        /// Directory of the backup; created if it is missing
        #[arg(value_name = "BACKUP")]
        to: PathBuf,
    },
    /// Make a store of a backup, in an empty or missing directory
    ///
    /// What happened after the backup is not known to the restored store. Calls that may have been performed since count
    /// as attempts with an unknown end: the next start reads before it changes anything, and asks a person where it
    /// cannot know. The restored store reports the loss for ever after. With --head nothing is lost and nothing is in
    /// doubt: the head that `proofd store head` printed after the original daemon was stopped for good.
    #[command(
        after_help = "Example: proofd store restore /mnt/backup/proofd /var/lib/proofd --reason 'disk lost'\n         \
                            proofd store restore /mnt/backup/proofd /var/lib/proofd --head 812:9f..."
    )]
    Restore {
        /// Directory of the backup
        backup: PathBuf,
        #[command(flatten)]
        new: New,
    },
    /// Write the whole store to one file of JSON Lines; the daemon may run
    ///
    /// The file contains personal data. It is compressed if its name ends in `.zst`.
    #[command(after_help = "Example: proofd store export proofd.jsonl.zst --secret")]
    Export {
        #[command(flatten)]
        place: Place,
        /// The file; it must not exist
        file: PathBuf,
        /// Include the secret: without it, links that were sent do not work in a store made of this export
        #[arg(long)]
        secret: bool,
    },
    /// Make a store of an export, in an empty or missing directory
    ///
    /// As `restore`: calls that may have been performed since the export are in doubt, unless --head tells that nothing
    /// is missing.
    #[command(after_help = "Example: proofd store import proofd.jsonl.zst /var/lib/proofd --head 812:9f...")]
    Import {
        /// The export
        file: PathBuf,
        #[command(flatten)]
        new: New,
    },
}

/// A store that is made.
#[derive(Debug, Args)]
pub struct New {
    /// Directory of the new store, empty or missing
    dir: PathBuf,
    /// The last head of the original store, if it was stopped for good: nothing is lost
    #[arg(long, value_name = "SEQUENCE:HASH")]
    head: Option<store::Head>,
    /// Why the store is made; recorded in its journal
    #[arg(long, value_name = "TEXT", required_unless_present = "head")]
    reason: Option<String>,
}

/// Which store.
#[derive(Debug, Args)]
pub struct Place {
    /// Configuration file
    #[arg(long, env = "PROOFD_CONFIG", value_name = "FILE", default_value = client::DEFAULT_CONFIG)]
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

pub fn run(command: &Command, json: bool) -> Result<Ending, Failed> {
    match command {
        Command::Verify { place, head } => verify::verify(place, *head, json),
        Command::Head { place } => print_head(&place.find()?, json),
        Command::Salvage { place, dry_run, reason } => {
            salvage::salvage(&place.find()?, *dry_run, reason.as_deref().unwrap_or_default(), json)
        }
        Command::Search { place, texts } => search::search(&place.find()?, texts, json),
        Command::AcceptLoss { place, reason } => accept_loss(&place.find()?, reason, json),
        Command::Backup { verify: true, to, .. } => backup::verify(to, json),
        Command::Backup { place, to, verify: false } => backup::backup(&place.find()?, to, json),
        Command::Restore { backup, new } => backup::restore(backup, new, json),
        Command::Export { place, file, secret } => backup::export(&place.find()?, file, *secret, json),
        Command::Import { file, new } => backup::import(file, new, json),
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
