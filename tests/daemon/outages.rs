//! Vendors that are down during registrations: no case fails, and every case ends as it should.
use std::path::Path;

use crate::world::World;
use crate::world::people::{Person, passes};
use chrono::TimeDelta;
use proofd::model::Timestamp;
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::ledger::System;
use reqwest::{Method, StatusCode};

async fn shipped() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_outage_fails_no_case() {
    type Outage = fn(&World, bool);
    let onelogin: Outage = |world, down| {
        world.town.onelogin.turn(|knobs| {
            knobs.faults = if down { vec![Fault::of(Mishap::Status(503))] } else { Vec::new() };
        });
    };
    let onelogin_silent: Outage = |world, down| {
        world.town.onelogin.turn(|knobs| {
            knobs.faults = if down { vec![Fault::of(Mishap::Closed)] } else { Vec::new() };
        });
    };
    let jumio: Outage = |world, down| {
        let fault = Fault::of(Mishap::Status(503));
        world.town.jumio.turn(|knobs| knobs.faults = if down { vec![fault] } else { Vec::new() });
    };
    let jumio_html: Outage = |world, down| {
        let fault = Fault::of(Mishap::Html);
        world.town.jumio.turn(|knobs| knobs.faults = if down { vec![fault] } else { Vec::new() });
    };
    for (what, outage) in [
        ("OneLogin answers 503", onelogin),
        ("OneLogin hangs up", onelogin_silent),
        ("Jumio answers 503", jumio),
        ("Jumio answers a page", jumio_html),
    ] {
        let world = shipped().await;
        let ada = world.registers("Ada");
        let link = world.link(&ada).await;
        let execution = world.presses(&ada, &link).await;
        outage(&world, true);
        ada.applicant.prove(&world.town, &execution, passes()).unwrap();
        // The daemon has noticed the outage.
        world
            .until(&format!("a failed attempt while {what}"), async |world| {
                let journal = world.journal(&world.sheet(&ada).await?).await;
                journal.iter().any(|entry| entry["what"] == "attempt_failed").then_some(())
            })
            .await;
        let sheet = world.sheet(&ada).await.unwrap();
        assert_ne!(sheet["state"], "closed", "{what} {sheet}");
        assert_eq!(world.standing(&ada).0, "unapproved", "{what}");
        outage(&world, false);
        world.until_closed(&ada, "approved").await;
        assert_eq!(world.standing(&ada), ("approved", 1), "{what}");
        assert_eq!(world.applied("user.approve", &ada), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_during_an_outage_waits_and_continues() {
    let world = shipped().await;
    let fault = Fault {
        path: "/account".to_owned(),
        method: Some("POST".to_owned()),
        count: Some(2),
        ..Fault::of(Mishap::Status(503))
    };
    world.town.jumio.turn(|knobs| knobs.faults = vec![fault]);
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
}

/// The API shows that OneLogin is down, and why a case does not continue.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_reports_an_outage() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    let execution = world.presses(&ada, &link).await;
    world.town.onelogin.turn(|knobs| knobs.faults = vec![Fault::of(Mishap::Status(503))]);
    ada.applicant.prove(&world.town, &execution, passes()).unwrap();
    let readiness = async |world: &World| {
        let (status, text) = world.ask(Method::GET, "/readyz", "", None).await;
        assert_eq!(status, StatusCode::OK, "others are served");
        text.as_str().unwrap_or_default().to_owned()
    };
    world
        .until("a degraded daemon", async |world| {
            let text = readiness(world).await;
            (text.starts_with("degraded\n") && text.contains("OneLogin answered 503")).then_some(())
        })
        .await;
    world
        .until("the reason at the case", async |world| {
            let sheet = world.sheet(&ada).await?;
            sheet["waiting_for"].as_str()?.contains("OneLogin answered 503").then_some(())
        })
        .await;
    world.town.onelogin.turn(|knobs| knobs.faults.clear());
    world.until_closed(&ada, "approved").await;
    world
        .until("a ready daemon", async |world| readiness(world).await.starts_with("ready\n").then_some(()))
        .await;
}

/// If OneLogin asks one call to wait, no other call is sent before that time either.
#[tokio::test(flavor = "multi_thread")]
async fn retry_after_delays_all_calls_to_the_system() {
    let world = shipped().await;
    let people = ["Ada", "Bob"].map(|name| world.registers(name));
    let [ada, bob] = &people;
    let fault = Fault {
        method: Some("PUT".into()),
        count: Some(1),
        retry_after: Some(600),
        ..Fault::of(Mishap::Status(429))
    };
    world.town.onelogin.turn(|knobs| knobs.faults = vec![fault]);
    let at = |entry: &serde_json::Value| entry["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let entry = async |person: &Person, what: &str, words: &str| {
        let sheet = world.sheet(person).await?;
        let journal = world.journal(&sheet).await;
        journal.into_iter().find(|entry| entry["what"] == what && entry.to_string().contains(words))
    };
    let links = [world.link(ada).await, world.link(bob).await];
    world.goes_through_by(ada, &links[0], passes()).await;
    let failed = world.until("a failed attempt", async |_| entry(ada, "attempt_failed", "").await).await;
    let until = at(&failed) + TimeDelta::seconds(600);
    world.goes_through_by(bob, &links[1], passes()).await;
    let asked = world.until("Bob's approval", async |_| entry(bob, "call_asked", "approve").await).await;
    assert!(at(&asked) < until, "Bob came too late for this test");
    for person in &people {
        world.until_closed(person, "approved").await;
    }
    let records = world.town.ledger.records();
    let early: Vec<_> = records
        .iter()
        .filter(|one| one.system == System::OneLogin && one.what == "user.approve" && one.at < until)
        .collect();
    assert!(early.is_empty(), "{early:?}");
}
