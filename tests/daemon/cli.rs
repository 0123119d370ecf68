//! The command line for people and scripts: its output and its exit codes.
use std::path::Path;

use crate::world::people::{forges, other_name, passes};
use crate::world::{Said, World, edit};
use proofd::simulate::applicant::press;
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::jumio::Permissions;
use serde_json::{Value, json};

/// Simulators and a configuration, without a daemon and with the system clock.
async fn idle() -> World {
    World::new(1, Path::new("policies"), "").await
}

async fn running() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}

fn ends(said: &Said, code: i32, says: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for text in says {
        assert!(said.out.contains(text) || said.err.contains(text), "{text:?} is not in {said:?}");
    }
    // A failure prints one sentence on standard error.
    assert!(!said.err.contains("panicked"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_every_error_with_its_place() {
    let world = idle().await;
    let tree = world.policies();
    let dir = tree.to_str().unwrap();
    ends(&world.say_alone(&["check", dir]), 0, &["8 of 8 policies are valid; 0 errors, 0 warnings"]);
    // Without a configuration, names are not checked, and the output reports that.
    let alone = tempfile::tempdir().unwrap();
    let copied = alone.path().join("policies");
    crate::world::copy_tree(&tree, &copied);
    ends(&world.say_alone(&["check", copied.to_str().unwrap()]), 0, &["no proofd.yaml"]);

    let file = tree.join("registration-proofing/policy.yaml");
    edit(&file, "owner:", "ownr:");
    edit(&file, "close: not_proven", "clse: not_proven");
    let said = world.say_alone(&["check", dir]);
    ends(&said, 1, &["registration-proofing/policy.yaml:5:1", "ownr", "owner", "clse", "7 of 8 policies"]);
    let said = world.say_alone(&["check", dir, "--json"]);
    assert_eq!(said.code, Some(1));
    let report = said.json();
    assert_eq!((&report["ok"], &report["policies"][6]), (&json!(false), &json!("registration-proofing")));
    let found = report["diagnostics"].as_array().unwrap();
    assert!(found.len() >= 2, "every mistake of a file: {report}");
    let at = |line: u64, column: u64| {
        let file = "registration-proofing/policy.yaml";
        found.iter().any(|one| {
            let place = &one["place"];
            place["file"] == file && place["line"] == line && place["column"] == column
        })
    };
    let text = std::fs::read_to_string(&file).unwrap();
    let misspelt = text.lines().position(|line| line.contains("clse: not_proven")).unwrap() as u64 + 1;
    assert!(at(5, 1) && at(misspelt, 17), "{report}");
    let empty = tempfile::tempdir().unwrap();
    ends(&world.say_alone(&["check", empty.path().to_str().unwrap()]), 1, &["no policy found"]);
    ends(&world.say_alone(&["check", "/nowhere"]), 2, &["/nowhere"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_prints_json() {
    let world = idle().await;
    for which in ["policy", "config", "verifications", "people", "events"] {
        let said = world.say_alone(&["schema", which]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let schema = said.json();
        assert!(schema.is_object() && said.out.len() > 200, "{which}: {said:?}");
    }
    ends(&world.say_alone(&["schema", "nothing"]), 2, &["possible values"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_reports_the_failing_part() {
    let world = idle().await;
    let said = world.say(&["doctor"]);
    ends(&said, 0, &["OneLogin token", "Jumio: token", "policies are valid", "is writable"]);
    // It ends with a verdict, and warns of what will hurt.
    ends(&said, 0, &["organization is not set", "verdict: ready, with "]);
    assert!(!said.out.contains("warning: warning"), "{said:?}");
    let report = world.say(&["doctor", "--json"]).json();
    assert_eq!(report["ok"], true, "{report}");
    assert!(world.town.mailbox.mails().is_empty(), "nobody got a mail");
    let said = world.say(&["doctor", "--mail-to", "me@example.com"]);
    ends(&said, 0, &["test mail"]);
    assert_eq!(world.town.mailbox.mails_to("me@example.com").len(), 1);
    // The simulators' state is unchanged.
    let changed: Vec<_> = world.town.ledger.records().into_iter().filter(|one| one.applied).collect();
    assert!(changed.iter().all(|one| one.what == "mail"), "{changed:?}");

    let text = std::fs::read_to_string(world.config()).unwrap();
    let smtp = world.town.mailbox_served.smtp.to_string();
    for (from, to, code, part, says) in [
        ("client_secret: sim-secret\n    webhook", "client_secret: x\n    webhook", 3, "onelogin", "token"),
        ("client_secret: sim-secret\n    callback", "client_secret: x\n    callback", 3, "jumio", "token"),
        (smtp.as_str(), "127.0.0.1:1", 3, "mail", ""),
        ("store: sled:store", "store: sled:/proc/nowhere", 1, "store", "writing to"),
        ("public_url", "policies: nowhere\npublic_url", 1, "policies", "nowhere"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(world.config(), text.replace(from, to)).unwrap();
        let said = world.say(&["doctor", "--json"]);
        assert_eq!(said.code, Some(code), "{to}: {said:?}");
        let findings = said.json()["findings"].as_array().unwrap().clone();
        let ill: Vec<_> = findings.iter().filter(|one| one["ok"] == false).collect();
        assert!(!ill.is_empty() && ill.iter().all(|one| one["part"] == part), "{to}: {ill:?}");
        assert!(ill.iter().any(|one| one.to_string().contains(says)), "{to}: {ill:?}");
        assert!(!said.out.contains("sim-secret"), "{said:?}");
    }
    std::fs::write(world.config(), &text).unwrap();
    // A permission that is missing in the vendor's portal.
    world.town.jumio.turn(|knobs| knobs.permissions = Permissions { initiate: true, retrieve: false });
    let said = world.say(&["doctor"]);
    ends(&said, 3, &["BAD Jumio: permission to read", "verdict: not ready: jumio"]);
}

/// Evidence, open decisions and what happens next, in words; the entries only on request.
fn a_story_is_shown(world: &World, id: &str) {
    let short = &id[..8];
    let show = world.say(&["case", "show", id]);
    let decide = format!("proofd case decide {short} approve --reason TEXT");
    let differ = "the document and the registration differ in last name";
    ends(&show, 0, &["Ada Tester", "in review", &decide, differ, "a mail is sent: proof-invite"]);
    // What happens if nobody acts, with its time.
    ends(
        &show,
        0,
        &["the queue identity-leads may decide too", "overdue: mail review-overdue, mail undecided"],
    );
    assert!(!show.out.contains("step_ended"), "{show:?}");
    ends(&world.say(&["case", "show", id, "--raw"]), 0, &["step_ended", "call_asked"]);
}

/// A filter that names something unknown is an error with the names that exist.
fn filters_are_checked(world: &World) {
    for (filter, says) in [
        (["--policy", "registration-profing"], "did you mean `registration-proofing`?"),
        (["--queue", "nothing"], "identity-desk"),
        (["--outcome", "aproved"], "did you mean `approved`?"),
        (["--state", "bogus"], "in_review"),
    ] {
        ends(&world.say(&[&["case", "list"][..], &filter[..]].concat()), 2, &[says]);
    }
    ends(&world.say(&["case", "list", "--state", "stuck"]), 0, &["No cases."]);
}

/// A case is found by the beginning of its id, and by what is known of its person.
fn people_are_found(world: &World, id: &str, other: &str, record: &str) {
    for given in [&id[..5], &id[..8], "ada", "Tester Ada", "ada@partner.test", "ADA@PARTNER", record] {
        ends(&world.say(&["case", "show", given]), 0, &["Ada Tester", id]);
    }
    let several = world.say(&["case", "show", "tester"]);
    ends(&several, 1, &["several cases fit `tester`", &id[..8], other, "Ben Tester"]);
    ends(&world.say(&["explain", "--subject", "ada tester"]), 0, &["opened"]);
    ends(&world.say(&["explain", "--subject", "grace@nowhere.test"]), 1, &["no case has a person"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_can_be_listed_shown_and_decided() {
    let world = running().await;
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    world.goes_through(&ada, other_name()).await;
    let sheet = world.until_state(&ada, "in_review").await;
    let id = sheet["id"].as_str().unwrap();
    world.link(&ben).await;
    let bens = world.sheet(&ben).await.unwrap();
    let bens = bens["id"].as_str().unwrap();

    let (short, bens_short) = (&id[..8], &bens[..8]);
    ends(&world.say(&["case", "list"]), 0, &[short, bens_short, "Ada Tester", "in review", "in 13 d"]);
    ends(&world.say(&["case", "list", "--wide"]), 0, &[id, bens, "registration/"]);
    let list = world.say(&["case", "list", "--state", "in_review", "--json"]).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    ends(&world.say(&["case", "list", "--limit", "1"]), 0, &["more: --cursor"]);
    a_story_is_shown(&world, id);
    let shown = world.say(&["case", "show", id, "--json"]).json();
    assert_eq!(shown["case"]["id"], id);
    assert!(shown["journal"].as_array().unwrap().len() > 5, "{shown}");

    filters_are_checked(&world);
    let record = format!("registration/{}", ada.id());
    people_are_found(&world, id, bens_short, &record);
    for nobody in ["nobody", "a/b", "a/journal", "50%", "%2F", "a?b#c", "ü ß"] {
        ends(&world.say(&["case", "show", nobody]), 1, &["no such case"]);
        ends(&world.say(&["case", "retry", nobody, "--reason", "it is the right one"]), 1, &["no such case"]);
    }
    ends(
        &world.say(&["case", "decide", id, "explode", "--reason", "x"]),
        1,
        &["allowed now: approve, reject"],
    );
    ends(&world.say(&["case", "decide", id, "approve"]), 1, &["reason"]);
    ends(&world.say(&["case", "decide", bens, "approve", "--reason", "x"]), 1, &[]);
    ends(&world.say(&["case", "retry", id, "--reason", "x"]), 1, &[]);
    ends(&world.say(&["case", "cancel", bens]), 2, &["--reason"]);
    ends(&world.say(&["case", "decide", id, "approve", "--reason", "seen"]), 0, &[short, "Ada Tester"]);
    world.until_closed(&ada, "approved").await;

    let person = format!("registration/{}", ben.id());
    let start = ["case", "start", "registration-proofing", person.as_str(), "--reason", "by hand"];
    ends(&world.say(&start), 1, &["a case is open already"]);
    ends(&world.say(&["case", "remind", bens, "--reason", "asked on the phone"]), 0, &[bens_short]);
    world
        .until("the reminder", async |world| {
            (world.subjects(&ben).last()? == "Reminder: please confirm who you are").then_some(())
        })
        .await;
    ends(&world.say(&["case", "cancel", bens, "--reason", "a test"]), 0, &["closed (cancelled)"]);
    ends(&world.say(&["case", "cancel", bens, "--reason", "a test"]), 1, &[]);
    let said = world.say(&start);
    ends(&said, 0, &[]);
    let started = said.out.trim().to_owned();
    assert_ne!(started, bens);
    ends(&world.say(&["case", "show", &started]), 0, &["waiting", "Ben Tester"]);
    for (policy, subject, code, says) in [
        ("registration-proofing", "17", 2, "expected KIND/ID"),
        ("nothing", person.as_str(), 1, "unknown policy nothing"),
        ("registration-proofing", "registration/999999", 1, "does not have"),
        ("registration-proofing", "user/1", 1, "about a registration"),
        ("registration-proofing", "robot/1", 2, "expected KIND/ID"),
    ] {
        ends(&world.say(&["case", "start", policy, subject, "--reason", "x"]), code, &[says]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_case_is_reported_and_retried() {
    let world = running().await;
    // The vendor reports a wrong request, which no retry fixes.
    let fault = Fault {
        path: "/account".to_owned(),
        method: Some("POST".to_owned()),
        ..Fault::of(Mishap::Status(400))
    };
    world.town.jumio.turn(|knobs| knobs.faults = vec![fault]);
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    // The page tells the person that the fault is not theirs, and redirects nowhere.
    let pressed = press(world.http(), &link).await.unwrap();
    assert_eq!(pressed.status(), 503, "{pressed:?}");
    assert!(pressed.text().await.unwrap().contains("your link stays valid"));
    let sheet = world.until_state(&ada, "stuck").await;
    let id = sheet["id"].as_str().unwrap();
    assert!(sheet["stuck_because"].as_str().is_some_and(|why| !why.is_empty()), "{sheet}");
    world
        .until("the owner's mail", async |world| {
            (!world.town.mailbox.mails_to("iam-oncall@example.com").is_empty()).then_some(())
        })
        .await;
    ends(&world.say(&["case", "list", "--state", "stuck"]), 0, &[&id[..8]]);
    world.town.jumio.turn(|knobs| knobs.faults.clear());
    ends(&world.say(&["case", "retry", id, "--reason", "the vendor mended it"]), 0, &[&id[..8]]);
    world.until_state(&ada, "waiting").await;
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    assert_eq!(world.standing(&ada), ("approved", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_effects_until_release_or_drop() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    edit(&world.policies().join("registration-proofing/policy.yaml"), "at_most: 50", "at_most: 1");
    world.start();
    let mut ids = Vec::new();
    for name in ["First", "Second", "Third"] {
        let person = world.registers(name);
        world.goes_through(&person, forges()).await;
        let state = if name == "First" { "in_grace" } else { "over_limit" };
        let sheet = world.until_state(&person, state).await;
        ids.push((sheet["id"].as_str().unwrap().to_owned(), person));
    }
    ends(&world.say(&["limits", "list"]), 0, &[&ids[1].0[..8], &ids[2].0[..8], "Second Tester", "delete"]);
    let held = world.say(&["limits", "list", "--json"]).json();
    assert_eq!(held["items"].as_array().unwrap().len(), 2, "{held}");
    ends(&world.say(&["limits", "release", &ids[0].0, "--reason", "x"]), 1, &[]);
    ends(&world.say(&["limits", "release", &ids[1].0, "--reason", "it is a forger"]), 0, &["in grace"]);
    ends(
        &world.say(&["limits", "drop", &ids[2].0, "--reason", "it is not"]),
        0,
        &["closed (dropped)", "the effect did not happen: "],
    );
    ends(&world.say(&["limits", "drop", &ids[2].0, "--reason", "it is not"]), 1, &[]);
    let held = world.say(&["limits", "list", "--json"]).json();
    assert_eq!(held["items"], json!([]));
    // The limit survives a restart and the end of its window.
    world.pass(chrono::TimeDelta::days(8));
    for (number, standing) in [(0, "deleted"), (1, "deleted"), (2, "unapproved")] {
        let (_, person) = &ids[number];
        world
            .until("the end of the grace", async |world| (world.standing(person).0 == standing).then_some(()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_verify_needs_a_stopped_daemon() {
    let mut world = running().await;
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    ends(&world.say(&["store", "verify"]), 2, &["in use", "stop the daemon"]);
    // A second daemon on the same store exits without damage.
    ends(&world.start_in_vain(), 2, &["open"]);
    assert_eq!(world.get("/v1/cases").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.stop(), Some(0));
    ends(&world.say(&["store", "verify"]), 0, &["the state matches the journal"]);
    let report = world.say(&["store", "verify", "--json"]).json();
    assert_eq!(report["differences"], json!([]), "{report}");
    ends(&world.say(&["store", "verify", "--dir", "nowhere"]), 1, &[]);
    assert!(!world.dir.path().join("nowhere").exists(), "looking makes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_errors_have_their_line() {
    let world = idle().await;
    let text = std::fs::read_to_string(world.config()).unwrap();
    let line = |what: &str| {
        let at = text.lines().position(|line| line.contains(what)).expect("a line of the configuration");
        format!("proofd.yaml:{}:", at + 1)
    };
    for (from, to, place, says) in [
        ("public_url:", "public_ulr:", line("public_url"), "public_ulr"),
        ("listen: 127", "listen: here127", line("listen"), "socket address"),
        ("  smtp:\n", "  smtp:\n    colour: red\n", line("url: smtp"), "colour"),
        ("role: viewer", "role: king", line("role: viewer"), "king"),
        ("store: sled:store", "store: postgres://db/proofd", "proofd.yaml".to_owned(), "sled:DIRECTORY"),
        ("    urls:", "    region: mars-1\n    urls:", "proofd.yaml".to_owned(), "either region or urls"),
        (
            "client_secret: sim-secret\n    w",
            "client_secret: {env: NOWHERE_SET}\n    w",
            String::new(),
            "NOWHERE_SET",
        ),
        (
            "client_secret: sim-secret\n    w",
            "client_secret: {file: nowhere}\n    w",
            String::new(),
            "nowhere",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(world.config(), text.replacen(from, to, 1)).unwrap();
        let said = world.say(&["run"]);
        ends(&said, 2, &[&place, says]);
        for secret in ["sim-secret", "t-admin", "sim-webhook"] {
            assert!(!said.err.contains(secret), "{said:?}");
        }
    }
    ends(&world.say_alone(&["run", "--config", "nowhere.yaml"]), 2, &["nowhere.yaml"]);
    ends(&world.say_alone(&["nothing"]), 2, &["nothing"]);
    // An accelerated clock must not reach a real system.
    std::fs::write(world.config(), text.replace("smtp://127.0.0.1", "smtp://mail.example.com")).unwrap();
    ends(&world.say(&["run", "--rehearse", "60"]), 2, &["mail.example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_daemon_is_reported() {
    let mut world = idle().await;
    std::fs::write(world.dir.path().join("token"), "t-viewer-of-the-test-world\n").unwrap();
    std::fs::write(world.dir.path().join("wrong"), "x\n").unwrap();
    for command in [
        &["case", "list"][..],
        &["case", "show", "x"],
        &["limits", "list"],
        &["policy", "list"],
        &["policy", "reload"],
    ] {
        ends(&world.say(command), 3, &["cannot be reached", &world.url]);
    }
    let url = world.url.clone();
    let by = |token: &str, more: &[&str]| {
        let all: Vec<&str> =
            ["case", "--url", &url, "--token-file", token].into_iter().chain(more.iter().copied()).collect();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let say = |world: &World, arguments: Vec<String>| {
        world.say_alone(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    ends(&say(&world, by("token", &["list"])), 3, &["cannot be reached"]);
    world.start();
    ends(&say(&world, by("token", &["list"])), 0, &["No cases."]);
    ends(
        &say(&world, by("token", &["cancel", "c00000000000000000000", "--reason", "y"])),
        1,
        &["one of these is required: operator"],
    );
    ends(&say(&world, by("wrong", &["list"])), 2, &["unknown token", "--token-file"]);
    ends(&say(&world, by("nowhere", &["list"])), 2, &["nowhere"]);
    // A configuration can also be named once, or lie in the working directory; its token goes to no other address.
    ends(&world.say_alone(&["case", "list"]), 0, &["No cases."]);
    let config = world.config();
    let named = world.proofd().args(["case", "list"]).env("PROOFD_CONFIG", &config).output().unwrap();
    assert!(named.status.success(), "{named:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let lost =
        world.proofd().args(["case", "list"]).env_remove("PROOFD_CONFIG").current_dir(&elsewhere).output();
    let lost = lost.unwrap();
    let error = String::from_utf8(lost.stderr).unwrap();
    assert!(
        lost.status.code() == Some(2) && error.contains("PROOFD_CONFIG") && error.lines().count() == 1,
        "{error}"
    );
    ends(&world.say_alone(&["case", "--url", &url, "list"]), 2, &["no token", "PROOFD_TOKEN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_calls_in_progress_and_loses_nothing() {
    let mut world = running().await;
    let people: Vec<_> = (0..20).map(|number| world.registers(&format!("Person{number}"))).collect();
    // While invitations are being sent.
    world.until("the first mail", async |world| (!world.town.mailbox.mails().is_empty()).then_some(())).await;
    assert_eq!(world.stop(), Some(0));
    assert!(world.log().contains("\"stopped\""), "{}", world.log());
    let report = proofd::store::verify(&world.dir.path().join("store")).unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    world.start();
    for person in &people {
        world.link(person).await;
    }
    let mut ids: Vec<_> = world.town.mailbox.mails().into_iter().map(|mail| mail.message_id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), all), (20, 20), "nobody was invited twice: calls under way were waited for");
    assert_eq!(world.cases().await.len(), 20);
    // Ctrl-C also stops the daemon, and then another process can open the store.
    assert_eq!(world.stop(), Some(0));
    let list: Value = world.say(&["store", "verify", "--json"]).json();
    assert_eq!(list["differences"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_list_prints_the_next_run() {
    let world = running().await;
    ends(&world.say(&["sweep", "list"]), 0, &["SCHEDULE"]);
    let folder = world.policies().join("nightly");
    std::fs::create_dir(&folder).unwrap();
    let policy = "format: 1\npolicy: nightly\ntitle: t\nowner: a@example.com\nmode: enforce\nsubject: user\nwhen:\n\
                  \x20 - sweep: {over: users, run: daily, at: \"02:00\", timezone: UTC}\nsteps:\n  - close: seen\n";
    std::fs::write(folder.join("policy.yaml"), policy).unwrap();
    ends(&world.say(&["policy", "reload"]), 0, &["nightly"]);
    ends(&world.say(&["sweep", "list"]), 0, &["nightly/1", "enforce", "daily at 02:00 UTC", " 02:00"]);
    let line = world.say(&["sweep", "list", "--json"]).json()["items"][0].clone();
    assert_eq!(
        (&line["schedule"], &line["run"], &line["past"]),
        (&json!("nightly/1"), &Value::Null, &json!([]))
    );
}
