//! A process that is killed during commits loses no acknowledged commit. The test starts its own binary as that
//! process.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{assert_sound, at, case, changed, event, open, options, received};
use proofd::model::CaseId;
use proofd::store::{Act, Options, Store};

const DIR: &str = "PROOFD_TEST_STORE";
const ROUND: &str = "PROOFD_TEST_ROUND";
const BROKEN: &str = "PROOFD_TEST_BROKEN_DISK";
const KILLS: u64 = 45;

/// The process that is killed. Without the variable this test does nothing.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let round = std::env::var(ROUND).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let mut options = Options { segment_bytes: 8 << 10, ..options() };
    if std::env::var_os(BROKEN).is_some() {
        let syncs = AtomicU64::new(0);
        options.fault = Some(Arc::new(move |act| match act {
            Act::Sync { .. } if syncs.fetch_add(1, Ordering::Relaxed) >= 20 => {
                Err(io::Error::other("no disk"))
            }
            Act::Sync { .. } | Act::Write { .. } | Act::Mark | Act::Exchange | Act::Rewrite { .. } => Ok(()),
        }));
    }
    let (store, _) = Store::open_with(Path::new(&dir), at(0), options).unwrap();
    runtime.block_on(async {
        let writers: Vec<_> =
            (0..4).map(|writer| tokio::spawn(write_for_ever(store.clone(), round.clone(), writer))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

async fn write_for_ever(store: Store, round: String, writer: u32) {
    for number in 0_u64.. {
        let id = format!("{round}-{writer}-{number}");
        if number % 3 == 0 {
            store.commit_durable(received([event(&id, 0)])).await.unwrap();
        } else {
            store.commit(changed(case(&id, 0))).await.unwrap();
        }
        // One write to the pipe: a line is complete or missing.
        let line = format!("acked {} {id}\n", if number % 3 == 0 { "event" } else { "case" });
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn every_commit_that_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = Vec::new();
    for round in 0..KILLS {
        let mut child = start(dir.path(), round, None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Another number of commits in each round spreads the kills over every part of a commit.
        let enough = (round * 37 % 97) as usize + 1;
        let before = acked.len();
        while acked.len() < before + enough {
            let line = lines.next().expect("the process commits").unwrap();
            acked.extend(parse(&line));
        }
        child.kill().unwrap();
        acked.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
        child.wait().unwrap();
        if round % 5 == 4 {
            check(dir.path(), &acked);
        }
    }
    check(dir.path(), &acked);
    assert!(acked.len() as u64 > KILLS);
    assert_sound(dir.path());
}

#[test]
fn a_failed_sync_ends_the_process_with_70_and_loses_no_acknowledged_commit() {
    let dir = tempfile::tempdir().unwrap();
    let child = start(dir.path(), 0, Some("1"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    let text = String::from_utf8(output.stdout).unwrap();
    let acked: Vec<_> = text.lines().filter_map(parse).collect();
    assert!(!acked.is_empty());
    check(dir.path(), &acked);
}

/// Starts this binary again, with only `child` to run.
fn start(dir: &Path, round: u64, broken: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(DIR, dir).env(ROUND, round.to_string()).envs(broken.map(|broken| (BROKEN, broken)));
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn parse(line: &str) -> Option<(bool, String)> {
    let (_, rest) = line.split_once("acked ")?;
    let (kind, id) = rest.split_once(' ')?;
    Some((kind == "event", id.to_owned()))
}

fn check(dir: &Path, acked: &[(bool, String)]) {
    let (store, opened) = open(dir);
    assert_eq!(opened.rebuilt, None);
    let inbox: std::collections::BTreeSet<_> =
        store.inbox(at(0), usize::MAX).unwrap().0.into_iter().map(|waiting| waiting.event.key).collect();
    for (is_event, id) in acked {
        let there =
            if *is_event { inbox.contains(id) } else { store.case(&CaseId(id.clone())).unwrap().is_some() };
        assert!(there, "{id} was acknowledged and is gone");
    }
}
