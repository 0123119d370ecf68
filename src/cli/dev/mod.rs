//! `dev`: simulators and the daemon in one process on a policy tree, with reload on each change of a file, a clock that
//! keys set, a page with the addresses, and a log in words. Loopback only; no real provider is reached.
//!
//! `config` turns a tree's configuration into one against the simulators; `keys` reads keys and names what they do;
//! `log` prints what happens.

mod config;
mod keys;
mod log;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::keys::Pressed;
use super::serve::log_filter;
use super::stage::{self, Folder, Stage};
use super::style::{Tone, paint};
use super::{Ending, Failed, output, when};
use crate::engine::clock::Scaled;
use crate::model::{Clock, Secret};
use crate::simulate::Serving;
use crate::simulate::front::{self, Row, Shown};
use crate::simulate::ledger::Ledger;
use crate::simulate::town::{Addresses, Credentials, Town};
use crate::simulate::which::Which;

/// The first port of the simulators, as in the configuration that `init` writes.
const SIMULATORS: u16 = 9_000;
/// The port of the first page.
const FRONT: u16 = 9_010;
/// People with an account, to try sign-ins, roles and sweeps.
const PEOPLE: u32 = 8;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A directory that `init` wrote, or a policy tree
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// How many times faster than real time the clock runs: 1 to 1000000; keys change it
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    speed: i32,
    /// Keep the store and the configuration of this run, and print where they are
    #[arg(long)]
    keep: bool,
}

pub async fn run(arguments: Arguments) -> Result<Ending, Failed> {
    let _ = tracing_subscriber::registry()
        .with(log_filter("off,proofd=error"))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time())
        .try_init();
    let tree = config::Tree::find(&arguments.dir)?;
    let folder = Folder::new("dev", arguments.keep)?;
    let ended = play(&arguments, &tree, folder.path()).await;
    if arguments.keep {
        output::line(&format!("kept: {}", folder.path().display()));
    }
    ended
}

async fn play(arguments: &Arguments, tree: &config::Tree, folder: &Path) -> Result<Ending, Failed> {
    // Before anything starts: a signal ends it in order.
    let mut interrupt = signal(SignalKind::interrupt()).context("while preparing for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("while preparing for signals")?;
    let clock = Scaled::from_now(arguments.speed);
    let credentials = Credentials::default();
    let town = town(&clock, &credentials).await?;
    let token = random_token()?;
    let address = stage::free_address(tree.port())?;
    let file = tree.simulated(folder, address, &town, &credentials)?;
    let you = |engine: &_| stage::of_every_team(engine, "you@example.com", "You");
    let stage = Stage::open(clock.clone(), town, &file, you, &token).await?;
    // Accounts, and the roles that the policies name.
    stage.town.settle(PEOPLE, config::roles(&stage.engine.active().set));

    let (send, pressed) = mpsc::unbounded_channel();
    let page = front_page(&stage, send.clone()).await?;
    let mut log = log::Log::new(tree.policies());
    greet(arguments, &stage, &page, tree, address, &token);
    log.reloaded(&stage);
    let mut keys = keys::Keys::listen(send, pressed);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            key = keys.next() => match key {
                Some(Pressed::Quit) => break,
                Some(other) => say(&keys::press(other, &clock)),
                None => {}
            },
            () = tokio::time::sleep(log::GLANCE) => {}
        }
        log.catch_up(&stage)?;
    }
    drop(keys);
    page.stop().await;
    stage.close().await?;
    say("stopped");
    Ok(Ending::Ok)
}

/// Starts the simulators at their usual ports, or at free ones.
async fn town(clock: &Scaled, credentials: &Credentials) -> Result<Town, Failed> {
    let serve = |addresses: Addresses| {
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        Town::serve(addresses, credentials, shared, Ledger::memory())
    };
    let usual = Which::All.addresses(SocketAddr::from((Ipv4Addr::LOCALHOST, SIMULATORS)));
    let town = match serve(usual).await {
        Ok(town) => town,
        Err(_) => serve(Addresses::default()).await.context("while starting the simulators")?,
    };
    // A person at the keyboard does not wait as long as the real webhook does.
    town.deliver_at_once();
    Ok(town)
}

async fn front_page(stage: &Stage, pressed: mpsc::UnboundedSender<char>) -> Result<Serving, Failed> {
    let rows = rows(stage);
    let (sign_in, clock) = (stage.sign_in_links(), stage.clock.clone());
    let show = move || {
        let console = sign_in().map(|url| Row { name: "Console", url, about: "Cases, reviews, policies" });
        let clock = format!("It is {}, {}.", when::moment(clock.now()), keys::speed(clock.factor()));
        Shown { rows: console.into_iter().chain(rows.clone()).collect(), clock }
    };
    let address = stage::free_address(FRONT)?;
    let served = front::serve(address, show, keys::BUTTONS, pressed).await;
    Ok(served.context("while serving the first page")?)
}

fn rows(stage: &Stage) -> Vec<Row> {
    let metrics = Row { name: "Metrics", url: format!("{}/metrics", stage.url), about: "For Prometheus" };
    stage.town.pages().into_iter().chain([metrics]).collect()
}

/// Prints where to look, and what the keys do.
fn greet(
    arguments: &Arguments,
    stage: &Stage,
    page: &Serving,
    tree: &config::Tree,
    address: SocketAddr,
    token: &Secret,
) {
    let line = |name: &str, text: &str| output::line(&format!("  {name:<11} {text}"));
    output::line(&format!(
        "proofd dev on {}; everything is simulated on this machine\n",
        tree.policies().display()
    ));
    line("start here", &paint(Tone::Strong, &page.url));
    if let Some(link) = stage.sign_in() {
        line("console", &format!("{link}  (signs you in once)"));
    }
    for Row { name, url, .. } in rows(stage) {
        line(&name.to_lowercase(), &url);
    }
    output::line("");
    match tree.answers_at(address) {
        Some(config) => line("commands", &format!("proofd case list --config {}", config.display())),
        None => {
            line("commands", &format!("export PROOFD_URL={} PROOFD_TOKEN={}", stage.url, token.expose()));
            line("", "proofd case list");
        }
    }
    line("edit", &format!("{}; each change is loaded at once", tree.policies().display()));
    line("clock", &format!("{}; keys: {}", keys::speed(arguments.speed), keys::help()));
    output::line("");
}

fn say(text: &str) {
    output::line(&format!("  {}", paint(Tone::Faint, text)));
}

/// A token for this run only.
fn random_token() -> Result<Secret, Failed> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("making a token failed: {error}"))?;
    Ok(Secret::new(format!("dev-{}", data_encoding::HEXLOWER.encode(&bytes))))
}
