//! Providers outside of the program: each needs only a directory of its own and a line in the registry. Two of each
//! kind run beside the shipped ones.

mod roster;
mod stamp;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proofd::cli::compose;
use proofd::connectors::Registry;
use proofd::engine::Engine;
use proofd::engine::clock::Scaled;
use proofd::http::{Access, AppState, listen};
use proofd::model::Clock;
use proofd::simulate::applicant::press;
use proofd::simulate::ledger::Ledger;
use proofd::simulate::town::{Addresses, Credentials, Town};
use proofd::store::Store;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::PATIENCE;

fn registry() -> Registry {
    Registry::shipped().with(roster::PROVIDER).with(stamp::PROVIDER)
}

const VERIFICATIONS: &str = "format: 1
verifications:
  good: {provider: good, workflow: ink, method: full, require: [ink]}
  bad: {provider: bad, workflow: ink, method: full, require: [ink]}
";

const TOYS: &str = "  roster:
    staff: {file: staff.json, key: staff-key}
    partners: {file: partners.json, key: partners-key}
  stamp:
    good: {stamps: true, callback_secret: good-secret}
    bad: {stamps: false, callback_secret: bad-secret}
";

fn policy(source: &str, verification: &str) -> String {
    format!(
        "format: 1
policy: {source}
title: Alarm
owner: team:iam-oncall
mode: enforce
subject: user
source: {source}
when:
  - event: roster.alarm
steps:
  - suspend: user
  - id: proof
    verify:
      workflow: {verification}
      answer_within: 14d
      invite: {{template: proof-invite}}
      compare: [first_name, last_name]
    outcomes:
      passed:
        - reinstate: user
        - close: proven
      warning:
        - close: unclear
      rejected:
        - close: rejected
      no_response:
        - close: expired
      unavailable:
        - close: unavailable
"
    )
}

fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn status(dir: &Path, roster: &str) -> String {
    let text = std::fs::read(dir.join(roster)).unwrap();
    let roster: Value = serde_json::from_slice(&text).unwrap_or_default();
    roster["people"]["7"].as_str().unwrap_or_default().to_owned()
}

