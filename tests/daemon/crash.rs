//! One registration, and a daemon that dies at every single commit. It dies before the record is written (the performed
//! call is forgotten), before it is synced (the decided call is not performed yet), or before the high-water mark is
//! written (the record is on disk without an acknowledgment). In every case the person is approved and invited exactly
//! once.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::world::{World, inside};
use proofd::engine::Engine;
use proofd::engine::clock::Scaled;
use proofd::http::{Access, AppState, listen};
use proofd::model::Clock;
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::jumio::Script;
use proofd::simulate::ledger::System;
use proofd::store::{Act, Options, Store};

const DIR: &str = "PROOFD_CRASH_DIR";
const REHEARSAL: &str = "PROOFD_CRASH_ORIGIN";
const POINT: &str = "PROOFD_CRASH_POINT";
const FACTOR: i32 = 60;

/// The point of death: before the n-th write of the journal, before its n-th sync, or before the n-th write of its
/// high-water mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Write(u32),
    Sync(u32),
    Mark(u32),
}

/// The daemon without a command line, as a child process of the campaign. Not a test itself.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(daemon(Path::new(&dir)));
}

async fn daemon(dir: &Path) {
    let (config, _) = proofd::config::read(&dir.join("proofd.yaml")).unwrap();
    let origin = std::env::var(REHEARSAL).unwrap().parse().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Scaled::since(origin, FACTOR));
    let (settings, connectors) = inside::parts(dir, &clock);
    let (store, opened) = Store::open_with(&dir.join("store"), clock.now(), deadly()).unwrap();
    let engine = Engine::open(settings, store, &opened, clock, connectors).await.unwrap();
    let _loops = engine.start();
    let doors = AppState::new(engine, Access::default()).unwrap();
    let _listening = listen(config.listen, doors.everything()).await.unwrap();
    std::future::pending::<()>().await;
}

/// A store that kills its process at the campaign's point.
fn deadly() -> Options {
    let Ok(point) = std::env::var(POINT) else { return Options::default() };
    let (kind, number) = point.split_once(' ').unwrap();
    let (kind, number) = (kind.to_owned(), number.parse::<u32>().unwrap());
    let seen = AtomicU32::new(0);
    let fault = move |act: Act| {
        let fatal = match act {
            Act::Write { .. } => "write",
            Act::Sync { .. } => "sync",
            Act::Mark => "mark",
            Act::Exchange => "exchange",
            Act::Rewrite { .. } => "rewrite",
        };
        if kind == fatal && seen.fetch_add(1, Ordering::Relaxed) + 1 == number {
            std::process::abort();
        }
        Ok(())
    };
    Options { fault: Some(Arc::new(fault)), ..Options::default() }
}

fn spawn(dir: &Path, origin: &str, point: Option<Point>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["crash::child", "--exact", "--nocapture"])
        .env(DIR, dir)
        .env(REHEARSAL, origin)
        .env_remove(POINT);
    match point {
        Some(Point::Write(number)) => command.env(POINT, format!("write {number}")),
        Some(Point::Sync(number)) => command.env(POINT, format!("sync {number}")),
        Some(Point::Mark(number)) => command.env(POINT, format!("mark {number}")),
        None => &mut command,
    };
    let log = std::fs::File::options().create(true).append(true).open(dir.join("daemon.log")).unwrap();
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Runs the whole registration with a death at the point. False: the point was never reached.
async fn survives(point: Point) -> bool {
    let world = World::new(FACTOR, Path::new("tests/data/tree"), "").await;
    let (dir, origin): (PathBuf, String) = (world.dir.path().to_owned(), world.origin());
    let mut child = spawn(&dir, &origin, Some(point));
    let town = world.share_town();
    let ada = Applicant::new("Ada", "Tester", "ada@partner.test").unwrap();
    let registered = ada.register(&town).unwrap();
    let user = registered.user_id.unwrap();
    let (mut died, mut proven) = (false, false);
    let started = std::time::Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(60), "{point:?} does not end\n{}", world.log());
        if !died && let Some(status) = child.try_wait().unwrap() {
            assert!(!status.success(), "{point:?}: the daemon ended by itself\n{}", world.log());
            died = true;
            child = spawn(&dir, &origin, None);
        }
        if !proven && let Some(link) = ada.link(&town) {
            // The daemon may be down or die during the request: the person presses again.
            if let Ok(Led::Vendor { execution }) = ada.press(&town, &link).await {
                proven = ada.prove(&town, &execution, Script::default()).is_ok();
            }
        }
        if town.onelogin.user(user).is_some_and(|user| user["state"] == 1) && world.settled().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let applied = |what: &str| {
        let records = town.ledger.records();
        records.iter().filter(|one| one.system == System::OneLogin && one.applied && one.what == what).count()
    };
    assert_eq!(
        (applied("user.approve"), applied("user.invite"), applied("user.delete")),
        (1, 1, 0),
        "{point:?}"
    );
    let (store, _) = Store::open(&dir.join("store"), world.now()).unwrap();
    let (cases, _) = store.cases(&proofd::store::CaseFilter::default(), None, 10).unwrap();
    assert_eq!(cases.len(), 1, "{point:?}");
    assert_eq!(cases[0].result.as_deref(), Some("approved"), "{point:?}");
    store.close().await.unwrap();
    drop(store);
    let report = proofd::store::verify(&dir.join("store")).unwrap();
    assert!(report.differences.is_empty(), "{point:?} {:?}", report.differences);
    died
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_commit_does_not_change_the_results() {
    let mut reached = 0;
    for first in (1_u32..60).step_by(2) {
        let points = (first..first + 2)
            .flat_map(|number| [Point::Write(number), Point::Sync(number), Point::Mark(number)]);
        let runs = futures::future::join_all(points.map(survives)).await;
        let deaths = runs.iter().filter(|died| **died).count();
        reached += deaths;
        if deaths == 0 {
            break;
        }
    }
    println!("campaign=crash points={reached}");
    assert!(reached >= 16, "a registration has more commits than {reached} deaths show");
}
