//! A privileged role takes effect only after a proof: it is withheld at once and granted again afterwards.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::json;

use super::shipped;
use crate::world::people::{forges, passes};
use crate::world::staff::{DESK, VERIFIED_AT};

const POLICY: &str = "privileged-role";
const ROLE: &str = "Payments admin";
const INVITED: &str = "Your new role needs a proof of identity";

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_withheld_until_its_holder_is_verified() {
    let world = shipped().await;
    let ada = world.employs();
    // Ordinary roles start no case.
    world.grants(&ada, "Newsletter editor");
    world.grants(&ada, ROLE);
    let link = world.link_in(&ada, INVITED).await;
    assert!(!world.has_role(&ada, ROLE), "taken away before the mail went out");
    assert!(world.has_role(&ada, "Newsletter editor"));
    world.until_mail(&world.manager(&ada), "A role in your team waits").await;
    world.goes_through_by(&ada, &link, passes()).await;
    let sheet = world.until_result(POLICY, &ada, "granted").await;
    assert!(world.has_role(&ada, ROLE));
    assert!(world.attribute(&ada, VERIFIED_AT).is_some());
    world.until_mail(&ada.applicant.email, "Your new role is active").await;
    assert_eq!((world.applied("user.role.revoke", &ada), world.applied("user.role.grant", &ada)), (1, 1));
    // Our own changes opened and closed no case.
    let cases = world.cases().await;
    assert_eq!(cases.len(), 1, "{cases:?}");
    assert!(!world.words(&sheet).await.contains(&"joined".to_owned()));
    assert!(world.holds_on(&ada).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recent_proof_restores_the_role_at_once() {
    let world = shipped().await;
    let ada = world.employs_proven().await;
    let proven = world.verified_at(&ada).unwrap();
    world.grants(&ada, ROLE);
    let sheet = world.until_result(POLICY, &ada, "granted").await;
    assert!(world.words(&sheet).await.contains(&"reused".to_owned()));
    assert!(world.has_role(&ada, ROLE));
    assert!(!world.subjects(&ada).contains(&INVITED.to_owned()));
    let written = world.verified_at(&ada).unwrap();
    assert!((written - proven).abs() < TimeDelta::minutes(5), "the day of the proof: {written} {proven}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_a_proof_is_not_assigned() {
    let mut world = shipped().await;
    let (silent, forger) = (world.employs(), world.employs());
    for person in [&silent, &forger] {
        world.grants(person, ROLE);
        world.link_in(person, INVITED).await;
    }
    world.grants(&silent, "Directory admin");
    world.goes_through(&forger, forges()).await;
    let sheet = world.until_in(POLICY, &forger, "in_review").await;
    world.until_mail("soc@example.com", "").await;
    // The person who granted the role may not confirm it.
    let (status, answer) = world.decides_as("t-granter", &sheet, "grant").await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert_eq!(world.decides_as(DESK, &sheet, "refuse").await.0, StatusCode::OK);
    world.until_result(POLICY, &forger, "not_granted").await;
    world.until_mail(&forger.applicant.email, "The role was not assigned to you").await;
    assert!(!world.has_role(&forger, ROLE));

    // Each role has a case of its own.
    let theirs = format!("/v1/cases?policy={POLICY}&subject=user/{}", silent.id());
    world
        .until("a case for each role", async |world| {
            let cases = world.get(&theirs).await;
            let waiting = cases["items"].as_array()?.iter().filter(|case| case["state"] == "waiting");
            (waiting.count() == 2).then_some(())
        })
        .await;
    world.pass(TimeDelta::days(6));
    world
        .until("both end", async |world| {
            let closed = world.cases().await.into_iter().filter(|case| case["result"] == "not_granted");
            (closed.count() == 3).then_some(())
        })
        .await;
    assert!(!world.has_role(&silent, ROLE) && !world.has_role(&silent, "Directory admin"));
    assert_eq!(world.applied("user.role.grant", &silent), 0);
    // Removed permanently: no hold remains, and the next grant opens a new case.
    assert!(world.holds_on(&silent).await.is_empty());
    world.grants(&silent, ROLE);
    let sheet = world.until_in(POLICY, &silent, "waiting").await;
    assert_eq!(sheet["holds"][0]["what"], json!({ "role": ROLE }), "{sheet}");
}

/// An administrator who revokes the role cancels the grant: a later pass does not restore the role.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_revoked_by_an_administrator_is_not_restored() {
    let world = shipped().await;
    // Before the daemon acts, and after it acted and the role was granted again.
    let (early, late) = (world.employs_proven().await, world.employs());
    world.grants(&early, ROLE);
    world.revokes(&early, ROLE);
    world.until_result(POLICY, &early, "cancelled").await;
    world.grants(&late, ROLE);
    let link = world.link_in(&late, INVITED).await;
    assert!(!world.has_role(&late, ROLE));
    world.grants(&late, ROLE);
    world.revokes(&late, ROLE);
    world.until_result(POLICY, &late, "cancelled").await;
    drop(link);
    for person in [&early, &late] {
        assert!(!world.has_role(person, ROLE), "{:?}", world.done_to(person));
        assert_eq!(world.applied("user.role.grant", person), 0, "{:?}", world.done_to(person));
        assert!(world.holds_on(person).await.is_empty());
    }
}
