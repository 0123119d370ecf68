//! Python environments with packages that are not part of this project. They need python3 with venv and, the first
//! time, the package index.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn run(program: &Path, arguments: &[&str]) -> Result<Output, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{} could not be started: {error}", program.display()))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{} {arguments:?} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr)))
}

/// A Python with the packages, created once and kept between runs. None: it is not available, which is printed.
pub fn python(name: &str, packages: &[&str]) -> Option<PathBuf> {
    match made(name, packages) {
        Ok(python) => Some(python),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{name} must be there in CI: {why}");
            eprintln!("SKIPPED: nothing was tried against {name}. {why}");
            None
        }
    }
}

fn made(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Tests may run as separate processes; one creates the environment, the others wait.
    let lock = File::create(place.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let home = place.join(name);
    let (python, installed) = (home.join("bin/python"), home.join("installed"));
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    run(Path::new("python3"), &["-m", "venv", "--clear", &home.to_string_lossy()])?;
    let mut install = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    install.extend(packages);
    run(&python, &install)?;
    std::fs::write(installed, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}
