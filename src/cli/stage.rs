//! Simulators and the daemon in one process, for `demo` and `dev`: the engine, interfaces and connectors of `run`, on a
//! clock that can be set forward.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::task::JoinSet;

use super::{Failed, compose, rehearsal, sign_in};
use crate::config::Role;
use crate::engine::Engine;
use crate::engine::clock::Scaled;
use crate::http::{Access, AppState, Grant, Listening, listen, person};
use crate::model::{Actor, Clock, Secret};
use crate::simulate::town::Town;
use crate::store::Store;

/// The running parts.
pub struct Stage {
    pub clock: Scaled,
    pub engine: Engine,
    pub town: Town,
    /// Address of the daemon, without a trailing slash.
    pub url: String,
    /// A member of every team of the policies, who signs in to the console.
    who: Actor,
    doors: AppState,
    listening: Listening,
    tasks: JoinSet<()>,
}

impl Stage {
    /// Starts the daemon of a configuration that names the simulators of `town`. Refuses any other system: the clock is
    /// not the real one.
    pub async fn open(
        clock: Scaled,
        town: Town,
        file: &Path,
        who: impl FnOnce(&Engine) -> Actor,
        token: &Secret,
    ) -> Result<Self, Failed> {
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let configured = compose::read(file).map_err(Failed::usage)?;
        rehearsal::only_simulators(&configured.setup).map_err(Failed::usage)?;
        let config = &configured.config;
        let address = config.listen;
        if !address.ip().is_loopback() {
            return Err(Failed::usage(anyhow!("{address} is not an address of this machine only")));
        }
        let dir = config.store_dir().ok_or_else(|| anyhow!("store: expected sled:DIRECTORY"))?;
        let (store, opened) = Store::open(&dir, shared.now())
            .map_err(|error| anyhow!(error).context("while opening the store"))?;
        let connectors = configured.connectors(&shared)?;
        let engine = Engine::open(configured.settings()?, store, &opened, shared, connectors).await?;
        let who = who(&engine);
        let mut grants = compose::grants(config).map_err(Failed::usage)?;
        grants.push(Grant::new(who.clone(), [Role::Admin], token));
        let access = Access::new(grants, engine.clock());
        let tasks = engine.start();
        let doors = AppState::new(engine.clone(), access).map_err(|why| anyhow!(why))?;
        let pages = person::Pages::new(&config.organization, &config.person_pages, &config.base);
        let doors = doors.with_person_pages(pages.map_err(|why| Failed::usage(anyhow!(why)))?);
        let doors = sign_in::with_console(doors).map_err(|why| anyhow!(why))?;
        let listening = listen(address, doors.everything())
            .await
            .map_err(|error| Failed::usage(anyhow!("cannot listen on {address}: {error}")))?;
        let url = format!("http://{address}");
        town.broadcast_to(&url);
        Ok(Self { clock, engine, town, url, who, doors, listening, tasks })
    }

    /// A new sign-in address of the console; none without a console.
    pub fn sign_in(&self) -> Option<String> {
        sign_in::link(&self.doors, &self.url, &self.who)
    }

    /// Makes sign-in addresses after the stage has moved.
    pub fn sign_in_links(&self) -> impl Fn() -> Option<String> + Send + Sync + 'static {
        let (doors, url, who) = (self.doors.clone(), self.url.clone(), self.who.clone());
        move || sign_in::link(&doors, &url, &who)
    }

    /// Stops the daemon; calls in progress are awaited.
    pub async fn close(self) -> Result<(), Failed> {
        self.listening.stop().await;
        self.engine.stop();
        self.tasks.join_all().await;
        self.engine.store().close().await.context("while closing the store")?;
        Ok(())
    }
}

/// A person who is a member of every team of the active policies.
pub fn of_every_team(engine: &Engine, id: &str, name: &str) -> Actor {
    let active = engine.active();
    let teams = active.set.policies.values().flat_map(|policy| policy.people.teams.keys().cloned());
    Actor { name: name.to_owned(), ..Actor::person(id, teams) }
}

/// Returns this address of this machine if its port is free, else one with another port. The configuration contains the
/// address and must exist before the daemon listens.
pub fn free_address(port: u16) -> anyhow::Result<SocketAddr> {
    let bind = |port: u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let socket = bind(port).or_else(|_| bind(0)).context("while finding a free port")?;
    socket.local_addr().context("while finding a free port")
}

/// A directory that only its owner can read, and that disappears at the end unless it is kept.
#[derive(Debug)]
pub struct Folder {
    path: std::path::PathBuf,
    keep: bool,
}

impl Folder {
    pub fn new(name: &str, keep: bool) -> Result<Self, Failed> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("proofd-{name}-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("while making {}", path.display()))?;
        Ok(Self { path, keep })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // A failed removal leaves only a temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
