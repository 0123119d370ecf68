//! Notifications to systemd: readiness only when the daemon serves, a status line that follows the policies, and the
//! stop. The test acts as systemd and reads from the socket.
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::world::World;

/// Reads messages until one contains a text.
pub fn hear(socket: &UnixDatagram, says: &str) -> String {
    let mut heard = Vec::new();
    let mut message = [0_u8; 4_096];
    loop {
        let length = socket.recv(&mut message).unwrap_or_else(|_| panic!("nobody said {says}: {heard:?}"));
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        if text.contains(says) {
            return text;
        }
        heard.push(text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_notified_of_readiness_status_and_stop() {
    let mut world = World::new(60, Path::new("tests/data/tree"), "").await;
    let path = world.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    world.notify = Some(path);
    world.start();
    let ready = hear(&socket, "READY=1");
    assert!(ready.contains("STATUS=1 policies"), "{ready}");
    assert!(ready.contains("last reload ok"), "{ready}");

    crate::world::edit(&world.policies().join("proofing/policy.yaml"), "mode: enforce", "mode: sometimes");
    world.hangup();
    let status = hear(&socket, "not as in the tree");
    assert!(status.contains("1 of 1 policies not as in the tree"), "{status}");
    crate::world::edit(&world.policies().join("proofing/policy.yaml"), "mode: sometimes", "mode: enforce");
    world.hangup();
    hear(&socket, "last reload ok");

    assert_eq!(world.stop(), Some(0));
    hear(&socket, "STOPPING=1");
}
