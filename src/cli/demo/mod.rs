//! `demo`: the whole product without setup. It uses the engine, interfaces and connectors of `run`, with
//! simulated vendors, a store in a temporary folder and a clock that can be set forward.
//!
//! `cast` defines the people who register and their results, and `story` runs them. `workforce` runs people with
//! an account, a hire and a partner. Both use the functions of `scene`; `teller` prints the events.

mod cast;
mod scene;
mod story;
mod teller;
mod workforce;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::serve::log_filter;
use super::{Ending, Failed, compose, init, output};
use crate::config::Role;
use crate::console;
use crate::engine::Engine;
use crate::engine::clock::Scaled;
use crate::http::{Access, AppState, Grant, listen};
use crate::model::{Actor, Clock, Secret};
use crate::simulate::ledger::Ledger;
use crate::simulate::town::{Addresses, Credentials, Town};
use crate::store::Store;

/// Speed of the story's clock relative to real time while people act.
const PACE: i32 = 60;

#[derive(Debug, Args)]
pub struct Arguments {
    /// End after the demo; exit with 1 if a case ended differently than its policy promises
    #[arg(long)]
    exit: bool,
    /// Policy tree to use instead of the shipped one
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
}

/// The running parts of the demo.
struct Stage {
    clock: Scaled,
    engine: Engine,
    town: Town,
    url: String,
    token: Secret,
}

pub async fn run(arguments: Arguments) -> Result<Ending, Failed> {
    let _ = tracing_subscriber::registry()
        .with(log_filter("off"))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .try_init();
    let folder = folder()?;
    let ended = play(&arguments, &folder).await;
    // A failed removal leaves only a temporary folder.
    let _ = std::fs::remove_dir_all(&folder);
    ended
}

async fn play(arguments: &Arguments, folder: &Path) -> Result<Ending, Failed> {
    let policies = match &arguments.policies {
        Some(dir) => std::path::absolute(dir).context("while finding the policies")?,
        None => shipped(folder).context("while writing the shipped policies")?,
    };
    let clock = Scaled::from_now(PACE);
    let credentials = Credentials::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let town = Town::serve(Addresses::default(), &credentials, Arc::clone(&shared), Ledger::memory())
        .await
        .context("while starting the simulators")?;
    // The configuration contains the daemon's address and must exist before the daemon starts.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").context("while finding a free port")?;
    let address = socket.local_addr().context("while finding a free port")?;
    drop(socket);
    let url = format!("http://{address}");
    let file = folder.join("proofd.yaml");
    let text = format!(
        "listen: {address}\npublic_url: {url}\norganization: Example Corp\npolicies: {}\nstore: sled:{}\n{}",
        policies.display(),
        folder.join("store").display(),
        town.connectors_yaml(&credentials),
    );
    std::fs::write(&file, text).context("while writing the configuration")?;
    let configured = compose::read(&file).map_err(Failed::usage)?;

    let now = shared.now();
    let (store, opened) = Store::open(&folder.join("store"), now)
        .map_err(|error| anyhow!(error).context("while opening the store"))?;
    let connectors = configured.connectors(&shared)?;
    let engine = Engine::open(configured.settings()?, store, &opened, shared, connectors).await?;
    let report = &engine.active().report;
    if !report.ok {
        return Err(Failed::no(anyhow!("the policies have errors:\n{}", report.rendered)));
    }
    let tasks = engine.start();
    let token = Secret::new("demo-on-this-machine-only");
    let access = Access::new(vec![Grant::new(dana(&engine), [Role::Admin], &token)], engine.clock());
    let doors = AppState::new(engine.clone(), access).map_err(|why| anyhow!(why))?;
    let doors = doors.with_console(console::pages().map_err(|why| anyhow!(why))?);
    let listening = listen(address, doors.everything()).await.context("while listening")?;
    town.broadcast_to(&url);

    let stage = Stage { clock, engine, town, url, token };
    let all_well = story::run(&stage).await?;
    if !arguments.exit {
        let grant = Grant::signed_in(dana(&stage.engine), [Role::Admin, Role::RawIdentity]);
        let link = console::sign_in_link(&doors, &stage.url, grant).map_err(|why| anyhow!(why))?;
        teller::where_to_look(&stage, &link);
        tokio::signal::ctrl_c().await.context("while waiting for Ctrl-C")?;
    }
    listening.stop().await;
    stage.engine.stop();
    tasks.join_all().await;
    stage.engine.store().close().await.context("while closing the store")?;
    Ok(if all_well { Ending::Ok } else { Ending::No })
}

/// An actor who is a member of every team of the shipped policies.
fn dana(engine: &Engine) -> Actor {
    let active = engine.active();
    let teams = active.set.policies.values().flat_map(|policy| policy.people.teams.keys().cloned());
    Actor { name: "Dana from the identity desk".to_owned(), ..Actor::person("dana@example.com", teams) }
}

fn folder() -> Result<PathBuf, Failed> {
    let folder = std::env::temp_dir().join(format!("proofd-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("while making {}", folder.display()))?;
    Ok(folder)
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
