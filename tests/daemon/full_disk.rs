//! The daemon on a small, full disk: a real file system, mounted by the test, which needs root.
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::systemd::hear;
use crate::world::World;
use crate::world::disk::Disk;

/// A batch of incompressible events that no policy reacts to.
fn batch(number: u64) -> Value {
    let noise = |at: u64| {
        let part = |n: u64| format!("{:016x}", (n + at).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17));
        (0..40).map(|n| part(n + number * 100_000)).collect::<String>()
    };
    let event = |n: u64| {
        json!({"specversion": "1.0", "id": format!("{number}-{n}"), "source": "/test", "type": "com.example.nobody",
            "subject": format!("person-{n}"), "data": {"noise": noise(n * 50)}})
    };
    (0..500).map(event).collect()
}

async fn send(world: &World, number: u64) -> (StatusCode, Option<String>) {
    let request = world.http().request(Method::POST, format!("{}/v1/events", world.url));
    let request = request.bearer_auth(crate::world::token("t-source"));
    let request = request.header("content-type", "application/cloudevents-batch+json");
    let answer = request.body(batch(number).to_string()).send().await.unwrap();
    let wait = answer.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
    (answer.status(), wait)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_answers_503_and_the_daemon_recovers() {
    let mut world = World::new(1, Path::new("tests/data/tree"), "").await;
    let Some(disk) = Disk::mount_at(112, &world.dir.path().join("store")) else { return };
    let ballast = disk.at.join("ballast");
    std::fs::write(&ballast, vec![1; 40 << 20]).unwrap();
    let socket = UnixDatagram::bind(world.dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    world.notify = Some(world.dir.path().join("notify"));
    world.start();
    let mut taken = 0;
    let wait = loop {
        match send(&world, taken).await {
            (StatusCode::ACCEPTED, _) => taken += 1,
            (StatusCode::SERVICE_UNAVAILABLE, wait) => break wait,
            // The rate limit of a client, which another test covers.
            (StatusCode::TOO_MANY_REQUESTS, _) => tokio::time::sleep(Duration::from_millis(50)).await,
            (status, _) => panic!("{status}"),
        }
        assert!(taken < 1_000, "the disk does not run full");
    };
    println!("{taken} batches of 500 events were taken");
    assert_eq!(wait.as_deref(), Some("30"));
    let full = "the disk is nearly full";
    let (status, ready) = world.ask(Method::GET, "/readyz", "", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.as_str().unwrap().contains(full), "{ready}");
    let (_, metrics) = world.ask(Method::GET, "/metrics", "", None).await;
    assert!(metrics.as_str().unwrap().contains("\nproofd_store_full 1\n"), "{metrics}");
    assert_eq!(world.ask(Method::GET, "/v1/cases", "t-admin", None).await.0, StatusCode::OK);
    hear(&socket, "disk nearly full");
    assert_eq!(world.stop(), Some(0));

    // No space and no reserve to release: the start waits for space and reports that to systemd.
    std::fs::remove_file(disk.at.join("reserve")).unwrap();
    let foreign = disk.fill();
    let waits = std::thread::spawn(move || {
        let says = hear(&socket, "waiting for free space");
        assert!(says.contains("EXTEND_TIMEOUT_USEC="), "{says}");
        std::fs::remove_file(foreign).unwrap();
        std::fs::remove_file(ballast).unwrap();
        hear(&socket, "READY=1");
    });
    world.start();
    waits.join().unwrap();
    world
        .until("events are taken again", async |world| {
            (send(world, 2_000).await.0 == StatusCode::ACCEPTED).then_some(())
        })
        .await;
    assert!(!world.log().contains("panicked"), "{}", world.log());
    assert_eq!(world.stop(), Some(0));
}
