//! `demo`: the whole product without setup. It uses the engine, interfaces and connectors of `run`, with
//! simulated vendors, a store in a temporary folder and a clock that can be set forward.
//!
//! `cast` defines the people who register and their results, and `story` runs them. `workforce` runs people with
//! an account, a hire and a partner. Both use the functions of `scene`, and `super::live` prints the events.

mod cast;
mod scene;
mod story;
mod workforce;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::serve::log_filter;
use super::stage::{self, Folder, Stage};
use super::{Ending, Failed, init, output};
use crate::engine::clock::Scaled;
use crate::model::{Clock, Secret};
use crate::simulate::ledger::Ledger;
use crate::simulate::town::{Addresses, Credentials, Town};

/// Speed of the story's clock relative to real time while people act.
const PACE: i32 = 60;

const TOKEN: &str = "demo-on-this-machine-only";

#[derive(Debug, Args)]
pub struct Arguments {
    /// End after the demo; exit with 1 if a case ended differently than its policy promises
    #[arg(long)]
    exit: bool,
    /// Policy tree to use instead of the shipped one
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
}

pub async fn run(arguments: Arguments) -> Result<Ending, Failed> {
    let _ = tracing_subscriber::registry()
        .with(log_filter("off"))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .try_init();
    let folder = Folder::new("demo", false)?;
    play(&arguments, folder.path()).await
}

async fn play(arguments: &Arguments, folder: &Path) -> Result<Ending, Failed> {
    let policies = match &arguments.policies {
        Some(dir) => std::path::absolute(dir).context("while finding the policies")?,
        None => shipped(folder).context("while writing the shipped policies")?,
    };
    let clock = Scaled::from_now(PACE);
    let credentials = Credentials::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let town = Town::serve(Addresses::default(), &credentials, shared, Ledger::memory())
        .await
        .context("while starting the simulators")?;
    let address = stage::free_address(0)?;
    let file = folder.join("proofd.yaml");
    let text = format!(
        "listen: {address}\npublic_url: http://{address}\norganization: Example Corp\npolicies: {}\nstore: sled:{}\n{}",
        policies.display(),
        folder.join("store").display(),
        town.connectors_yaml(&credentials),
    );
    std::fs::write(&file, text).context("while writing the configuration")?;
    let token = Secret::new(TOKEN);
    let dana = |engine: &_| stage::of_every_team(engine, "dana@example.com", "Dana from the identity desk");
    let stage = Stage::open(clock, town, &file, dana, &token).await?;
    let report = &stage.engine.active().report;
    if !report.ok {
        return Err(Failed::no(anyhow!("the policies have errors:\n{}", report.rendered)));
    }
    let all_well = story::run(&stage).await?;
    if !arguments.exit {
        where_to_look(&stage);
        tokio::signal::ctrl_c().await.context("while waiting for Ctrl-C")?;
    }
    stage.close().await?;
    Ok(if all_well { Ending::Ok } else { Ending::No })
}

/// Prints the addresses to visit while the demo runs.
fn where_to_look(stage: &Stage) {
    let Stage { town, url, .. } = stage;
    output::line("");
    output::line("The demo runs until Ctrl-C. Play an applicant yourself:");
    if let Some(link) = stage.sign_in() {
        output::line(&format!("  console           {link}  (signs you in once)"));
    }
    output::line(&format!("  register          {}", town.onelogin_served.url));
    output::line(&format!("  read the mail     {}", town.mailbox_served.web.url));
    output::line(&format!("  Jumio's pages     {}", town.jumio_served.url));
    output::line(&format!("  HR, tickets       {}", town.office_served.url));
    output::line(&format!("  cases             PROOFD_TOKEN={TOKEN} proofd case list --url {url}"));
    output::line(&format!("  metrics           {url}/metrics"));
    output::line("\nYour own policies: proofd init proofing && proofd dev proofing");
}

/// Writes the shipped policies, which are in the program: the demo needs no files.
fn shipped(folder: &Path) -> std::io::Result<PathBuf> {
    let tree = folder.join("policies");
    for (path, bytes) in &init::shipped().0 {
        let file = tree.join(path);
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(file, bytes)?;
    }
    Ok(tree)
}
