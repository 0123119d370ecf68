//! `simulate`: runs the simulators alone, each with a page for playing the applicant.

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
    /// Which simulator to run
    #[arg(value_enum, default_value = "all")]
    which: Which,
    /// Address to listen on; port 0 picks a free port, `all` uses consecutive ports
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Client id that the simulators accept
    #[arg(long, default_value = "sim-client")]
    client_id: String,
    /// Client secret that the simulators accept
    #[arg(long, default_value = "sim-secret")]
    client_secret: String,
    /// Address of the daemon, to which events are sent, such as http://127.0.0.1:8470
    #[arg(long, value_name = "URL")]
    daemon: Option<String>,
    /// Run on a faster clock: FACTOR or FACTOR@ORIGIN, the same as the daemon's
    #[arg(long, value_name = "FACTOR[@ORIGIN]")]
    rehearse: Option<Rehearsal>,
    /// Write requests and changes to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
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
    // One line, which another program can wait for.
    output::line(&serde_json::Value::Object(up).to_string());
    tokio::signal::ctrl_c().await.context("while waiting for Ctrl-C")?;
    Ok(Ending::Ok)
}
