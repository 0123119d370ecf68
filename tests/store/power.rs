//! Power cuts: whatever was not synced is dropped, torn or reordered. The store opens or repairs itself, with every
//! acknowledged commit; a backup is the earlier or the later one. The state's files are not trusted at all: they are
//! missing, old, torn or changed.
//!
//! `PROOFD_CUTS=1000` makes a longer run; `PROOFD_SEED` repeats one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proofd::model::CaseId;
use proofd::store::{self, Act, Options, Store};

use crate::power_disk::{Disk, Lie, Random, Recorder, Step, files_of, write_files};
use crate::support::{at, case, changed, event, options, received, unlocked};

const CUTS: usize = 50;
/// Cuts of one recorded run.
const CUTS_A_RUN: usize = 10;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A recorded run of a store: steps, and copies of the files that are derived from the journal, each with the step at
/// which it was made.
struct Run {
    steps: Vec<Step>,
    derived: Vec<(usize, Files)>,
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |value| value.parse().expect(name))
}

/// Small segments, and a disk that is full now and then.
fn small(seed: u64) -> Options {
    let writes = AtomicU64::new(seed);
    let fault = move |act| match act {
        Act::Write { at, .. } if at > 100 && writes.fetch_add(1, Ordering::Relaxed) % 23 == 22 => {
            Err(io::ErrorKind::StorageFull.into())
        }
        Act::Write { .. } | Act::Sync { .. } | Act::Mark | Act::Exchange | Act::Rewrite { .. } => Ok(()),
    };
    Options { segment_bytes: 3_000, fault: Some(Arc::new(fault)), ..options() }
}

