//! The ways of people through the console in Debian's Chromium, driven by playwright-core; axe-core looks at every page.
//! They need node, npm and Chromium and, the first time, the package index.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::TimeDelta;
use proofd::simulate::jumio::Script;
use serde_json::{Value, json};

use crate::world::people::{Person, forges, other_name};
use crate::world::{World, python, token};

const PACKAGES: [&str; 2] = ["playwright-core@1.65.1", "axe-core@4.14.1"];

/// Installs the packages once and keeps them between runs. Tests may run as separate processes: one installs, the others
/// wait.
fn installed() -> Result<PathBuf, String> {
    let cache = std::env::var_os("PROOFD_TEST_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/proofd-tests"));
    let place = cache.or_else(home).ok_or("neither PROOFD_TEST_CACHE nor HOME is set")?.join("console");
    let said = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&place).map_err(said)?;
    let lock = File::create(place.join("lock")).map_err(said)?;
    lock.lock().map_err(said)?;
    python::run(Path::new("node"), &["--version"])?;
    let mark = place.join("installed");
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == PACKAGES.join(" ")) {
        return Ok(place);
    }
    std::fs::write(place.join("package.json"), r#"{"name":"console","private":true}"#).map_err(said)?;
    let at = place.to_string_lossy().into_owned();
    let fixed = ["install", "--prefix", &at, "--no-audit", "--no-fund", "--ignore-scripts"];
    python::run(Path::new("npm"), &[&fixed[..], &PACKAGES[..]].concat())?;
    std::fs::write(mark, PACKAGES.join(" ")).map_err(said)?;
    Ok(place)
}

fn chromium() -> Result<PathBuf, String> {
    let known = ["/usr/bin/chromium", "/usr/bin/google-chrome"].map(PathBuf::from);
    known.into_iter().find(|path| path.exists()).ok_or_else(|| "no Chromium".to_owned())
}

/// Somebody with an account signs in from a place that is not theirs, and shows another face.
async fn two_must_decide(world: &World) -> (Person, Value) {
    let person = world.employs_proven().await;
    assert!(world.logs_in(&person, Some(20)));
    let later = world.now() + TimeDelta::seconds(2);
    world.until("another second", async |world| (world.now() > later).then_some(())).await;
    assert!(world.logs_in(&person, Some(91)));
    let link = world.link_in(&person, "We suspended your account after an unusual sign-in").await;
    world.shows_face(&person, &link, Script::another_person()).await;
    let sheet = world.until_in("login-risk", &person, "in_review").await;
    (person, sheet)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_through_the_console_in_a_real_browser() {
    let (home, chromium) = match installed().and_then(|home| Ok((home, chromium()?))) {
        Ok(found) => found,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{PACKAGES:?} and Chromium must be there in CI: {why}");
            eprintln!("SKIPPED: nothing was tried in a browser. {why}");
            return;
        }
    };
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    // Of two people who forged a document, the second is stopped by the limit.
    let policy = world.policies().join("registration-proofing/policy.yaml");
    crate::world::edit_shipped(&policy, "    at_most: 50\n", "    at_most: 1\n");
    world.edit_config(
        "roles: [viewer, raw_identity]",
        "roles: [desk, operator, admin, raw_identity], person: rae@example.com, teams: [identity-desk, soc]",
    );
    world.start();
    let mut reviews = Vec::new();
    for name in ["Grace", "Ada", "Katherine"] {
        let person = world.registers(name);
        world.goes_through(&person, other_name()).await;
        reviews.push(world.until_state(&person, "in_review").await);
    }
    for name in ["Barbara", "Radia"] {
        world.registers(name);
    }
    for name in ["Mallory", "Eve"] {
        let person = world.registers(name);
        world.goes_through(&person, forges()).await;
    }
    let (person, two) = two_must_decide(&world).await;
    let id = |sheet: &Value| sheet["id"].as_str().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let out = std::env::var_os("PROOFD_SCREENS").map_or_else(|| dir.path().to_owned(), PathBuf::from);
    let given = json!({
        "url": world.url,
        "chromium": chromium,
        "out": out,
        "only": std::env::var("PROOFD_JOURNEY").ok(),
        "desk": token("t-desk"),
        "second": token("t-desk-2"),
        "raw": token("t-raw"),
        "two": id(&two),
        "decision": "lift",
        "ended": id(&reviews[2]),
        "pages": {
            "home": "/",
            "queue": "/queue",
            "cases": "/cases",
            "case": format!("/cases/{}", id(&reviews[0])),
            "case-two": format!("/cases/{}", id(&two)),
            "technical": format!("/cases/{}?technical=1", id(&reviews[0])),
            "person": format!("/people/{}", person.id()),
            "holds": "/holds",
            "limits": "/limits",
            "refused": "/cases/no-such-case",
        },
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/journeys.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(home).arg(given.to_string());
    let said = tokio::task::spawn_blocking(move || node.output().unwrap()).await.unwrap();
    let (text, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let failures: Vec<String> = serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {text}\n{errors}"));
    assert!(failures.is_empty(), "{failures:#?}");
    world.until_result("login-risk", &person, "reinstated").await;
}
