//! Verification by OpenID Connect, with the real daemon and npm oidc-provider as the vendor. Clocks are true: tokens have
//! times.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::openid::{Browser, SECRET, Vendor};
use crate::world::people::{Person, passes};
use crate::world::{World, edit, edit_shipped};

const VERIFICATION: &str = "verifications:
  eid-proof:
    provider: eid
    workflow: openid
    method: full
    require: [given_name, family_name]
  selfie-or-eid:
    provider: jumio
    workflow: 10014
    method: authentication
    require: [authentication]
    fallback: eid-proof
";

const LET_IN: &str = "passed:\n        - do: let_in\n";

const THEN_A_DOCUMENT: &str = "passed:
        - id: document
          verify:
            workflow: id-and-selfie
            answer_within: 14d
            invite: {template: proof-invite}
            compare: [first_name, last_name]
          outcomes:
            passed:
              - do: let_in
            warning:
              - close: unclear
            rejected:
              - close: rejected
            no_response:
              - close: expired
            unavailable:
              - close: unavailable
";

/// A daemon with the shipped registration policy, whose people prove who they are by `verification`. `passed` replaces
/// what follows a pass.
async fn world(verification: &str, passed: &str) -> Option<(World, Vendor)> {
    let mut world = World::new(1, Path::new("policies"), "").await;
    let vendor = Vendor::start(&[&format!("{}/return/eid", world.url)], &json!({}))?;
    let options = json!({
        "issuer": vendor.issuer,
        "client_id": "proofd",
        "client_secret": SECRET,
        "dialect": "okta",
        "accept": {"trust_framework": ["IDV-DELEGATED"], "assurance_level": ["VERIFIED"]},
    });
    world.edit_config("  jumio:\n", &format!("  openid_verification:\n    eid: {options}\n  jumio:\n"));
    edit(&world.policies().join("verifications.yaml"), "verifications:\n", VERIFICATION);
    let policy = world.policies().join("registration-proofing/policy.yaml");
    edit_shipped(&policy, "workflow: id-and-selfie", &format!("workflow: {verification}"));
    edit(&policy, "passed:\n        - do: let_in\n", passed);
    world.start();
    Some((world, vendor))
}

/// Goes through the vendor and returns the address at which the browser comes back. None: it does not.
async fn is_sent_back(world: &World, browser: &mut Browser, to: &str) -> Option<String> {
    browser.goes(to, &world.url).await
}

/// A whole session in one browser.
async fn proves(world: &World, vendor: &Vendor, person: &Person, play: &str) -> Option<String> {
    let name = &person.applicant.first_name;
    vendor.play(json!({"play": play, "person": {"given_name": name, "family_name": "Tester"}})).await;
    let (mut browser, link) = (Browser::default(), world.link(person).await);
    let to = world.presses_to(&mut browser, &link, vendor).await;
    let back = is_sent_back(world, &mut browser, &to).await?;
    let response = browser.send(Method::GET, &back).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{play}");
    assert!(link.ends_with(response.headers()[LOCATION].to_str().unwrap()), "{play}");
    Some(back)
}

