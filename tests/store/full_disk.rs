//! A store on a small, full disk: a real file system, mounted by the test, which needs root.
use std::path::Path;
use std::sync::{Arc, Mutex};

use proofd::store::{Error, Options, Store};

use crate::disk::Disk;
use crate::support::{assert_sound, at, case, changed, event, opens, received};

/// The failures of a store.
type Failures = Arc<Mutex<Vec<String>>>;

/// A store with the sizes of a daemon, and its failures.
fn open(dir: &Path) -> Result<(Store, Failures), Error> {
    let failures = Failures::default();
    let tell = Arc::clone(&failures);
    let failure = Arc::new(move |reason: &str| tell.lock().unwrap().push(reason.to_owned()));
    Store::open_with(dir, at(0), Options { failure, ..Options::default() })
        .map(|(store, _)| (store, failures))
}

/// Sends events until one is refused.
async fn send_until_refused(store: &Store) -> usize {
    for number in 0..200_000 {
        let mut event = event(&format!("e{number}"), 0);
        // Incompressible bytes.
        let noise: String =
            (0..60_u64).map(|n| format!("{:x}", n.wrapping_mul(number ^ 0x9E37_79B9))).collect();
        event.ip = Some(noise);
        match store.commit_durable(received([event])).await {
            Ok(()) => {}
            Err(Error::Full) => return usize::try_from(number).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("200,000 events fit on the small disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_closes_the_intake_until_there_is_space() {
    let Some(disk) = Disk::mount(112) else { return };
    let dir = disk.at.join("store");
    let ballast = disk.at.join("ballast");
    std::fs::write(&ballast, vec![1; 40 << 20]).unwrap();
    let (store, failures) = open(&dir).unwrap();
    store.commit(changed(case("c0", 0))).await.unwrap();
    let taken = send_until_refused(&store).await;
    assert!(taken > 1_000, "{taken} events were taken");
    assert!(store.is_full());
    assert!(matches!(store.commit(opens(case("c1", 0))).await, Err(Error::Full)), "no new case");
    for number in 0..2_000 {
        store.commit(changed(case("c0", number))).await.unwrap();
    }
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");

    // Another program uses the remaining space. The reserve is released; work in progress continues.
    let foreign = disk.fill();
    for number in 0..50 {
        store.commit(changed(case("c0", number))).await.unwrap();
    }
    assert!(!dir.join("reserve").exists());
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");
    drop(store);

    // A start on the full disk.
    let (store, failures) = open(&dir).unwrap();
    assert!(store.is_full());
    store.commit(changed(case("c0", 51))).await.unwrap();
    assert!(matches!(store.commit_durable(received([event("late", 0)])).await, Err(Error::Full)));

    // Even the reserve is used: nothing is written, nothing fails, new events are refused.
    let second = disk.at.join("foreign-2");
    std::fs::rename(&foreign, &second).unwrap();
    let foreign = disk.fill();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(changed(case("c0", 52))).await }
    });
    assert!(matches!(store.commit_durable(received([event("later", 0)])).await, Err(Error::Full)));
    assert!(!waiting.is_finished(), "a commit was acknowledged without space");

    // Space is free again: the waiting commit completes, and events are accepted.
    std::fs::remove_file(foreign).unwrap();
    waiting.await.unwrap().unwrap();
    std::fs::remove_file(second).unwrap();
    std::fs::remove_file(ballast).unwrap();
    assert!(store.look_for_room() && !store.is_full());
    store.commit(opens(case("c1", 0))).await.unwrap();
    store.commit_durable(received([event("last", 0)])).await.unwrap();
    assert!(dir.join("reserve").exists());
    assert!(failures.lock().unwrap().is_empty(), "{failures:?}");
    drop(store);
    assert_sound(&dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_disk_space_fails_to_open_and_opens_later() {
    let Some(disk) = Disk::mount(40) else { return };
    let dir = disk.at.join("store");
    let (store, _) = open(&dir).unwrap();
    store.commit(changed(case("c0", 0))).await.unwrap();
    drop(store);
    std::fs::remove_file(dir.join("reserve")).unwrap();
    let foreign = disk.fill();
    for _ in 0..3 {
        assert!(matches!(open(&dir), Err(Error::NoRoom { .. })));
    }
    std::fs::remove_file(foreign).unwrap();
    let (store, _) = open(&dir).unwrap();
    assert_eq!(store.case(&proofd::model::CaseId("c0".to_owned())).unwrap(), Some(case("c0", 0)));
    drop(store);
    assert_sound(&dir);
}
