//! Notifications to systemd: readiness only when the daemon serves, a status line that follows the policies, and the
//! stop. The test acts as systemd and reads from the socket.
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

/// Starts the daemon with a socket as descriptor 3, as systemd does. The shell sets the process id, which only the process
/// itself knows, and is replaced by the daemon.
fn activated(world: &World, listener: &TcpListener) -> Child {
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    Command::new("sh")
        .args(["-c", r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null"#, "sh"])
        .arg(env!("CARGO_BIN_EXE_proofd"))
        .args(["run", "--config"])
        .arg(world.config())
        .stdin(socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_connects_before_the_daemon_runs_waits_at_the_socket_of_systemd() {
    let world = World::new(1, Path::new("tests/data/tree"), "").await;
    let address: SocketAddr = world.url.trim_start_matches("http://").parse().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    let url = format!("{}/livez", world.url);
    let asked = tokio::spawn(world.http().get(url).send());
    let mut daemon = activated(&world, &listener);
    let answer = asked.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    // A socket that the configuration does not name would leave its clients without an answer.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = activated(&world, &other).wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("LISTEN_FDS: a socket is bound to 127.0.0.1:"), "{said}");
}
