//! Backups under load, with kills of the daemon and of the backups themselves. Each backup restores to another
//! directory and equals the first part of the journal. Then an early backup replaces the store, the daemon goes on
//! while the providers are ahead of it, and the ledger has nothing twice.
//!
//! `PROOFD_BACKUP_KILLS=100` makes a longer run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::ledger::{Ledger, Record, System};
use proofd::simulate::town::Town;
use proofd::store;
use serde_json::Value;

use crate::lives::{Kind, Random};
use crate::world::{World, copy_tree};

const KILLS: usize = 6;
const PEOPLE_A_KILL: usize = 4;
/// Every backup process of this many is killed.
const KILLED_BACKUPS: usize = 3;
/// Looks in a row that find nothing to do: seconds, in which the provider's events are read several times.
const RESTS: u32 = 80;

/// A person, who acts until the campaign is over.
struct Person {
    kind: Kind,
    who: Applicant,
}

impl Person {
    fn new(number: usize) -> Self {
        let kind = Kind::of(number);
        let email = format!("b{number}@{}", kind.domain());
        let who = Applicant::new(&format!("Person{number}"), "Tester", &email).unwrap();
        Self { kind, who }
    }

    /// Follows the newest link until the proof is given.
    async fn prove(&self, town: &Town, over: &AtomicBool) {
        while self.kind != Kind::Silent && !over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let Some(link) = self.who.link(town) else { continue };
            // The daemon may be down, or the session be over: the person presses again.
            let led = self.who.press(town, &link).await;
            if let Ok(Led::Vendor { execution }) = led
                && self.who.prove(town, &execution, self.kind.script()).is_ok()
            {
                return;
            }
        }
    }
}

/// A finished backup: its copy, its head, and when it was taken.
struct Kept {
    dir: PathBuf,
    head: store::Head,
}

/// Takes backups one after the other; kills some of the processes.
fn take_backups(config: &Path, root: &Path, seed: u64, over: &AtomicBool) -> (Vec<Kept>, usize) {
    let (backup, mut random) = (root.join("backup"), Random::new(seed));
    let (mut kept, mut killed) = (Vec::new(), 0);
    while !over.load(Ordering::Relaxed) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofd"));
        command.args(["store", "backup", "--json", "--config"]).arg(config).arg(&backup);
        let mut process =
            command.current_dir(root).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if random.below(KILLED_BACKUPS as u64) == 0 {
            std::thread::sleep(Duration::from_millis(random.below(25)));
            process.kill().unwrap();
            process.wait().unwrap();
            killed += 1;
            if backup.join("backup.json").exists() {
                store::verify_backup(&backup).expect("the earlier backup stays valid");
            }
            continue;
        }
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        let dir = root.join(format!("kept-{}", kept.len()));
        copy_tree(&backup, &dir);
        kept.push(Kept { dir, head: done["head"].as_str().unwrap().parse().unwrap() });
        std::thread::sleep(Duration::from_millis(100));
    }
    (kept, killed)
}

fn records(store: &Path, scratch: &Path) -> Vec<String> {
    let file = scratch.join("records.jsonl");
    let _ = std::fs::remove_file(&file);
    store::export(store, &file, proofd::model::Timestamp::UNIX_EPOCH, false).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

/// Restores a backup and compares it with the journal.
fn check(kept: &Kept, all: &[String], scratch: &Path) {
    let place = scratch.join("place");
    let now = proofd::model::Timestamp::UNIX_EPOCH;
    store::restore(&kept.dir, &place, now, "", Some(kept.head)).unwrap();
    let sequence = usize::try_from(kept.head.sequence).unwrap();
    assert_eq!(records(&place, scratch), all[..sequence], "{}", kept.head);
    drop(store::Store::open(&place, now).unwrap());
    let report = store::verify(&place).unwrap();
    assert_eq!((report.different, report.lost), (0, None), "{:?}", report.differences);
    std::fs::remove_dir_all(&place).unwrap();
}

/// Waits until every person's case has ended.
async fn settle(world: &World, people: usize) {
    world
        .until("the end of every case", async |world| {
            let open = open_cases(world).await?;
            for stuck in open.iter().filter(|case| case["state"] == "stuck") {
                world.orders(stuck, "retry").await;
            }
            (open.is_empty() && world.cases().await.len() >= people).then_some(())
        })
        .await;
}

/// Waits until no case has anything left to do, and none comes any more: closed, or stuck, where a person must look.
/// Who is approved or deleted already gets no case again.
async fn rest(world: &World) {
    let mut looks = 0;
    world
        .until("the rest of every case", async |world| {
            let open = open_cases(world).await?;
            let done = open.iter().all(|case| case["state"] == "stuck");
            looks = if done { looks + 1 } else { 0 };
            (looks > RESTS).then_some(())
        })
        .await;
}

async fn open_cases(world: &World) -> Option<Vec<Value>> {
    let page = world.try_ask(reqwest::Method::GET, "/v1/cases?state=open&limit=500", "t-admin", None);
    let (_, page) = page.await.ok()?;
    page["items"].as_array().cloned()
}

fn ledger(world: &World) -> Vec<Record> {
    Ledger::read(&world.dir.path().join("ledger.jsonl")).unwrap()
}

/// Counts the applied changes to people, and the copies of each mail.
fn applied(ledger: &[Record]) -> (BTreeMap<(String, String), u32>, BTreeMap<String, u32>) {
    let (mut changes, mut mails) = (BTreeMap::new(), BTreeMap::new());
    for one in ledger.iter().filter(|one| one.applied) {
        if one.system == System::OneLogin && one.what.starts_with("user.") {
            *changes.entry((one.subject.clone(), one.what.clone())).or_default() += 1;
        }
        if let Some(id) = one.detail["message_id"].as_str() {
            *mails.entry(id.to_owned()).or_default() += 1;
        }
    }
    (changes, mails)
}

async fn load(world: &mut World, people: &Arc<Vec<Person>>, kills: usize, seed: u64) {
    let over = Arc::new(AtomicBool::new(false));
    let mut acting = tokio::task::JoinSet::new();
    for number in 0..people.len() {
        let (town, people, over) = (world.share_town(), Arc::clone(people), Arc::clone(&over));
        acting.spawn(async move {
            tokio::time::sleep(Duration::from_millis(120) * u32::try_from(number).unwrap()).await;
            people[number].who.register(&town).unwrap();
            people[number].prove(&town, &over).await;
        });
    }
    let mut random = Random::new(seed);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(200 + random.below(900))).await;
        world.kill();
        world.start();
    }
    settle(world, people.len()).await;
    over.store(true, Ordering::Relaxed);
    while acting.join_next().await.is_some() {}
}

