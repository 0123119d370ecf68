//! A risky login: the account is suspended first and the person is then asked. Two people decide where a selfie is not
//! sufficient.

use chrono::TimeDelta;
use proofd::simulate::jumio::Script;
use proofd::simulate::onelogin::Login;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::shipped;
use crate::world::World;
use crate::world::people::Person;
use crate::world::staff::{DESK, SECOND, THIRD};

const POLICY: &str = "login-risk";
const CLOSED: &str = "We suspended your account after an unusual sign-in";

/// An enrolled person logs in with a high risk and is suspended; returns the link in the mail.
async fn shut_out(world: &World) -> (Person, String) {
    let ada = world.employs_proven().await;
    assert!(world.logs_in(&ada, Some(20)), "an everyday login");
    // Logins of the same second are one event.
    let later = world.now() + TimeDelta::seconds(2);
    world.until("another second", async |world| (world.now() > later).then_some(())).await;
    assert!(world.logs_in(&ada, Some(91)));
    assert_eq!(world.sessions(&ada), 2);
    let link = world.link_in(&ada, CLOSED).await;
    assert_eq!((world.status(&ada), world.sessions(&ada)), ("suspended", 0));
    assert!(!world.logs_in(&ada, None), "nobody gets in");
    (ada, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matching_selfie_reinstates_the_account() {
    let world = shipped().await;
    let (ada, link) = shut_out(&world).await;
    let proven = world.verified_at(&ada);
    // Another risky login joins the case.
    world.logs_in(&ada, Some(95));
    world.shows_face(&ada, &link, Script::same_person()).await;
    world.until_result(POLICY, &ada, "reinstated").await;
    assert_eq!(world.status(&ada), "active");
    assert!(world.logs_in(&ada, None));
    assert!(world.verified_at(&ada) > proven);
    for what in ["user.suspend", "user.logout", "user.reactivate"] {
        assert_eq!(world.applied(what, &ada), 1, "{what} {:?}", world.done_to(&ada));
    }
    world.until_mail(&ada.applicant.email, "Your account is open again").await;
    world.until_mail(&world.manager(&ada), "An account in your team is open again").await;
    assert!(world.holds_on(&ada).await.is_empty());
    assert!(world.town.office.notes("page").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn low_risk_and_failed_logins_open_no_case() {
    let world = shipped().await;
    let (ada, ben, cyd) = (world.employs(), world.employs(), world.employs());
    world.logs_in(&ada, Some(75));
    // From far away, with a wrong password: otherwise any person could lock out another.
    world.town.onelogin.login(ben.id(), Login { failed: true, risk_score: Some(99), ..Login::default() });
    let risky = |person: &Person, risk_reasons: &str, score| {
        let (risk_reasons, risk_score) = (Some(risk_reasons.to_owned()), Some(score));
        world.town.onelogin.login(person.id(), Login { risk_reasons, risk_score, ..Login::default() });
    };
    risky(&ada, "New device", 40);
    // On a new device a lower score is sufficient; this event comes after all others.
    risky(&cyd, "Low trust IP, New device", 60);
    world.until_in(POLICY, &cyd, "waiting").await;
    assert_eq!(
        (world.status(&ada), world.status(&ben), world.status(&cyd)),
        ("active", "active", "suspended")
    );
    assert_eq!(world.cases().await.len(), 1);
}

/// Another person's face is shown to the camera.
async fn in_review(world: &World) -> (Person, Value) {
    let (ada, link) = shut_out(world).await;
    world.shows_face(&ada, &link, Script::another_person()).await;
    let sheet = world.until_in(POLICY, &ada, "in_review").await;
    assert_eq!(sheet["queue"], "soc");
    let paged = world.town.office.notes("page");
    assert_eq!(paged.len(), 1, "{paged:?}");
    assert_eq!((&paged[0].body["case"], &paged[0].body["severity"]), (&sheet["id"], &json!("critical")));
    assert!(paged[0].key.is_some(), "a repetition is known as one");
    assert_eq!(world.until_mail("soc@example.com", "To decide").await, 1);
    (ada, sheet)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agreeing_reviewers_decide_and_a_claim_blocks_others() {
    let world = shipped().await;
    let (ada, sheet) = in_review(&world).await;
    // One reviewer claims the review, which blocks the others.
    assert_eq!(world.orders_as(DESK, &sheet, "claim").await.0, StatusCode::OK);
    let (status, answer) = world.decides_as(SECOND, &sheet, "keep").await;
    assert_eq!(
        (status, answer["detail"].to_string().contains("Desi")),
        (StatusCode::CONFLICT, true),
        "{answer}"
    );
    assert_eq!(world.orders_as(SECOND, &sheet, "claim").await.0, StatusCode::CONFLICT);
    assert_eq!(world.orders_as(DESK, &sheet, "release").await.0, StatusCode::OK);
    assert_eq!(world.orders_as(SECOND, &sheet, "claim").await.0, StatusCode::OK);
    assert_eq!(world.decides_as(SECOND, &sheet, "lift").await.0, StatusCode::OK);
    // One of two decisions: the same person cannot give both.
    let half = world.until_in(POLICY, &ada, "in_review").await;
    assert_eq!(half["decisions_given"][0]["by"], "Devi", "{half}");
    assert_eq!(half["assignee"], Value::Null);
    assert_eq!(world.decides_as(SECOND, &sheet, "lift").await.0, StatusCode::CONFLICT);
    assert_eq!(world.status(&ada), "suspended");
    let verified = world.verified_at(&ada);
    assert_eq!(world.decides_as(DESK, &sheet, "lift").await.0, StatusCode::OK);
    world.until_result(POLICY, &ada, "reinstated").await;
    assert_eq!((world.status(&ada), world.verified_at(&ada)), ("active", verified), "no face was compared");
    // Too late.
    assert_eq!(world.decides_as(THIRD, &sheet, "keep").await.0, StatusCode::CONFLICT);
    assert_eq!(world.status(&ada), "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn disagreeing_reviewers_escalate_and_the_hold_can_be_lifted() {
    let world = shipped().await;
    let (ada, sheet) = in_review(&world).await;
    assert_eq!(world.decides_as(DESK, &sheet, "lift").await.0, StatusCode::OK);
    assert_eq!(world.decides_as(SECOND, &sheet, "keep").await.0, StatusCode::OK);
    world.until_mail("soc-leads@example.com", "To decide").await;
    let sheet = world.until_in(POLICY, &ada, "in_review").await;
    assert_eq!(sheet["queue"], "soc-leads");
    assert_eq!(world.decides_as(THIRD, &sheet, "keep").await.0, StatusCode::OK);
    let sheet = world.until_result(POLICY, &ada, "compromised").await;
    world.until_mail(&ada.applicant.email, "Your account stays suspended").await;
    assert_eq!((world.status(&ada), world.applied("user.reactivate", &ada)), ("suspended", 0));
    // The hold outlives its case, is listed, and an operator lifts it with a reason.
    let holds = world.holds_on(&ada).await;
    assert_eq!((holds.len(), &holds[0]["case_closed"]), (1, &json!(true)), "{holds:?}");
    assert_eq!(world.orders_as("t-operator", &sheet, "lift").await.0, StatusCode::OK);
    world.until("the account is open", async |world| (world.status(&ada) == "active").then_some(())).await;
    world.until("no hold", async |world| world.holds_on(&ada).await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecided_review_escalates_and_keeps_the_suspension() {
    let mut world = shipped().await;
    let (ada, _) = in_review(&world).await;
    world.pass(TimeDelta::hours(3));
    assert_eq!(world.until_mail("soc-leads@example.com", "To decide").await, 1);
    let sheet = world.until_in(POLICY, &ada, "in_review").await;
    assert_eq!(sheet["queue"], "soc-leads");
    world.pass(TimeDelta::hours(6));
    let sheet = world.until_result(POLICY, &ada, "left_suspended").await;
    assert_eq!(world.status(&ada), "suspended");
    assert_eq!(world.words(&sheet).await.iter().filter(|word| *word == "escalated").count(), 1);
    world.until_mail("soc-leads@example.com", "A review was not decided in time").await;
    assert_eq!(world.applied("user.reactivate", &ada), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_selfie_reinstates_the_account() {
    let mut world = shipped().await;
    let (ada, _) = shut_out(&world).await;
    world.pass(TimeDelta::hours(25));
    world.until_mail("help-desk@example.com", "A suspended person may call").await;
    world.until_mail(&world.manager(&ada), "An account in your team was suspended").await;
    let link = world.link_in(&ada, "Your account is suspended: how to reinstate it").await;
    world.pass(TimeDelta::days(4));
    world.shows_face(&ada, &link, Script::same_person()).await;
    world.until_result(POLICY, &ada, "reinstated").await;
    assert_eq!((world.status(&ada), world.applied("user.suspend", &ada)), ("active", 1));
}

/// A later suspension by an administrator is not lifted by the selfie.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_by_an_administrator_is_kept() {
    let world = shipped().await;
    let (ada, link) = shut_out(&world).await;
    world.town.onelogin.activate(ada.id()).unwrap();
    // Events of the same second and type are one.
    let later = world.now() + TimeDelta::seconds(2);
    world.until("another second", async |world| (world.now() > later).then_some(())).await;
    world.town.onelogin.suspend(ada.id()).unwrap();
    world
        .until("the event is taken", async |world| {
            let sheet = world.until_in(POLICY, &ada, "waiting").await;
            (sheet["holds"][0]["told"][1] == "theirs").then_some(())
        })
        .await;
    world.shows_face(&ada, &link, Script::same_person()).await;
    world.until_result(POLICY, &ada, "reinstated").await;
    assert_eq!(world.status(&ada), "suspended", "{:?}", world.done_to(&ada));
    assert!(world.holds_on(&ada).await.is_empty());
}

/// A deactivation seconds after our own suspension is not mistaken for it: the case ends by its policy.
#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_by_an_administrator_ends_the_case() {
    let world = shipped().await;
    let (ada, _) = shut_out(&world).await;
    world.town.onelogin.deactivate(ada.id()).unwrap();
    world.until_result(POLICY, &ada, "cancelled").await;
    assert_eq!(world.status(&ada), "suspended");
    assert_eq!(world.applied("user.reactivate", &ada), 0, "{:?}", world.done_to(&ada));
}
