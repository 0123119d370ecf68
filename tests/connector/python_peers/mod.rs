//! Programs that neither side of this project wrote, in Python: a SCIM server, the CloudEvents SDK, and the
//! library of Standard Webhooks. Needs python3 with venv and, the first time, the package index.
mod events;
mod scim;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PACKAGES: [&str; 3] = ["scim2-server==0.8.3", "cloudevents==2.2.0", "standardwebhooks==1.1.0"];
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/connector/python_peers/peers.py");

fn run(program: &Path, arguments: &[&str]) -> Result<Output, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{} could not be started: {error}", program.display()))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{} {arguments:?} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr)))
}

/// A Python with the packages, made once and kept between runs. None: there is none here, which is said.
fn python() -> Option<PathBuf> {
    let made = (|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Tests may run as processes of their own; one makes it, the others wait.
        let lock = File::create(place.join("python-peers.lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let home = place.join("python-peers-1");
        let python = home.join("bin/python");
        if run(&python, &[SCRIPT, "ready"]).is_err() {
            run(Path::new("python3"), &["-m", "venv", "--clear", &home.to_string_lossy()])?;
            let mut install = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            install.extend(PACKAGES);
            run(&python, &install)?;
        }
        Ok::<_, String>(python)
    })();
    match made {
        Ok(python) => Some(python),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "the peers must be there in CI: {why}");
            eprintln!("SKIPPED: nothing was tried against the peers in Python. {why}");
            None
        }
    }
}
