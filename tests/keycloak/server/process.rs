//! One Keycloak as a process on loopback, with its database in memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fetch::Installed;

/// What kc.sh sets too, for the packages that Keycloak opens.
const OPENS: [&str; 5] = [
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
];
/// A server for a few minutes and a few people: half the time to start, and 350 MB.
const SMALL: [&str; 9] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xms128m",
    "-Xmx512m",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
    "-Duser.language=en",
    "-Duser.country=US",
];
/// `--cache=local`: without it the server looks for others on all addresses of this machine.
const START: [&str; 9] = [
    "start",
    "--optimized",
    "--import-realm",
    "--http-enabled=true",
    "--hostname-strict=false",
    "--cache=local",
    "--http-host=127.0.0.1",
    "--http-management-host=127.0.0.1",
    "--log-level=INFO,io.smallrye.health:error",
];
/// Runs a program for as long as its own standard input is open: until the test program is gone, however it ended.
/// Then removes the program's directory. Says the program's id first.
const GUARD: &str = "dir=$1; log=$2; shift 2
\"$@\" >\"$log\" 2>&1 </dev/null &
child=$!
echo $child
read -r end
kill $child 2>/dev/null
wait $child
rm -rf \"$dir\"";
const PATIENCE: Duration = Duration::from_secs(240);

/// A running server. It ends with this value or with the test program.
#[derive(Debug)]
pub struct Process {
    pub url: String,
    pub log: PathBuf,
    guard: Child,
    id: String,
}

/// Two free ports; both are taken before either is given back.
fn ports() -> std::io::Result<[u16; 2]> {
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

impl Process {
    /// Starts a server that imports these files, by name, with these variables, and waits until it is ready.
    pub fn start(installed: &Installed, import: &[(&str, &Path)], variables: &[(&str, String)]) -> Self {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let [http, management] = ports().unwrap();
        let name = format!("keycloak-{}-{http}", std::process::id());
        let (home, log) = (place.join(&name), place.join("keycloak.log"));
        furnish(&home, &installed.home, import);
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard"]).args([&home, &log]).arg(&installed.java);
        guard.args(SMALL).args(OPENS);
        guard.args([
            "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=\
             io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
            "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
            "-Dpicocli.disable.closures=true",
            "-Dquarkus-log-max-startup-records=10000",
        ]);
        guard.arg(format!("-Dkc.home.dir={}", home.display()));
        guard.arg(format!("-Djboss.server.config.dir={}/conf", home.display()));
        guard.arg("-cp").arg(home.join("lib/quarkus-run.jar"));
        guard.arg("io.quarkus.bootstrap.runner.QuarkusEntryPoint").args(START);
        guard.args([format!("--http-port={http}"), format!("--http-management-port={management}")]);
        guard.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut guard = guard.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut id = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut id).unwrap();
        let process = Self { url: format!("http://127.0.0.1:{http}"), log, guard, id: id.trim().to_owned() };
        process.ready(SocketAddr::from(([127, 0, 0, 1], management)));
        process
    }

    fn ready(&self, management: SocketAddr) {
        let started = Instant::now();
        while !healthy(management).unwrap_or(false) {
            let alive = Command::new("kill").args(["-0", &self.id]).status().unwrap().success();
            assert!(alive && started.elapsed() < PATIENCE, "Keycloak did not start:\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The end of the server's log.
    pub fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Whether the server says that it is ready.
fn healthy(management: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(management)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /health/ready HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().is_some_and(|line| line.contains(" 200")))
}

/// A home with data of its own, and everything else of the installed one.
fn furnish(home: &Path, installed: &Path, import: &[(&str, &Path)]) {
    std::fs::create_dir_all(home.join("data/import")).unwrap();
    for shared in ["bin", "conf", "lib", "providers", "themes"] {
        std::os::unix::fs::symlink(installed.join(shared), home.join(shared)).unwrap();
    }
    for (realm, file) in import {
        std::fs::copy(file, home.join("data/import").join(format!("{realm}-realm.json"))).unwrap();
    }
}