/// A policy and a roster with one person for each source.
fn tree(dir: &Path) {
    crate::world::copy_tree(Path::new("tests/data/tree"), &dir.join("policies"));
    write(dir, "policies/verifications.yaml", VERIFICATIONS);
    for gone in ["proofing", "shared"] {
        std::fs::remove_dir_all(dir.join("policies").join(gone)).unwrap();
    }
    let mail = "---\nsubject: \"Prove it\"\n---\n{{ link }} {{ deadline | datetime }}\n";
    write(dir, "policies/shared/templates/proof-invite/en.md", mail);
    for (source, verification) in [("staff", "good"), ("partners", "bad")] {
        write(dir, &format!("policies/{source}/policy.yaml"), &policy(source, verification));
        let roster = json!({"people": {"7": "active"}, "events": []});
        write(dir, &format!("{source}.json"), &roster.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn toy_providers_run_beside_the_shipped_ones() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (dir, clock) = (tempfile::tempdir().unwrap(), Scaled::from_now(60));
    let (dir, clock): (_, Arc<dyn Clock>) = (dir.path(), Arc::new(clock));
    let credentials = Credentials::default();
    let town = Town::serve(Addresses::default(), &credentials, Arc::clone(&clock), Ledger::memory());
    let town = town.await.unwrap();
    tree(dir);
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = format!(
        "public_url: http://{address}\npolicies: policies\n{}{TOYS}",
        town.connectors_yaml(&credentials)
    );
    write(dir, "proofd.yaml", &yaml);

    let configured = compose::read_with(registry(), &dir.join("proofd.yaml")).unwrap();
    let (store, opened) = Store::open(&dir.join("store"), clock.now()).unwrap();
    let (settings, connectors) = (configured.settings().unwrap(), configured.connectors(&clock).unwrap());
    let engine = Engine::open(settings, store, &opened, clock, connectors).await.unwrap();
    assert!(engine.active().report.ok, "{}", engine.active().report.rendered);
    let tasks = engine.start();
    let doors = AppState::new(engine.clone(), Access::new(Vec::new(), engine.clock())).unwrap();
    let listening = listen(address, doors.everything()).await.unwrap();

    // The same id at two providers: a hook reports one person, the poll finds the other.
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let alarm = json!({"type": "alarm", "person": "7"});
    let hook = |provider: &str, key: &str| {
        let request = http.post(format!("http://{address}/hooks/{provider}")).header("x-roster", key);
        request.body(alarm.to_string()).send()
    };
    assert_eq!(hook("staff", "partners-key").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(hook("nobody", "staff-key").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(hook("staff", "staff-key").await.unwrap().status(), StatusCode::OK);
    until("the suspension at staff", || (status(dir, "staff.json") == "suspended").then_some(())).await;
    assert_eq!(status(dir, "partners.json"), "active", "the same id is somebody else there");
    write(dir, "partners.json", &json!({"people": {"7": "active"}, "events": [alarm]}).to_string());
    until("the suspension at partners", || (status(dir, "partners.json") == "suspended").then_some(())).await;

    for (source, ends) in [("staff", "proven"), ("partners", "rejected")] {
        let email = format!("7@{source}.example");
        let mails = || town.mailbox.mails();
        let link = until("the mail", || {
            mails()
                .into_iter()
                .find(|mail| mail.to == email)?
                .links
                .into_iter()
                .find(|link| link.contains("/v/"))
        });
        let pressed = press(&http, &link.await).await.unwrap();
        let hint = pressed.headers()["location"].to_str().unwrap().to_owned();
        let provider = if source == "staff" { "good" } else { "bad" };
        assert!(hint.starts_with(&format!("http://{address}/hooks/{provider}/")), "{hint}");
        let case = engine.operators().list_cases(&proofd::api::cases::CaseQuery::default()).unwrap().items;
        let case = case.into_iter().find(|case| case.policy == source).unwrap();
        let case = engine.cases().case(&case.id).unwrap().unwrap();
        let execution = case.sessions.keys().next().unwrap().clone();
        // The secret of one provider is not valid for another's hook.
        let other = hint.replace("/hooks/good/", "/hooks/bad/").replace("/hooks/bad/", "/hooks/jumio/");
        let asked = http.post(other).body(execution.clone()).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::NOT_FOUND);
        assert_eq!(http.post(&hint).body(execution).send().await.unwrap().status(), StatusCode::OK);
        let closed = || engine.cases().case(&case.id).unwrap().unwrap().result;
        assert_eq!(until("the end", closed).await, ends);
        assert_eq!(case.subject.source, source);
    }
    assert_eq!(
        (status(dir, "staff.json"), status(dir, "partners.json")),
        ("active".into(), "suspended".into())
    );

    listening.stop().await;
    engine.stop();
    tasks.join_all().await;
    engine.store().close().await.unwrap();
}

/// An error in a provider's options is reported with its place.
#[test]
fn an_invalid_provider_option_has_its_place() {
    for (text, line, says) in [
        ("  roster: {staff: {file: a, kex: b}}\n", 3, "unknown field `kex`"),
        ("  roster:\n    staff: {file: a}\n", 4, "missing field `key`"),
        (
            "  roster:\n    staff: {file: a, key: b}\n  stamp:\n    staff: {stamps: true, callback_secret: c}\n",
            6,
            "is used twice",
        ),
        ("  roster:\n    user: {file: a, key: b}\n", 4, "cannot be used"),
        ("  roster:\n    Staff: {file: a, key: b}\n", 4, "cannot be used"),
        (
            "  rooster: {}\n",
            3,
            "unknown field `rooster`, expected one of `onelogin`, `keycloak`, `jumio`, `openid_verification`, `roster`, `stamp`",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "proofd.yaml",
            &format!("public_url: https://proof.example.com\nconnectors:\n{text}"),
        );
        let mistake = compose::read_with(registry(), &dir.path().join("proofd.yaml")).unwrap_err();
        assert_eq!(mistake.line, line, "{mistake}");
        assert!(mistake.message.contains(says), "{mistake}");
    }
}

/// A missing ability of a provider is found when a policy is loaded, not in the first case.
#[test]
fn a_policy_with_an_unsupported_effect_does_not_load() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, policies) = (dir.path(), dir.path().join("policies"));
    tree(dir);
    write(dir, "proofd.yaml", &format!("public_url: https://proof.example.com\nconnectors:\n{TOYS}"));
    let configured = compose::read_with(registry(), &dir.join("proofd.yaml")).unwrap();
    let unsupported = || {
        let (files, _) = proofd::rollout::tree::read(&policies).unwrap().unwrap();
        let loaded = proofd::policy::load(&files, &configured.known());
        let found = loaded.diagnostics.iter().filter(|found| found.code == "unsupported");
        found.map(|found| found.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(unsupported(), Vec::<String>::new());

    let staff = policy("staff", "good");
    write(dir, "policies/staff/decide.rhai", "fn next(user) { [] }\n");
    for (before, after, message) in [
        (
            "- suspend: user",
            "- end_sessions: user",
            "staff (roster) cannot `end_sessions` a user: a roster has nothing but a status",
        ),
        (
            "- suspend: user",
            "- remove_role: admin",
            "staff (roster) cannot `remove_role` a user: a roster has nothing but a status",
        ),
        (
            "- suspend: user\n",
            "- act: decide::next(user)\n    may: [suspend, end_sessions]\n",
            "staff (roster) cannot `end_sessions` a user: a roster has nothing but a status",
        ),
        (
            "- event: roster.alarm",
            "- event: user.locked",
            "staff (roster) never sends user.locked: a roster has no locks",
        ),
    ] {
        write(dir, "policies/staff/policy.yaml", &staff.replace(before, after));
        assert_eq!(unsupported(), [message]);
    }
    write(dir, "policies/staff/policy.yaml", &staff);
    write(dir, "policies/verifications.yaml", &VERIFICATIONS.replacen("full", "authentication", 1));
    assert_eq!(unsupported(), ["stamp cannot verify anybody by `authentication`"]);
}
