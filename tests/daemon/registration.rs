//! The shipped registration policy, from the form to the end, with the real daemon and simulated vendors. The tests
//! assert the simulators' records: approvals, invitations, deletions and mails.
use std::path::Path;

use crate::world::World;
use crate::world::people::{Person, blurs, ends, forges, other_name, passes, rejects};
use chrono::TimeDelta;
use proofd::simulate::applicant::Led;
use proofd::simulate::jumio::{Expired, Outcome, Script};
use proofd::simulate::ledger::System;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The daemon with the shipped policies; a minute takes a second.
async fn shipped() -> World {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.town.jumio.turn(|knobs| knobs.rate_limits = false);
    world.start();
    world
}

/// A person, the vendor's result, and the state that follows.
struct Row {
    name: &'static str,
    script: fn() -> Script,
    state: &'static str,
    result: Value,
    standing: (&'static str, u64),
    /// The newest mail.
    last_mail: &'static str,
}

fn row(name: &'static str, script: fn() -> Script, state: &'static str) -> Row {
    let last_mail = "A person is looking at your registration";
    Row { name, script, state, result: Value::Null, standing: ("unapproved", 0), last_mail }
}

#[tokio::test(flavor = "multi_thread")]
async fn vendor_results_lead_to_the_results_of_the_policy() {
    let rows = [
        Row {
            result: json!("approved"),
            standing: ("approved", 1),
            last_mail: "Your identity was confirmed",
            ..row("Passing", passes, "closed")
        },
        Row {
            result: json!("rejected"),
            last_mail: "Your registration was declined",
            ..row("Forging", forges, "in_grace")
        },
        Row { last_mail: "Please confirm who you are", ..row("Blurring", blurs, "waiting") },
        row("Othername", other_name, "in_review"),
        row("Warned", || ends(Outcome::Warn), "in_review"),
        row("Otherface", || ends(Outcome::FaceMismatch), "in_review"),
        row("Nolabel", || rejects("dataChecks:MISMATCHING_DATAPOINTS"), "in_review"),
        row("Unheardof", || rejects("imageChecks:SOMETHING_NEW"), "in_review"),
        // The vendor reports a pass, but the required checks are missing.
        row("Notlive", || ends(Outcome::PassWithout), "in_review"),
        row("Empty", || ends(Outcome::PassEmpty), "in_review"),
        row(
            "Nosimilarity",
            || Script { missing: vec!["similarity".to_owned()], ..ends(Outcome::PassWithout) },
            "in_review",
        ),
    ];
    let world = shipped().await;
    let people: Vec<Person> = rows.iter().map(|row| world.registers(row.name)).collect();
    for (row, person) in rows.iter().zip(&people) {
        world.goes_through(person, (row.script)()).await;
    }
    for (row, person) in rows.iter().zip(&people) {
        let sheet = world
            .until(&format!("{} {}", row.name, row.state), async |world| {
                let sheet = world.sheet(person).await?;
                let there = sheet["state"] == row.state && sheet["steps"]["proof"]["outcome"].is_string();
                (there && world.subjects(person).last().is_some_and(|last| last == row.last_mail))
                    .then_some(sheet)
            })
            .await;
        // A case in grace shows no result yet, because it can still be undone.
        if row.state == "closed" {
            assert_eq!(sheet["result"], row.result, "{} {sheet}", row.name);
        }
        assert_eq!(world.standing(person), row.standing, "{}", row.name);
        if row.standing.0 != "approved" {
            assert_eq!(world.applied("user.approve", person), 0, "{}", row.name);
        }
        assert_eq!(world.applied("user.delete", person), 0, "{}", row.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_is_approved_and_invited_once() {
    let mut world = shipped().await;
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    let sheet = world.until_closed(&ada, "approved").await;
    assert_eq!(world.standing(&ada), ("approved", 1));
    assert_eq!((world.applied("user.approve", &ada), world.applied("user.delete", &ada)), (1, 0));
    assert_eq!(sheet["attempts"], 1, "{sheet}");
    // Days later, nothing more has happened.
    world.pass(TimeDelta::days(15));
    assert_eq!(world.standing(&ada), ("approved", 1));
    assert_eq!(world.subjects(&ada), ["Please confirm who you are", "Your identity was confirmed"]);
    // The page of the link explains politely that the case has ended.
    let (status, _) = ada.applicant.look(&world.link(&ada).await).await.unwrap();
    assert_eq!(status, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_mismatch_opens_a_review_that_decides() {
    for (decision, result, standing) in
        [("approve", "approved", ("approved", 1)), ("reject", "rejected", ("unapproved", 0))]
    {
        let world = shipped().await;
        let dmitri = world.registers("Dmitri");
        world.goes_through(&dmitri, other_name()).await;
        let sheet = world.until_state(&dmitri, "in_review").await;
        assert_eq!(sheet["decisions_allowed"], json!(["approve", "reject", "try_again"]), "{sheet}");
        assert!(sheet["steps"]["proof"]["mismatches"].to_string().contains("last_name"), "{sheet}");
        world
            .until("the desk's mail", async |world| {
                (!world.town.mailbox.mails_to("identity-desk@example.com").is_empty()).then_some(())
            })
            .await;
        let (status, answer) = world.decides(&sheet, decision).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        if decision == "approve" {
            world.until_closed(&dmitri, result).await;
        } else {
            world.until_state(&dmitri, "in_grace").await;
        }
        assert_eq!(world.standing(&dmitri), standing);
        let journal = world.journal(&sheet).await;
        let decided = journal.iter().find(|entry| entry["what"] == "decided").expect("it is written down");
        assert_eq!(decided["decision"]["by"], "Dana", "{decided}");
    }
}

/// A forger, up to the rejection mail with its link.
async fn declined(world: &World) -> (Person, Value, String) {
    let carla = world.registers("Carla");
    world.goes_through(&carla, forges()).await;
    let sheet = world.until_state(&carla, "in_grace").await;
    let link = world
        .until("the declining mail", async |world| {
            let mails = world.town.mailbox.mails_to(&carla.applicant.email);
            let mail = mails.iter().find(|mail| mail.subject == "Your registration was declined")?;
            mail.links.iter().find(|link| link.contains("/v/")).cloned()
        })
        .await;
    let told = world.town.mailbox.mails_to("fraud@example.com");
    assert_eq!(told.len(), 1, "the fraud team is told once");
    (carla, sheet, link)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_document_deletes_the_registration_after_grace() {
    let mut world = shipped().await;
    let (carla, sheet, _) = declined(&world).await;
    world.pass(TimeDelta::days(6));
    world.until_state(&carla, "in_grace").await;
    assert_eq!(world.standing(&carla).0, "unapproved", "a week is a week: {sheet}");
    world.pass(TimeDelta::days(1));
    world.until_closed(&carla, "rejected").await;
    assert_eq!(world.standing(&carla).0, "deleted");
    assert_eq!((world.applied("user.delete", &carla), world.applied("user.approve", &carla)), (1, 0));
    assert_eq!(world.orders(&sheet, "undo").await.0, StatusCode::CONFLICT, "too late to undo");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objection_stops_the_grace_period_until_a_decision() {
    for (decision, result, standing) in [("undo", "undone", "unapproved"), ("uphold", "rejected", "deleted")]
    {
        let mut world = shipped().await;
        let (carla, sheet, link) = declined(&world).await;
        let (status, page) = carla.applicant.look(&link).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("I object"), "{page}");
        world.pass(TimeDelta::days(2));
        assert!(
            carla.applicant.look(&link).await.unwrap().1.contains("I object"),
            "looking is not objecting"
        );
        let led = carla.applicant.press(&world.town, &link).await.unwrap();
        assert!(matches!(&led, Led::Page(StatusCode::OK, text) if text.contains("objection")), "{led:?}");
        world.pass(TimeDelta::days(20));
        let sheet = world.get(&format!("/v1/cases/{}", sheet["id"].as_str().unwrap())).await;
        assert_eq!(sheet["state"], "in_grace", "{sheet}");
        assert_eq!(sheet["decisions_allowed"], json!(["undo", "uphold"]), "{sheet}");
        assert_eq!(world.standing(&carla).0, "unapproved");
        assert_eq!(world.decides(&sheet, decision).await.0, StatusCode::OK);
        world.pass(TimeDelta::days(6));
        world.until_closed(&carla, result).await;
        assert_eq!(world.standing(&carla).0, standing, "{decision}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_undo_a_deletion_in_grace() {
    let mut world = shipped().await;
    let (carla, sheet, _) = declined(&world).await;
    assert_eq!(world.orders(&sheet, "undo").await.0, StatusCode::OK);
    world.until_closed(&carla, "undone").await;
    world.pass(TimeDelta::days(8));
    assert_eq!(world.standing(&carla).0, "unapproved");
    assert_eq!(world.applied("user.delete", &carla), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blurred_picture_gives_a_new_link_and_the_old_one_expires() {
    let world = shipped().await;
    let bruno = world.registers("Bruno");
    let old = world.link(&bruno).await;
    let first = world.goes_through_by(&bruno, &old, blurs()).await;
    let new = world.newer_link(&bruno, &old).await;
    assert_eq!(bruno.applicant.look(&old).await.unwrap().0, StatusCode::GONE);
    let led = bruno.applicant.press(&world.town, &old).await.unwrap();
    assert!(matches!(led, Led::Page(StatusCode::GONE, _)), "{led:?}");
    let second = world.goes_through_by(&bruno, &new, passes()).await;
    assert_ne!(first, second);
    // The first attempt counts against no one: the same person tries again in the same case.
    let sheet = world
        .until("an end", async |world| {
            let sheet = world.sheet(&bruno).await?;
            ["closed", "in_review"].iter().any(|state| sheet["state"] == *state).then_some(sheet)
        })
        .await;
    assert_eq!((&sheet["state"], &sheet["result"]), (&json!("closed"), &json!("approved")), "{sheet}");
    assert_eq!(world.standing(&bruno), ("approved", 1));
    assert_eq!(sheet["attempts"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_blurred_pictures_open_a_review() {
    let world = shipped().await;
    let bruno = world.registers("Bruno");
    let mut link = world.link(&bruno).await;
    for left in [2, 1, 0] {
        world.goes_through_by(&bruno, &link, blurs()).await;
        if left > 0 {
            link = world.newer_link(&bruno, &link).await;
        }
    }
    world.until_state(&bruno, "in_review").await;
    assert_eq!(world.standing(&bruno), ("unapproved", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_reminded_then_expires_then_is_deleted() {
    let mut world = shipped().await;
    let felix = world.registers("Felix");
    let link = world.link(&felix).await;
    let mut expected = vec!["Please confirm who you are"];
    for day in 1..=22 {
        world.pass(TimeDelta::days(1));
        expected.extend(match day {
            2 | 7 => Some("Reminder: please confirm who you are"),
            12 => Some("Last reminder: your registration is about to expire"),
            14 => Some("Your registration has expired"),
            _ => None,
        });
        let count = expected.len();
        world
            .until(&format!("the mails of day {day}"), async |world| {
                (world.subjects(&felix).len() >= count).then_some(())
            })
            .await;
        assert_eq!(world.subjects(&felix), expected, "day {day}");
        let standing = if day < 21 { "unapproved" } else { "" };
        assert!(world.standing(&felix).0.starts_with(standing), "day {day}");
    }
    world.until_closed(&felix, "expired").await;
    assert_eq!(world.standing(&felix).0, "deleted");
    assert_eq!(world.applied("user.delete", &felix), 1);
    assert_eq!(felix.applicant.look(&link).await.unwrap().0, StatusCode::GONE);
    assert!(world.town.jumio.executions().is_empty(), "nobody pressed, nothing was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_vendors_page_allows_a_new_session() {
    for expired in [Expired::New, Expired::Old, Expired::NotFound] {
        let mut world = shipped().await;
        // Some tenants show an expired run as rejected with the highest risk. No person was rejected.
        world.town.jumio.turn(|knobs| knobs.expired = expired);
        let eve = world.registers("Eve");
        let link = world.link(&eve).await;
        let first = world.presses(&eve, &link).await;
        world.town.jumio.open(&first).unwrap();
        // The same session, as long as it is valid.
        assert_eq!(world.presses(&eve, &link).await, first);
        world.town.jumio.abandon(&first).unwrap();
        world.pass(TimeDelta::days(1));
        let sheet = world.until_state(&eve, "waiting").await;
        assert_eq!(world.standing(&eve).0, "unapproved", "{expired:?}");
        let second = world.goes_through_by(&eve, &link, passes()).await;
        assert_ne!(first, second, "{expired:?}");
        world.until_closed(&eve, "approved").await;
        assert_eq!(world.standing(&eve), ("approved", 1), "{expired:?} {sheet}");
        assert_eq!(world.applied("user.delete", &eve), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_link_starts_no_session() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    for _ in 0..20 {
        let (status, page) = ada.applicant.look(&link).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("method=\"post\""), "{page}");
    }
    for address in [format!("{link}?wait=1"), format!("{link}/back")] {
        assert_eq!(ada.applicant.look(&address).await.unwrap().0, StatusCode::OK, "{address}");
    }
    let head = world.http().head(&link).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    // The case after all of the above was answered.
    let sheet = world.until_state(&ada, "waiting").await;
    assert_eq!(sheet["attempts"], 0);
    // The invitation's own call may still be recording its result.
    let calls = sheet["calls"].as_array().unwrap();
    assert!(calls.iter().all(|call| call["action"] == "mail"), "{sheet}");
    assert!(world.town.jumio.executions().is_empty());
    let guards = world.http().get(&link).send().await.unwrap();
    assert_eq!(guards.headers()["cache-control"], "no-store");
    assert_eq!(guards.headers()["referrer-policy"], "no-referrer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_domain_opens_no_case_and_the_reason_is_recorded() {
    let mut world = shipped().await;
    let grace = world.registers_from("Grace", "example.com");
    // A person who comes later has an invitation, so the earlier event was handled.
    let ada = world.registers("Ada");
    world.link(&ada).await;
    assert!(world.case_of("Grace").await.is_none());
    assert_eq!(world.subjects(&grace), [] as [&str; 0]);
    assert_eq!(world.standing(&grace), ("unapproved", 0));
    let of = format!("/v1/explain?policy=registration-proofing&subject=registration/{}", grace.id());
    let says = world.get(&of).await["items"][0]["says"].as_str().unwrap().to_owned();
    assert_eq!(world.stop(), Some(0));
    let (store, _) = proofd::store::Store::open(&world.dir.path().join("store"), world.now()).unwrap();
    let now = world.now().timestamp();
    let verdicts = (now - 3_600..=now)
        .find_map(|second| {
            let key = format!("onelogin:100:registration:{}:::{second}", grace.id());
            store.verdicts(&key).unwrap()
        })
        .expect("the event was consumed");
    let mut said = verdicts.verdicts.iter();
    let verdict = said.find(|said| said.policy == "registration-proofing").unwrap();
    assert_eq!(verdict.verdict.word(), "clause");
    assert!(says.contains("trusted_domains"), "{says}");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_from_webhook_and_poller_opens_one_case() {
    let world = shipped().await;
    world.town.onelogin.turn(|knobs| {
        knobs.webhook.duplicate_every = 1;
        knobs.webhook.reorder = true;
    });
    let people: Vec<_> = (0..5).map(|number| world.registers(&format!("Person{number}"))).collect();
    for person in &people {
        world.link(person).await;
    }
    let registered = world.now();
    // After two more polls, every channel has delivered its events.
    let mut polled = Vec::new();
    world
        .until("two polls", async |world| {
            let (_, text) = world.ask(Method::GET, "/metrics", "", None).await;
            let line =
                text.as_str()?.lines().find(|line| line.contains("source_polled_timestamp_seconds{"))?;
            let at: f64 = line.rsplit(' ').next()?.parse().ok()?;
            if at > registered.timestamp() as f64 && !polled.contains(&at.to_bits()) {
                polled.push(at.to_bits());
            }
            (polled.len() >= 2).then_some(())
        })
        .await;
    world
        .until("a webhook that comes twice", async |world| {
            let deliveries = world.town.onelogin.deliveries();
            deliveries.iter().any(|one| one["statuses"] == json!([200, 200])).then_some(())
        })
        .await;
    assert_eq!(world.cases().await.len(), people.len());
    for person in &people {
        assert_eq!(world.subjects(person), ["Please confirm who you are"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polled_registration_opens_a_case() {
    let world = shipped().await;
    world.town.onelogin.turn(|knobs| knobs.webhook.drop_every = 1);
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_used_for_its_own_session_only() {
    let world = shipped().await;
    let (good, bad) = (world.registers("Good"), world.registers("Bad"));
    let mine = world.presses(&bad, &world.link(&bad).await).await;
    let theirs = world.goes_through(&good, passes()).await;
    world.until_closed(&good, "approved").await;
    // The callback of one case is sent with the passed run of another.
    let path = world.execution(&mine).order.callback_url.expect("callbacks are configured");
    let others = world.execution(&theirs);
    let callback = json!({
        "callbackSentAt": "2026-01-01T00:00:00.000Z",
        "account": { "id": others.account },
        "workflowExecution": { "id": theirs, "status": "PROCESSED" },
    });
    let answer = world.http().post(&path).json(&callback).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let sheet = world.until_state(&bad, "waiting").await;
    assert_eq!(sheet["steps"]["proof"]["outcome"], Value::Null, "{sheet}");
    // A late callback of a replaced session has no effect either.
    let link = world.link(&bad).await;
    bad.applicant.prove(&world.town, &mine, blurs()).unwrap();
    let link = world.newer_link(&bad, &link).await;
    // The mail arrives before its result is recorded.
    let written = async |world: &World| {
        let journal = world.journal(&sheet).await;
        (journal.last()?["what"] == "call_done").then_some(journal.len())
    };
    let before = world.until("the end of the mail", written).await;
    let stale = json!({ "account": { "id": world.execution(&mine).account },
        "workflowExecution": { "id": mine, "status": "PROCESSED" } });
    let answer = world.http().post(&path).json(&stale).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "it is ours, there is just nothing to do");
    assert_eq!(world.journal(&sheet).await.len(), before, "and nothing was done");
    let second = world.goes_through_by(&bad, &link, forges()).await;
    assert_ne!(second, mine);
    world.until_state(&bad, "in_grace").await;
    assert_eq!(world.standing(&bad), ("unapproved", 0));
    let passed: Vec<_> = world
        .town
        .ledger
        .records()
        .into_iter()
        .filter(|one| one.system == System::OneLogin && one.applied && one.what == "user.approve")
        .collect();
    assert_eq!(passed.len(), 1, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_registration_ends_the_case_without_an_effect() {
    let world = shipped().await;
    let ada = world.registers("Ada");
    world.link(&ada).await;
    world.town.onelogin.delete(ada.id()).unwrap();
    let sheet = world.until_state(&ada, "closed").await;
    assert_eq!(sheet["result"], "cancelled", "{sheet}");
    assert_eq!(world.applied("user.approve", &ada), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_page_writes_nothing_and_a_return_is_recorded() {
    // The clock is too slow for a regular poll.
    let mut world = World::new(2, Path::new("policies"), "").await;
    world.start();
    let ada = world.registers("Ada");
    let link = world.link(&ada).await;
    let execution = world.presses(&ada, &link).await;
    let sheet = world
        .until("the session", async |world| {
            let sheet = world.sheet(&ada).await?;
            (sheet["attempts"] == 1 && sheet["calls"].as_array()?.is_empty()).then_some(sheet)
        })
        .await;
    let before = world.journal(&sheet).await;
    for round in 0..8 {
        for address in [link.clone(), format!("{link}/back"), format!("{link}/back?x={round}")] {
            let answer = world.http().get(&address).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{address}");
        }
    }
    assert_eq!(world.journal(&sheet).await, before);
    ada.applicant.prove(&world.town, &execution, passes()).unwrap();
    world
        .until("the result", async |world| {
            world.http().get(format!("{link}/back")).send().await.unwrap();
            let sheet = world.sheet(&ada).await?;
            (sheet["state"] == "closed").then_some(())
        })
        .await;
}
