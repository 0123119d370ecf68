//! `simulate`: the simulators alone, with a page each where a person plays the applicant.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;

use super::rehearsal::{self, Rehearsal};
use super::{Ending, Failed, output};
use crate::simulate::ledger::Ledger;
use crate::simulate::town::{Credentials, Town};
use crate::simulate::which::Which;

#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(value_enum, default_value = "all")]
    which: Which,
    /// Address of the simulator; port 0 takes a free one. With `all` the ports follow each other.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[arg(long, default_value = "sim-client")]
    client_id: String,
    #[arg(long, default_value = "sim-secret")]
    client_secret: String,
    /// Where the identity provider sends its events: the daemon's address, such as http://127.0.0.1:8470.
    #[arg(long)]
    daemon: Option<String>,
    /// Time runs faster: FACTOR or FACTOR@ORIGIN, the same as the daemon's.
    #[arg(long)]
    rehearse: Option<Rehearsal>,
    /// Writes what was asked and applied, one JSON object a line.
    #[arg(long)]
    ledger: Option<std::path::PathBuf>,
}

pub async fn run(arguments: Arguments) -> Result<Ending, Failed> {
    let clock = rehearsal::clock(arguments.rehearse);
    let ledger = match &arguments.ledger {
        Some(path) => Ledger::file(path).with_context(|| format!("while opening {}", path.display()))?,
        None => Ledger::memory(),
    };
    let credentials = Credentials { client_id: arguments.client_id, client_secret: arguments.client_secret };
    let addresses = arguments.which.addresses(arguments.listen);
    let town = Town::serve(addresses, &credentials, clock, ledger)
        .await
        .map_err(|error| Failed::usage(anyhow::Error::new(error).context("while listening")))?;
    if let Some(daemon) = &arguments.daemon {
        town.broadcast_to(daemon.trim_end_matches('/'));
    }
    let up = arguments.which.running(&town, &credentials);
    // One line, so that a program can wait for it.
    output::line(&serde_json::Value::Object(up).to_string());
    tokio::signal::ctrl_c().await.context("while waiting for Ctrl-C")?;
    Ok(Ending::Ok)
}
