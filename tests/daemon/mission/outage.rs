//! An outage costs a person no time to answer, and no burst of mails follows it.

use chrono::TimeDelta;
use proofd::simulate::fault::{Fault, Mishap};
use serde_json::{Value, json};

use super::shipped;
use crate::world::World;
use crate::world::people::passes;

const POLICY: &str = "registration-proofing";

fn vendor_is_down(world: &World, down: bool) {
    let fault = Fault::of(Mishap::Status(503));
    world.town.jumio.turn(|knobs| knobs.faults = if down { vec![fault] } else { Vec::new() });
}

/// Whether the daemon's metrics report the vendor as down.
async fn is_down(world: &World) -> Option<bool> {
    let (_, text) = world.ask(reqwest::Method::GET, "/metrics", "", None).await;
    let line = text.as_str()?.lines().find(|line| line.starts_with("proofd_provider_down{"))?.to_owned();
    Some(line.ends_with(" 1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_stop_during_a_vendor_outage() {
    let mut world = shipped().await;
    let (ada, ben) = (world.registers("Ada"), world.registers("Ben"));
    let link = world.link(&ada).await;
    let bens = world.link(&ben).await;
    // Ben's own run reveals that the vendor does not answer.
    let run = world.presses(&ben, &bens).await;
    vendor_is_down(&world, true);
    ben.applicant.prove(&world.town, &run, passes()).unwrap();
    world
        .until("the outage is known", async |world| (is_down(world).await == Some(true)).then_some(()))
        .await;
    let before = world.sheet(&ada).await.unwrap()["due_at"].clone();
    world.pass(TimeDelta::days(15));
    // Well past the deadline; the outage also survived a restart.
    world
        .until("time is given back", async |world| {
            let sheet = world.sheet(&ada).await?;
            world.words(&sheet).await.contains(&"paused".to_owned()).then_some(())
        })
        .await;
    let sheet = world.sheet(&ada).await.unwrap();
    assert_eq!(sheet["state"], "waiting", "{sheet}");
    assert_ne!(sheet["due_at"], before);
    vendor_is_down(&world, false);
    world
        .until("the vendor is back", async |world| (is_down(world).await == Some(false)).then_some(()))
        .await;
    world.until_closed(&ben, "approved").await;
    assert_eq!(world.subjects(&ada), ["Please confirm who you are"], "no reminder while nobody could answer");
    world.pass(TimeDelta::days(13));
    let sheet = world.until_state(&ada, "waiting").await;
    let paused: i64 = world.journal(&sheet).await.iter().filter_map(|entry| entry["seconds"].as_i64()).sum();
    assert!(TimeDelta::seconds(paused) >= TimeDelta::days(15), "{paused}");
    world.goes_through_by(&ada, &link, passes()).await;
    world.until_closed(&ada, "approved").await;
    assert_eq!(world.standing(&ada), ("approved", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_missed_reminder_is_sent() {
    let mut world = shipped().await;
    let felix = world.registers("Felix");
    world.link(&felix).await;
    // A pause of an accelerated clock is no outage, and no time is given back.
    world.pass(TimeDelta::days(13));
    let last = "Last reminder: your registration is about to expire";
    world.until_mail(&felix.applicant.email, last).await;
    assert_eq!(world.subjects(&felix), ["Please confirm who you are", last]);
    let sheet = world.case_about(POLICY, &format!("registration/{}", felix.id())).await.unwrap();
    let journal = world.journal(&sheet).await;
    let skipped: Vec<&Value> = journal.iter().filter(|entry| entry["what"] == "reminders_skipped").collect();
    assert_eq!((skipped.len(), &skipped[0]["count"]), (1, &json!(2)), "{journal:?}");
}
