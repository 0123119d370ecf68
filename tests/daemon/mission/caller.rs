//! A person calls the help desk and proves their identity during the call.

use chrono::TimeDelta;
use proofd::simulate::jumio::Script;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::shipped;
use crate::world::people::passes;

const POLICY: &str = "support-reverification";
const INVITED: &str = "Please confirm that it is you on the phone";

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_caller_is_reported_to_the_help_desk() {
    let world = shipped().await;
    let ada = world.employs();
    assert_eq!(world.verified_at(&ada), None);
    let before = world.now();
    let case = world.starts(POLICY, &ada).await;
    let link = world.link_in(&ada, INVITED).await;
    let execution = world.goes_through_by(&ada, &link, passes()).await;
    assert!(world.execution(&execution).takes_document(), "no face is enrolled");
    let sheet = world.until_result(POLICY, &ada, "verified").await;
    assert_eq!(sheet["id"], case);
    assert_eq!(world.until_mail("help-desk@example.com", "The caller's identity is confirmed").await, 1);
    assert_eq!(world.subjects(&ada), [INVITED, "Your identity was confirmed"]);
    let verified = world.verified_at(&ada).expect("the day is written");
    assert!(verified >= before - TimeDelta::seconds(1) && verified <= world.now(), "{verified}");
    assert_eq!(world.done_to(&ada), ["user.update"]);
    let told = world.events("com.example.caller.verified");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0]["data"],
        json!({ "case": case, "user": ada.id().to_string(), "method": "full" }),
        "ids only"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn impersonating_a_caller_does_not_lock_the_account() {
    let world = shipped().await;
    let ada = world.employs_proven().await;
    let (verified, before) = (world.verified_at(&ada), world.done_to(&ada).len());
    world.starts(POLICY, &ada).await;
    // Ada already has an invitation: the newer link counts.
    let link = world
        .until("a second invitation", async |world| {
            let count = world.subjects(&ada).iter().filter(|subject| *subject == INVITED).count();
            if count == 2 { ada.applicant.link(&world.town) } else { None }
        })
        .await;
    let run = world.shows_face(&ada, &link, Script::another_person()).await;
    assert!(!run.takes_document(), "a face is known, so a selfie is enough");
    world.until_result(POLICY, &ada, "not_proven").await;
    for team in ["help-desk@example.com", "soc@example.com"] {
        assert_eq!(world.until_mail(team, "the caller did not prove who they are").await, 1);
    }
    world.until_mail(&ada.applicant.email, "Somebody called us in your name").await;
    assert_eq!((world.status(&ada), world.verified_at(&ada)), ("active", verified));
    assert_eq!(world.done_to(&ada).len(), before, "{:?}", world.done_to(&ada));
    assert_eq!(world.events("com.example.caller.not_verified").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_caller_expires_and_a_reviewer_cannot_open_a_case() {
    let mut world = shipped().await;
    let ada = world.employs();
    let start =
        json!({ "policy": POLICY, "subject": { "type": "user", "id": ada.id().to_string() }, "reason": "x" });
    let (status, _) = world.ask(Method::POST, "/v1/cases", "t-desk", Some(start)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "who decides reviews does not open cases");
    world.starts(POLICY, &ada).await;
    world.link_in(&ada, INVITED).await;
    world.pass(TimeDelta::hours(1));
    world.until_result(POLICY, &ada, "no_answer").await;
    assert_eq!(world.until_mail("help-desk@example.com", "").await, 1);
    assert!(world.done_to(&ada).is_empty());
}