fn reasons(sheet: &Value) -> String {
    sheet["steps"]["proof"]["reasons"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_results_lead_to_the_results_of_the_policy() {
    let Some((world, vendor)) = world("eid-proof", LET_IN).await else { return };
    let rows = [
        ("Ada", "pass", "passed", "[]"),
        ("Ben", "fuzzy", "passed", "[]"),
        ("Cleo", "fail", "rejected", r#"["not_verified:birthdate"]"#),
        ("Dan", "partial", "warning", r#"["required_check_missing:family_name","not_comparable:last_name"]"#),
        ("Eve", "matched", "warning", r#"["not_comparable:first_name","not_comparable:last_name"]"#),
        ("Fay", "other", "warning", "[]"),
        ("Gus", "absent", "warning", r#""no_verified_claims""#),
        ("Hal", "null", "warning", r#""no_verified_claims""#),
    ];
    let people: BTreeMap<&str, Person> = rows.iter().map(|row| (row.0, world.registers(row.0))).collect();
    for (name, play, outcome, why) in rows {
        let person = &people[name];
        proves(&world, &vendor, person, play).await.unwrap();
        let sheet = world
            .until(&format!("{name}'s result"), async |world| {
                let sheet = world.sheet(person).await?;
                sheet["steps"]["proof"]["outcome"].is_string().then_some(sheet)
            })
            .await;
        assert_eq!(sheet["steps"]["proof"]["outcome"], outcome, "{name} {sheet}");
        assert!(reasons(&sheet).contains(why), "{name} {}", reasons(&sheet));
        if outcome == "passed" {
            world
                .until("the approval", async |world| (world.standing(person).0 == "approved").then_some(()))
                .await;
        } else {
            assert_eq!((world.standing(person).0, world.applied("user.approve", person)), ("unapproved", 0));
        }
    }
}

/// What is void, or ends without a result, admits nobody. The person is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_result_can_try_again() {
    let Some((world, vendor)) = world("eid-proof", LET_IN).await else { return };
    let voids = [
        ("Ida", "nonce"),
        ("Jan", "issuer"),
        ("Kim", "audience"),
        ("Leo", "signature"),
        ("Mia", "none"),
        ("Ned", "expired"),
        ("Oda", "replayed"),
        ("Pam", "broken"),
    ];
    let ends = [("Quin", "denied"), ("Rob", "silent")];
    let people: BTreeMap<&str, Person> =
        voids.iter().chain(&ends).map(|row| (row.0, world.registers(row.0))).collect();
    for (name, play) in voids {
        let person = &people[name];
        proves(&world, &vendor, person, play).await.unwrap();
        let sheet = world.sheet(person).await.unwrap();
        let journal = world.journal(&sheet).await;
        assert!(journal.iter().any(|entry| entry["what"] == "session_void"), "{name} {journal:?}");
        assert_eq!((&sheet["state"], world.standing(person).0), (&json!("waiting"), "unapproved"), "{name}");
        // It was no try of theirs: they can go again at once.
        if name == "Ida" {
            proves(&world, &vendor, person, "pass").await.unwrap();
            world
                .until("the approval", async |world| (world.standing(person).0 == "approved").then_some(()))
                .await;
        }
    }
    let metrics =
        world.http().get(format!("{}/metrics", world.url)).send().await.unwrap().text().await.unwrap();
    for why in ["nonce", "issuer", "audience", "signature", "algorithm", "time", "provider"] {
        let line = format!("proofd_refused_total{{what=\"session\",reason=\"{why}\"}}");
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
    // A person who declines or closes the tab is asked again.
    for (name, play) in ends {
        let person = &people[name];
        assert_eq!(proves(&world, &vendor, person, play).await.is_some(), play == "denied");
        let sheet = world.sheet(person).await.unwrap();
        assert_eq!((&sheet["state"], world.standing(person).0), (&json!("waiting"), "unapproved"));
        proves(&world, &vendor, person, "pass").await.unwrap();
        world
            .until("the approval", async |world| (world.standing(person).0 == "approved").then_some(()))
            .await;
    }
    let log = world.log();
    for secret in [SECRET, "Tester", "code=", "state="] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// A forwarded address lets nobody answer for another person, and no address works twice.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_redirected_browser_can_return_a_result() {
    let Some((world, vendor)) = world("eid-proof", LET_IN).await else { return };
    let ada = world.registers("Ada");
    vendor.play(json!({"play": "pass", "person": {"given_name": "Ada", "family_name": "Tester"}})).await;
    let (mut hers, mut anothers, link) = (Browser::default(), Browser::default(), world.link(&ada).await);
    let to = world.presses_to(&mut hers, &link, &vendor).await;
    let cookies = hers.cookies.clone();
    assert!(cookies.keys().all(|name| name.starts_with("proofd-")) && cookies.len() == 1, "{cookies:?}");

    let back = is_sent_back(&world, &mut anothers, &to).await.unwrap();
    let returned = async |browser: &mut Browser, url: &str| browser.send(Method::GET, url).await.status();
    let forged = {
        let mut forged = Browser::default();
        forged.cookies = cookies.keys().map(|name| (name.clone(), "0".repeat(32))).collect();
        forged
    };
    let (base, query) = back.split_once('?').unwrap();
    for (mut browser, url) in [
        (anothers.clone(), back.clone()),
        (forged, back.clone()),
        (hers.clone(), format!("{}/return/jumio?{query}", world.url)),
        (hers.clone(), format!("{}/return/nobody?{query}", world.url)),
        (hers.clone(), format!("{base}?{}", query.replace("state=", "state=x"))),
        (hers.clone(), format!("{base}?{query}&code=x")),
        (hers.clone(), base.to_owned()),
    ] {
        assert_eq!(returned(&mut browser, &url).await, StatusCode::NOT_FOUND, "{url}");
    }
    let sheet = world.sheet(&ada).await.unwrap();
    let brought = |journal: &[Value]| journal.iter().filter(|entry| entry["what"] == "returned").count();
    assert_eq!((brought(&world.journal(&sheet).await), &sheet["state"]), (0, &json!("waiting")));

    // Her link again, in two tabs: the newest session counts.
    let first = world.presses_to(&mut hers, &link, &vendor).await;
    let second = world.presses_to(&mut hers, &link, &vendor).await;
    let first = is_sent_back(&world, &mut hers.clone(), &first).await.unwrap();
    let second = is_sent_back(&world, &mut hers, &second).await.unwrap();
    assert_eq!(returned(&mut hers, &first).await, StatusCode::SEE_OTHER);
    assert_eq!(brought(&world.journal(&sheet).await), 0);
    assert_eq!(returned(&mut hers, &second).await, StatusCode::SEE_OTHER);
    world.until("the approval", async |world| (world.standing(&ada).0 == "approved").then_some(())).await;
    // Every address again, after the end.
    let tokens = vendor.seen().await["token"].clone();
    for url in [&back, &first, &second] {
        assert_eq!(returned(&mut hers, url).await, StatusCode::SEE_OTHER);
    }
    assert_eq!((brought(&world.journal(&sheet).await), &vendor.seen().await["token"]), (1, &tokens));
    assert_eq!(world.applied("user.approve", &ada), 1);
    let sheet = world.sheet(&ada).await.unwrap();
    assert!(sheet["attempts"].as_u64().unwrap() >= 3, "{sheet}");
}

/// The daemon dies after the vendor has exchanged the code: the result is lost, and the person is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_during_the_code_exchange_gives_no_pass() {
    let Some((mut world, vendor)) = world("eid-proof", LET_IN).await else { return };
    let ada = world.registers("Ada");
    vendor.play(json!({"play": "hold", "person": {"given_name": "Ada", "family_name": "Tester"}})).await;
    let (mut browser, link) = (Browser::default(), world.link(&ada).await);
    let to = world.presses_to(&mut browser, &link, &vendor).await;
    let back = is_sent_back(&world, &mut browser, &to).await.unwrap();
    let waits = tokio::spawn({
        let http = world.http().clone();
        let cookie = browser.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookie = cookie.collect::<Vec<_>>().join("; ");
        async move { drop(http.get(back).header("cookie", cookie).send().await) }
    });
    world.until("the exchange", async |_| (vendor.seen().await["token"] == 1).then_some(())).await;
    world.kill();
    waits.abort();
    world.start();
    let sheet = world.sheet(&ada).await.unwrap();
    world
        .until("the end of the session", async |world| {
            let journal = world.journal(&sheet).await;
            let void = journal.iter().find(|entry| entry["what"] == "session_void")?;
            assert_eq!(void["why"], "code");
            Some(())
        })
        .await;
    assert_eq!(
        (world.standing(&ada).0, world.sheet(&ada).await.unwrap()["state"].as_str()),
        ("unapproved", Some("waiting"))
    );
    proves(&world, &vendor, &ada, "pass").await.unwrap();
    world.until("the approval", async |world| (world.standing(&ada).0 == "approved").then_some(())).await;
    assert_eq!(world.applied("user.approve", &ada), 1);
}

/// Two providers in one daemon and in one case: nobody has a face at the first, whose fallback is at the second; then
/// the first sees a document.
#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_can_use_another_provider() {
    let Some((world, vendor)) = world("selfie-or-eid", THEN_A_DOCUMENT).await else { return };
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    proves(&world, &vendor, &ada, "pass").await.unwrap();
    let sheet = world.sheet(&ada).await.unwrap();
    let journal = world.journal(&sheet).await;
    let fell_back = journal.iter().find(|entry| entry["what"] == "fell_back").expect("a fallback");
    assert_eq!(fell_back["verification"], "eid-proof");
    let newer = world.newer_link(&ada, &link).await;
    assert_eq!(world.standing(&ada).0, "unapproved");
    world.goes_through_by(&ada, &newer, passes()).await;
    world.until("the approval", async |world| (world.standing(&ada).0 == "approved").then_some(())).await;
    let sheet = world.sheet(&ada).await.unwrap();
    for step in ["proof", "document"] {
        assert_eq!(sheet["steps"][step]["outcome"], "passed", "{sheet}");
    }
}
