//! Keycloak itself, which is not part of this project: fetched by Maven and built once into a directory outside of
//! the tree. Test programs that run at the same time share it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const VERSION: &str = "26.7.3";
/// The plugin's version is named so that Maven resolves nothing else.
const GET: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get";

/// A Keycloak that is ready to start.
#[derive(Debug, Clone)]
pub struct Installed {
    pub java: PathBuf,
    pub home: PathBuf,
}

/// Fetches and builds what is not there yet; the reason if it cannot be had.
pub fn installed() -> Result<Installed, String> {
    let java = java()?;
    let cache = cache()?;
    let lock = File::create(cache.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let home = cache.join(format!("keycloak-{VERSION}"));
    let built = home.join("built-for-proofd");
    if !built.exists() {
        let archive = fetched(&cache)?;
        // What an interrupted run left may be incomplete.
        let _ = std::fs::remove_dir_all(&home);
        let unpack = ["-m", "zipfile", "-e", &text(&archive), &text(&cache)].map(str::to_owned);
        run(Command::new("python3").args(unpack))?;
        let mut build = Command::new("sh");
        build.arg(home.join("bin/kc.sh")).args(["build", "--db=dev-mem", "--health-enabled=true"]);
        run(build.env("JAVA", &java))?;
        std::fs::write(&built, VERSION).map_err(|error| error.to_string())?;
    }
    Ok(Installed { java, home })
}

/// `PROOFD_TEST_CACHE`, or a directory of this user's cache.
fn cache() -> Result<PathBuf, String> {
    let own = std::env::var_os("PROOFD_TEST_CACHE").map(PathBuf::from);
    let users = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/proofd-tests"));
    let cache = own.or_else(users).ok_or("neither PROOFD_TEST_CACHE nor HOME is set")?;
    std::fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    Ok(cache)
}

/// The Java of `JAVA_HOME` or of the path. Keycloak needs 17 or newer, and says so itself.
fn java() -> Result<PathBuf, String> {
    let java = match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    run(Command::new(&java).arg("-version"))?;
    Ok(java)
}

/// The distribution in a repository of its own, so that `~/.m2` stays as it is.
fn fetched(cache: &Path) -> Result<PathBuf, String> {
    let repository = cache.join("m2");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-ntp", GET, "-Dtransitive=false"]);
    maven.arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"));
    maven.arg(format!("-Dmaven.repo.local={}", repository.display()));
    run(&mut maven)?;
    Ok(repository
        .join(format!("org/keycloak/keycloak-quarkus-dist/{VERSION}/keycloak-quarkus-dist-{VERSION}.zip")))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs a program to its end; the reason if it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let what = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{what} could not be started: {error}"))?;
    let all = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&all).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{what} failed ({}): {said}", output.status)) }
}
