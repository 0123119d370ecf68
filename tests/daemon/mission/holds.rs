//! Two cases hold one account: it is open once neither holds it, in any order of release.

use chrono::TimeDelta;
use proofd::simulate::jumio::Script;
use reqwest::StatusCode;

use super::shipped;
use crate::world::World;
use crate::world::people::Person;
use crate::world::staff::DESK;

const QUARTER: &str = "quarterly-reverification";
const RISK: &str = "login-risk";

/// A person whose account is held twice: by a risky login, and by another face in a quarterly proof. Returns the link
/// of the first.
async fn held_twice(world: &mut World) -> (Person, String) {
    let ada = world.employs_proven().await;
    // A pass of this month would count for the second case.
    world.pass(TimeDelta::days(31));
    assert!(world.logs_in(&ada, Some(88)));
    let risk = world.link_in(&ada, "We suspended your account after an unusual sign-in").await;
    world.starts(QUARTER, &ada).await;
    let quarter = world.link_in(&ada, "Please confirm that your account is still yours").await;
    world.shows_face(&ada, &quarter, Script::another_person()).await;
    world.until_in(QUARTER, &ada, "in_review").await;
    assert_eq!(world.status(&ada), "suspended");
    let holds = world.holds_on(&ada).await;
    assert_eq!(holds.len(), 2, "{holds:?}");
    assert_eq!(world.applied("user.suspend", &ada), 1, "it was closed already");
    (ada, risk)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_reinstated_with_the_last_of_two_holds() {
    let mut world = shipped().await;
    let (ada, risk) = held_twice(&mut world).await;
    world.shows_face(&ada, &risk, Script::same_person()).await;
    world.until_result(RISK, &ada, "reinstated").await;
    assert_eq!((world.status(&ada), world.applied("user.reactivate", &ada)), ("suspended", 0));
    let holds = world.holds_on(&ada).await;
    assert_eq!((holds.len(), &holds[0]["policy"]), (1, &QUARTER.into()), "{holds:?}");
    let sheet = world.until_in(QUARTER, &ada, "in_review").await;
    assert_eq!(world.decides_as(DESK, &sheet, "accept").await.0, StatusCode::OK);
    world.until_result(QUARTER, &ada, "reinstated").await;
    assert_eq!((world.status(&ada), world.applied("user.reactivate", &ada)), ("active", 1));
    assert!(world.holds_on(&ada).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remaining_second_hold_keeps_the_account_suspended() {
    let mut world = shipped().await;
    let (ada, risk) = held_twice(&mut world).await;
    let sheet = world.until_in(QUARTER, &ada, "in_review").await;
    assert_eq!(world.decides_as(DESK, &sheet, "refuse").await.0, StatusCode::OK);
    let sheet = world.until_result(QUARTER, &ada, "refused").await;
    world.shows_face(&ada, &risk, Script::same_person()).await;
    world.until_result(RISK, &ada, "reinstated").await;
    assert_eq!((world.status(&ada), world.applied("user.reactivate", &ada)), ("suspended", 0));
    // An operator lifts the hold of the closed case, and then the account has no hold.
    assert_eq!(world.orders_as("t-operator", &sheet, "lift").await.0, StatusCode::OK);
    world.until("the account is open", async |world| (world.status(&ada) == "active").then_some(())).await;
    assert_eq!(world.applied("user.reactivate", &ada), 1);
}
