//! `simulate`: the simulators alone, with a page each where a person plays the applicant.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::rehearsal::{self, Rehearsal};
use super::{Ending, Failed, output};
use crate::simulate::ledger::Ledger;
use crate::simulate::town::{Addresses, Credentials, Town};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Onelogin,
    Jumio,
    Mail,
    Office,
    All,
}

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
    /// Where OneLogin broadcasts its events: the daemon's address, such as http://127.0.0.1:8470.
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
    let free = SocketAddr::new(arguments.listen.ip(), 0);
    let after = |steps: u16| match arguments.listen.port() {
        0 => free,
        port => SocketAddr::new(arguments.listen.ip(), port.saturating_add(steps)),
    };
    let addresses = match arguments.which {
        Which::All => Addresses {
            onelogin: after(0),
            jumio: after(1),
            smtp: after(2),
            mail_http: after(3),
            office: after(4),
        },
        Which::Onelogin => Addresses { onelogin: after(0), ..Addresses::default() },
        Which::Jumio => Addresses { jumio: after(0), ..Addresses::default() },
        Which::Office => Addresses { office: after(0), ..Addresses::default() },
        Which::Mail => Addresses { smtp: after(0), mail_http: after(1), ..Addresses::default() },
    };
    let town = Town::serve(addresses, &credentials, clock, ledger)
        .await
        .map_err(|error| Failed::usage(anyhow::Error::new(error).context("while listening")))?;
    if let Some(daemon) = &arguments.daemon {
        town.broadcast_to(daemon.trim_end_matches('/'));
    }
    let shown = |which: Which| arguments.which == Which::All || arguments.which == which;
    let mut up = serde_json::Map::new();
    if shown(Which::Onelogin) {
        up.insert("onelogin".to_owned(), json!(town.onelogin_served.url));
    }
    if shown(Which::Jumio) {
        up.insert("jumio".to_owned(), json!(town.jumio_served.url));
    }
    if shown(Which::Mail) {
        up.insert("smtp".to_owned(), json!(format!("smtp://{}", town.mailbox_served.smtp)));
        up.insert("mail".to_owned(), json!(town.mailbox_served.url));
    }
    if shown(Which::Office) {
        up.insert("office".to_owned(), json!(town.office_served.url));
    }
    if arguments.which == Which::All {
        up.insert("connectors_yaml".to_owned(), json!(town.connectors_yaml(&credentials)));
    }
    // One line, so that a program can wait for it.
    output::line(&serde_json::Value::Object(up).to_string());
    tokio::signal::ctrl_c().await.context("while waiting for Ctrl-C")?;
    Ok(Ending::Ok)
}
