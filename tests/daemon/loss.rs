//! A store with lost data, seen from outside: the daemon does not start, and an accepted loss stays visible
//! permanently.
use std::path::{Path, PathBuf};

use crate::world::people::passes;
use crate::world::{Said, World};
use reqwest::{Method, StatusCode};

/// A daemon that approved a person and was then killed.
async fn approved() -> World {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    world.start();
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    world.kill();
    world
}

fn ends(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "{word:?} is not in {said:?}");
    }
}

fn last_segment(world: &World) -> PathBuf {
    world.dir.path().join("store/journal/000001.log")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_its_journal_starts_only_after_the_loss_is_accepted() {
    let mut world = approved().await;
    std::fs::remove_dir_all(world.dir.path().join("store/journal")).unwrap();
    for _ in 0..2 {
        let said = world.start_in_vain();
        ends(
            &said,
            2,
            &["is missing or empty", "records 1 to ", "high-water mark of ", "accept-loss --reason"],
        );
        assert_eq!(said.err.lines().filter(|line| line.starts_with("proofd:")).count(), 1, "{said:?}");
    }
    ends(&world.say(&["store", "verify"]), 1, &["lost: ", "is missing or empty"]);
    ends(&world.say(&["store", "accept-loss", "--reason", " "]), 2, &["--reason is empty"]);
    ends(
        &world.say(&["store", "accept-loss", "--reason", "the disk died"]),
        0,
        &["accepted: ", "records 1 to "],
    );
    ends(&world.say(&["store", "accept-loss", "--reason", "again"]), 1, &["nothing to accept"]);

    for _ in 0..2 {
        world.start();
        let (status, ready) = world.ask(Method::GET, "/readyz", "", None).await;
        let ready = ready.as_str().unwrap().to_owned();
        assert_eq!(status, StatusCode::OK, "{ready}");
        assert!(ready.starts_with("ready\nstore: the loss of records 1 to "), "{ready}");
        let (_, metrics) = world.ask(Method::GET, "/metrics", "", None).await;
        assert!(metrics.as_str().unwrap().contains("\nproofd_store_accepted_losses 1\n"), "{metrics}");
        let head = world.say(&["store", "head"]);
        ends(&head, 0, &[":"]);
        assert!(world.say(&["doctor"]).out.contains("accepted losses: 1"));
        assert_eq!(world.stop(), Some(0));
        ends(
            &world.say(&["store", "verify", "--head", head.out.trim()]),
            4,
            &["reason: the disk died", "holds"],
        );
    }
    let wrong = format!("1:{}", "0".repeat(32));
    ends(&world.say(&["store", "verify", "--head", &wrong]), 1, &["does not contain the head"]);
    ends(&world.say(&["store", "verify", "--head", "seven"]), 2, &["SEQUENCE:HASH"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_last_frame_is_not_taken_for_a_torn_write() {
    let world = approved().await;
    let path = last_segment(&world);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 4;
    std::fs::write(&path, &bytes).unwrap();
    ends(&world.say(&["store", "verify"]), 1, &["is damaged at byte", "which was acknowledged"]);
    ends(&world.start_in_vain(), 2, &["is damaged at byte", "which was acknowledged", "000001.log"]);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing was changed");
}

/// One flipped bit in the middle: it is repaired, the next frame proves the repair, and nothing else changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_middle_is_repaired_and_stops_no_case() {
    let mut world = approved().await;
    let path = last_segment(&world);
    let whole = std::fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 8;
    std::fs::write(&path, &bytes).unwrap();
    ends(&world.start_in_vain(), 2, &["is damaged at byte", "proofd store salvage --dry-run"]);
    ends(&world.say(&["store", "salvage"]), 2, &["--reason"]);
    ends(&world.say(&["store", "salvage", "--reason", " "]), 2, &["--reason is empty"]);
    let found = ["mended, one bit was flipped; a hash proves the result", "nothing is lost"];
    ends(&world.say(&["store", "salvage", "--dry-run"]), 0, &[found[0], found[1], "nothing was changed"]);
    let said = world.say(&["store", "salvage", "--reason", "bad sector"]);
    ends(&said, 0, &[found[0], found[1], "journal.damaged-1"]);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    ends(&world.say(&["store", "salvage", "--reason", "again"]), 1, &["there is nothing to salvage"]);
    ends(&world.say(&["store", "verify"]), 0, &["the state matches the journal"]);
    world.start();
    let bob = world.registers("Bob");
    world.goes_through(&bob, passes()).await;
    world.until_closed(&bob, "approved").await;
}

/// An overwritten block: its case is quarantined and named, and all other cases continue. The quarantined case
/// continues after a retry. The first block also contains the policies.
#[tokio::test(flavor = "multi_thread")]
async fn an_overwritten_block_quarantines_only_its_case() {
    for harmed in [0, 1] {
        overwritten(harmed).await;
    }
}

async fn overwritten(harmed: usize) {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    let path = last_segment(&world);
    let (mut people, mut starts) = (Vec::new(), vec![36]);
    for name in ["Ada", "Bob", "Cyd"] {
        // Each start's records are readable without the earlier ones.
        world.start();
        let person = world.registers(name);
        world.link(&person).await;
        people.push(person);
        assert_eq!(world.stop(), Some(0));
        starts.push(usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap());
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[starts[harmed] + 40..starts[harmed] + 60].fill(0x55);
    std::fs::write(&path, &bytes).unwrap();

    ends(&world.start_in_vain(), 2, &["is damaged at byte", "proofd store salvage --dry-run"]);
    let found = world.say(&["store", "salvage", "--dry-run", "--json"]).json();
    assert_eq!(found["complete"], true, "{found}");
    assert_eq!(found["cases"].as_array().unwrap().len(), 1, "{found}");
    let id = found["cases"][0].as_str().unwrap().to_owned();
    let said = world.say(&["store", "salvage", "--reason", "bad sector"]);
    ends(&said, 0, &[&format!("case {id}: quarantined"), "lost, cannot be read", "journal.damaged-1"]);
    ends(&world.say(&["store", "verify"]), 4, &[&id, "reason: bad sector"]);

    world.start();
    let (_, ready) = world.ask(Method::GET, "/readyz", "", None).await;
    assert!(ready.as_str().unwrap().contains("damaged records were salvaged on "), "{ready}");
    let stuck = people.remove(harmed);
    for person in &people {
        world.goes_through(person, passes()).await;
        world.until_closed(person, "approved").await;
    }
    let case = world.until_state(&stuck, "stuck").await;
    assert_eq!(case["id"], id.as_str());
    assert_eq!(world.orders(&case, "retry").await.0, StatusCode::OK);
    world.goes_through(&stuck, passes()).await;
    world.until_closed(&stuck, "approved").await;
    assert_eq!(world.stop(), Some(0));
    ends(&world.say(&["store", "verify"]), 4, &[&id, "reason: bad sector"]);
}