async fn started() -> World {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    copy_tree(Path::new("tests/data/kill"), &world.policies());
    world.town.jumio.turn(|knobs| {
        knobs.rate_limits = false;
        knobs.processing_seconds = 20;
    });
    world.edit_config("  jumio:\n", "  jumio:\n    starts_per_second: 50\n");
    world.start();
    world
}

/// Checks the whole ledger, given the copies of each mail before the restore. Returns the number of repeated mails.
fn nothing_is_done_twice(mails: &BTreeMap<String, u32>, ledger: &[Record]) -> usize {
    let (changes, copies) = applied(ledger);
    let adverse = |what: &str| ["user.approve", "user.delete"].contains(&what);
    let twice: Vec<_> = changes.iter().filter(|((_, what), count)| adverse(what) && **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let of = |what: &str| -> Vec<&String> {
        changes.keys().filter(|(_, did)| did == what).map(|(subject, _)| subject).collect()
    };
    let deleted = of("user.delete");
    assert!(of("user.approve").iter().all(|subject| !deleted.contains(subject)), "approved and deleted");
    for (id, count) in &copies {
        let before = mails.get(id).copied().unwrap_or_default();
        assert!(*count <= before + 1, "mail {id}: {before} copies before the restore, {count} after");
    }
    copies.iter().filter(|(id, count)| mails.get(*id).is_some_and(|mail| mail < count)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_restores_to_its_moment_and_nothing_is_done_twice_after_it() {
    let seed = std::env::var("PROOFD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    let kills = std::env::var("PROOFD_BACKUP_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut world = started().await;
    let people: Arc<Vec<_>> = Arc::new((0..kills * PEOPLE_A_KILL).map(Person::new).collect());

    let over = Arc::new(AtomicBool::new(false));
    let backups = {
        let (config, root, over) = (world.config(), world.dir.path().to_owned(), Arc::clone(&over));
        tokio::task::spawn_blocking(move || take_backups(&config, &root, seed, &over))
    };
    load(&mut world, &people, kills, seed).await;
    over.store(true, Ordering::Relaxed);
    let (kept, killed) = backups.await.unwrap();
    assert_eq!(world.stop(), Some(0));
    assert!(kept.len() > 3 && killed > 0, "{} backups, {killed} killed", kept.len());
    let (dir, scratch) = (world.dir.path().join("store"), tempfile::tempdir().unwrap());
    let all = records(&dir, scratch.path());
    kept.iter().for_each(|kept| check(kept, &all, scratch.path()));

    // The disk is lost after everything was done; the backup is of the middle.
    let (changes, mails) = applied(&ledger(&world));
    let early = kept.iter().find(|kept| kept.head.sequence as usize > all.len() / 3).unwrap();
    std::fs::rename(&dir, world.dir.path().join("lost")).unwrap();
    let (from, to) = (early.dir.to_str().unwrap(), dir.to_str().unwrap());
    let began = Instant::now();
    let said = world.say_alone(&["store", "restore", from, to, "--reason", "disk lost", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let in_doubt = said.json()["calls"].as_u64().unwrap();
    world.start();
    let took = began.elapsed();
    // Who still has a link follows it again.
    let anew = Arc::new(AtomicBool::new(false));
    let mut acting = tokio::task::JoinSet::new();
    for number in 0..people.len() {
        let (town, people, over) = (world.share_town(), Arc::clone(&people), Arc::clone(&anew));
        acting.spawn(async move { people[number].prove(&town, &over).await });
    }
    rest(&world).await;
    anew.store(true, Ordering::Relaxed);
    while acting.join_next().await.is_some() {}
    let stuck = world.cases().await.iter().filter(|case| case["state"] == "stuck").count();
    let log = world.log();
    assert_eq!(world.stop(), Some(0));
    let verified = world.say(&["store", "verify", "--json"]);
    assert_eq!(verified.code, Some(4), "the loss is reported: {verified:?}");
    assert_eq!(verified.json()["decisions"]["different"], 0, "{verified:?}");

    let repeated = nothing_is_done_twice(&mails, &ledger(&world));
    println!(
        "campaign=backup seed={seed} people={} kills={kills} backups={} killed_backups={killed} records={} \
         restored_at={} calls_in_doubt={in_doubt} changes={} mails_repeated={repeated} stuck={stuck} \
         restored_and_ready_ms={}",
        people.len(),
        kept.len(),
        all.len(),
        early.head.sequence,
        changes.len(),
        took.as_millis()
    );
    assert!(!log.contains("Tester"), "no name in the log");
}