/// Commits from several tasks, over two starts, with backups in between.
fn record(seed: u64) -> Run {
    let root = tempfile::tempdir().unwrap();
    let recorder = Recorder::of(root.path());
    let (dir, backup) = (root.path().join("store"), root.path().join("backup"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let mut derived = Vec::new();
    for start in 0..2 {
        let (store, _) = Store::open_with(&dir, at(0), small(seed + start)).unwrap();
        for round in 0..2 {
            runtime.block_on(async {
                let writers: Vec<_> = (0..3)
                    .map(|writer| {
                        let name = format!("{start}-{round}-{writer}");
                        tokio::spawn(write(store.clone(), recorder.clone(), name))
                    })
                    .collect();
                for writer in writers {
                    writer.await.unwrap();
                }
            });
            let done = store::backup(&dir, &backup, at(round)).unwrap();
            recorder.add(Step::BackedUp(done.head.sequence));
            derived.push((recorder.count(), files_of(&dir)));
        }
        runtime.block_on(store.close()).unwrap();
    }
    Run { steps: recorder.steps(), derived }
}

async fn write(store: Store, recorder: Recorder, name: String) {
    for number in 0..12 {
        let id = format!("{name}-{number}");
        let done = if number % 3 == 0 {
            store.commit_durable(received([event(&format!("e{id}"), 0)])).await.map(|()| format!("e{id}"))
        } else {
            store.commit(changed(case(&format!("c{id}"), 0))).await.map(|()| format!("c{id}"))
        };
        // An event is refused on a full disk.
        if let Ok(acked) = done {
            recorder.add(Step::Acked(acked));
        }
    }
}

/// What is left after a cut, and what must be there.
struct Left {
    files: Files,
    acked: BTreeSet<String>,
    backed_up: Option<u64>,
}

impl Run {
    fn cut(&self, place: usize, lie: Lie, random: &mut Random) -> Left {
        let mut disk = Disk::with(Files::new(), lie);
        let (mut acked, mut backed_up) = (BTreeSet::new(), None);
        for step in &self.steps[..place] {
            disk.take(step);
            match step {
                Step::Acked(id) => drop(acked.insert(id.clone())),
                Step::BackedUp(head) => backed_up = Some(*head),
                _ => {}
            }
        }
        let mut files = disk.cut(random);
        let older: Vec<&Files> =
            self.derived.iter().filter(|(made, _)| *made <= place).map(|(_, files)| files).collect();
        if !older.is_empty() && !random.one_in(3) {
            let known = older[random.below(older.len())];
            add_derived(&mut files, &disk, known, random);
        }
        Left { files, acked, backed_up }
    }
}

/// Adds the files that are derived from the journal: as they were at some time, missing, cut or overwritten.
fn add_derived(files: &mut Files, disk: &Disk, known: &Files, random: &mut Random) {
    for (name, content) in known {
        let path = Path::new("store").join(name);
        if disk.has(&path) || name.starts_with("journal") || name == Path::new("lock") {
            continue;
        }
        let mut content = content.clone();
        let length = content.len();
        match random.below(6) {
            0 => continue,
            1 => content.truncate(random.below(length)),
            2 => {
                let from = random.below(length) / 512 * 512;
                let to = (from + 4_096).min(length);
                content[from..to].fill(0);
            }
            3 if length > 0 => content[random.below(length)] ^= 0x10,
            _ => {}
        }
        files.insert(path, content);
    }
}

/// Opens what is left and checks it. With `again` the power fails during this start, and once more.
fn check(left: &Left, again: bool, random: &mut Random) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    write_files(root.path(), &left.files);
    let dir = root.path().join("store");
    let recorder = again.then(|| Recorder::of(root.path()));
    let opened = unlocked(|| Store::open_with(&dir, at(0), options()));
    let (store, _) = opened.map_err(|error| format!("the store does not open: {error}"))?;
    let inbox = store.inbox(at(0), usize::MAX).map_err(|error| error.to_string())?.0;
    let inbox: BTreeSet<_> = inbox.into_iter().map(|waiting| waiting.event.key).collect();
    for id in &left.acked {
        let there = match id.strip_prefix('e') {
            Some(_) => inbox.contains(id),
            None => store.case(&CaseId(id.clone())).map_err(|error| error.to_string())?.is_some(),
        };
        if !there {
            return Err(format!("{id} was acknowledged and is lost"));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.commit(changed(case("after", 0)))).map_err(|error| error.to_string())?;
    drop(store);
    let report = unlocked(|| store::verify(&dir)).map_err(|error| error.to_string())?;
    if report.different > 0 || report.lost.is_some() {
        return Err(format!("{:?} {:?}", report.differences, report.lost));
    }
    check_backup(root.path(), left.backed_up)?;
    let Some(recorder) = recorder else { return Ok(()) };
    let steps = recorder.steps();
    let mut disk = Disk::with(left.files.clone(), Lie::Nothing);
    let place = random.below(steps.len() + 1);
    steps[..place].iter().for_each(|step| disk.take(step));
    let files = disk.cut(random);
    check(&Left { files, acked: left.acked.clone(), backed_up: left.backed_up }, false, random)
}

fn check_backup(root: &Path, backed_up: Option<u64>) -> Result<(), String> {
    let backup = root.join("backup");
    if backed_up.is_none() && !backup.join("backup.json").exists() {
        return Ok(());
    }
    let found = store::verify_backup(&backup).map_err(|error| error.to_string())?;
    let at_least = backed_up.unwrap_or_default();
    (found.head.sequence >= at_least)
        .then_some(())
        .ok_or_else(|| format!("the backup ends at {}, not at {at_least}", found.head.sequence))
}

#[test]
fn a_power_cut_loses_no_acknowledged_commit() {
    let seed = setting("PROOFD_SEED", 0x5eed);
    let cuts = usize::try_from(setting("PROOFD_CUTS", CUTS as u64)).unwrap();
    let (mut random, mut acked, mut steps) = (Random::new(seed), 0, 0);
    for number in 0..cuts.div_ceil(CUTS_A_RUN) {
        let run = record(seed + number as u64);
        assert!(run.steps.iter().any(|step| matches!(step, Step::Length(..))), "a write was taken back");
        steps += run.steps.len();
        for cut in 0..CUTS_A_RUN {
            let place = random.below(run.steps.len() + 1);
            let left = run.cut(place, Lie::Nothing, &mut random);
            acked += left.acked.len();
            if let Err(what) = check(&left, cut % 2 == 0, &mut random) {
                panic!("campaign=power seed={seed} run={number} cut={cut} step={place}: {what}");
            }
        }
    }
    println!("campaign=power seed={seed} cuts={cuts} steps={steps} acknowledged={acked}");
    assert!(acked > cuts * 10);
}

#[test]
fn the_power_cut_test_detects_a_disk_that_ignores_syncs() {
    let run = record(7);
    for lie in [Lie::Journal, Lie::Names] {
        let mut random = Random::new(11);
        let noticed = (0..40).any(|_| {
            let place = random.below(run.steps.len() + 1);
            check(&run.cut(place, lie, &mut random), false, &mut random).is_err()
        });
        assert!(noticed, "{lie:?}");
    }
}
