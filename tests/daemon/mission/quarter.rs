//! A nightly sweep asks people with an old proof for a selfie and records its date. Silence and another face suspend
//! the account, and both can be undone.

use chrono::TimeDelta;
use proofd::simulate::jumio::Script;
use proofd::simulate::onelogin::Edit;
use reqwest::StatusCode;

use super::shipped;
use crate::world::World;
use crate::world::people::Person;
use crate::world::staff::{DESK, EXEMPT_UNTIL, VERIFIED_AT};

const POLICY: &str = "quarterly-reverification";
const INVITED: &str = "Please confirm that your account is still yours";

fn sets(world: &World, person: &Person, name: &str, value: &str) {
    let custom_attributes = [(name.to_owned(), value.to_owned())].into();
    world.town.onelogin.edit(person.id(), &Edit { custom_attributes, ..Edit::default() }).unwrap();
}

/// Sets the date of the last proof to a number of days ago.
fn ages(world: &World, person: &Person, days: i64) {
    let at = world.now() - TimeDelta::days(days);
    sets(world, person, VERIFIED_AT, &at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
}

/// A person with an enrolled face who is due by tomorrow.
async fn due(world: &mut World) -> Person {
    let ada = world.employs_proven().await;
    // A proof of this month would count.
    world.pass(TimeDelta::days(31));
    ages(world, &ada, 120);
    ada
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_asks_only_people_with_an_expired_proof() {
    let mut world = shipped().await;
    let ada = due(&mut world).await;
    let recent = world.employs();
    ages(&world, &recent, 60);
    let parent = world.employs();
    ages(&world, &parent, 400);
    let next_year = world.now() + TimeDelta::days(365);
    sets(&world, &parent, EXEMPT_UNTIL, &next_year.format("%Y-%m-%d").to_string());
    let robot = world.employs();
    ages(&world, &robot, 400);
    sets(&world, &robot, "idv_service_account", "true");
    let closed = world.employs();
    ages(&world, &closed, 400);
    world.town.onelogin.suspend(closed.id()).unwrap();
    let before = world.now();

    world.pass(TimeDelta::days(1));
    let link = world.link_in(&ada, INVITED).await;
    let run = world.shows_face(&ada, &link, Script::same_person()).await;
    assert!(!run.takes_document(), "a selfie is enough");
    world.until_result(POLICY, &ada, "verified").await;
    assert!(world.verified_at(&ada) > Some(before));
    assert_eq!((world.status(&ada), world.applied("user.suspend", &ada)), ("active", 0));
    // A second night asks no one again.
    world.pass(TimeDelta::days(1));
    for person in [&recent, &parent, &robot, &closed] {
        assert!(world.subjects(person).is_empty(), "{:?}", world.subjects(person));
        assert!(world.done_to(person).is_empty());
    }
    assert_eq!(world.subjects(&ada).iter().filter(|subject| *subject == INVITED).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recent_proof_skips_the_sweep() {
    let mut world = shipped().await;
    let ada = world.employs_proven().await;
    let proven = world.verified_at(&ada).unwrap();
    // The identity provider lost the date; the daemon has a record of the pass.
    ages(&world, &ada, 120);
    world.pass(TimeDelta::days(1));
    let sheet = world.until_result(POLICY, &ada, "verified").await;
    assert!(world.words(&sheet).await.contains(&"reused".to_owned()));
    assert!(!world.subjects(&ada).contains(&INVITED.to_owned()));
    let written = world.verified_at(&ada).unwrap();
    assert!((written - proven).abs() < TimeDelta::minutes(5), "the day of the proof: {written} {proven}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_reminded_then_suspends_the_account_until_a_selfie() {
    let mut world = shipped().await;
    let ada = due(&mut world).await;
    let manager = world.manager(&ada);
    world.pass(TimeDelta::days(1));
    world.link_in(&ada, INVITED).await;
    world.pass(TimeDelta::days(7));
    world.until_mail(&ada.applicant.email, "Reminder").await;
    assert!(world.town.mailbox.mails_to(&manager).is_empty());
    world.pass(TimeDelta::days(7));
    world
        .until("the manager hears", async |world| {
            let mails = world.town.mailbox.mails_to(&manager);
            // A link lets its holder act as the person.
            assert!(
                mails.iter().all(|mail| mail.links.iter().all(|link| !link.contains("/v/"))),
                "{mails:#?}"
            );
            (mails.len() == 1).then_some(())
        })
        .await;
    assert_eq!(world.status(&ada), "active");
    world.pass(TimeDelta::days(8));
    let back = world.link_in(&ada, "Your account is suspended: how to reinstate it").await;
    assert_eq!(world.status(&ada), "suspended");
    world.until_mail("help-desk@example.com", "A suspended person may call").await;
    world.pass(TimeDelta::days(10));
    world.shows_face(&ada, &back, Script::same_person()).await;
    world.until_result(POLICY, &ada, "reinstated").await;
    assert_eq!((world.status(&ada), world.applied("user.suspend", &ada)), ("active", 1));
    assert!(world.verified_at(&ada) > Some(world.now() - TimeDelta::days(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_different_face_suspends_the_account_and_opens_a_review() {
    let mut world = shipped().await;
    let ada = due(&mut world).await;
    world.logs_in(&ada, None);
    world.pass(TimeDelta::days(1));
    let link = world.link_in(&ada, INVITED).await;
    world.shows_face(&ada, &link, Script::another_person()).await;
    let sheet = world.until_in(POLICY, &ada, "in_review").await;
    assert_eq!((world.status(&ada), world.sessions(&ada)), ("suspended", 0));
    let aged = world.verified_at(&ada);
    assert_eq!(world.decides_as(DESK, &sheet, "refuse").await.0, StatusCode::OK);
    world.until_result(POLICY, &ada, "refused").await;
    assert_eq!((world.status(&ada), world.verified_at(&ada)), ("suspended", aged));
    world.until_mail("help-desk@example.com", "An account stays suspended").await;
}
