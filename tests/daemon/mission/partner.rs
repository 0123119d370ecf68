//! A partner registers through a separate form, with a sponsor: proof, the sponsor's confirmation, approval by a third
//! person, and the role once the account is activated.

use chrono::TimeDelta;
use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::onelogin::Form;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::shipped;
use crate::world::World;
use crate::world::people::{Person, passes};
use crate::world::staff::{DESK, SECOND};

const POLICY: &str = "partner-with-sponsor";
const SPONSOR: &str = "sponsor@example.com";

async fn with_profile() -> World {
    let world = shipped().await;
    world.town.onelogin.add_profile("Sponsored partners", "partners");
    world.town.onelogin.add_role("Partner");
    for name in ["sponsor", "partner_sponsor", "partner_proven_at"] {
        world.town.onelogin.add_attribute(name);
    }
    world
}

/// Fills in the partners' form.
fn registers(world: &World, first_name: &str, sponsor: &str) -> Person {
    let email = format!("{}@partner.test", first_name.to_lowercase());
    let applicant = Applicant::new(first_name, "Tester", &email).unwrap();
    let form = Form {
        firstname: first_name.to_owned(),
        lastname: "Tester".to_owned(),
        email,
        profile: Some("partners".to_owned()),
        custom_attributes: [("sponsor".to_owned(), sponsor.to_owned())].into(),
    };
    let registered = world.town.onelogin.register(form).unwrap();
    world.town.onelogin.verify_email(registered.registration_id).unwrap();
    Person { applicant, registered }
}

async fn until(world: &World, person: &Person, state: &str) -> Value {
    world.until_about(POLICY, &format!("registration/{}", person.id()), state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sponsored_partner_gets_an_account_then_the_role() {
    let world = with_profile().await;
    let pia = registers(&world, "Pia", SPONSOR);
    world.goes_through(&pia, passes()).await;
    let sheet = until(&world, &pia, "in_review").await;
    // A ticket asks the sponsor; it names the case and contains only the necessary data.
    let tickets = world.town.office.notes("ticket");
    assert_eq!((tickets.len(), tickets[0].path.as_str()), (1, "tickets"));
    assert_eq!((&tickets[0].body["sponsor"], &tickets[0].body["case"]), (&json!(SPONSOR), &sheet["id"]));
    assert_eq!(sheet["steps"]["ticket"]["body"]["ticket"], "T-1", "{sheet}");
    assert_eq!(world.standing(&pia), ("unapproved", 0), "a good proof alone lets nobody in");
    // The sponsor may not approve.
    assert_eq!(world.decides_as("t-sponsor", &sheet, "vouched").await.0, StatusCode::CONFLICT);
    assert_eq!(world.decides_as(DESK, &sheet, "vouched").await.0, StatusCode::OK);
    let sheet = until(&world, &pia, "closed").await;
    assert_eq!(sheet["result"], "approved", "{sheet}");
    assert_eq!(world.standing(&pia), ("approved", 1));
    assert_eq!(world.attribute(&pia, "partner_sponsor").as_deref(), Some(SPONSOR));
    assert!(world.attribute(&pia, "partner_proven_at").is_some());
    assert!(!world.has_role(&pia, "Partner"), "not before there is an account to use it with");

    // The person accepts the invitation.
    world.town.onelogin.activate(pia.id()).unwrap();
    world.until_result("partner-role", &pia, "granted").await;
    assert!(world.has_role(&pia, "Partner"));
    world.until_mail(&pia.applicant.email, "Your access is ready").await;
    // The policy for other registrations opened no case.
    let policies: Vec<_> = world.cases().await.into_iter().map(|case| case["policy"].clone()).collect();
    assert_eq!(policies.len(), 2, "{policies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_without_a_sponsor_is_rejected_unverified_and_can_object() {
    let mut world = with_profile().await;
    let rows = [("Nosponsor", ""), ("Outside", "friend@elsewhere.test"), ("Own", "own@partner.test")];
    let people: Vec<_> = rows.iter().map(|(name, sponsor)| registers(&world, name, sponsor)).collect();
    for person in &people {
        until(&world, person, "in_grace").await;
        assert_eq!(world.subjects(person).len(), 1, "{:?}", world.subjects(person));
    }
    assert!(world.town.jumio.executions().is_empty());
    let objects = &people[0];
    let link = world.link(objects).await;
    let led = objects.applicant.press(&world.town, &link).await.unwrap();
    assert!(matches!(&led, Led::Page(StatusCode::OK, text) if text.contains("objection")), "{led:?}");
    world.until_mail("partner-desk@example.com", "Contested").await;
    world.pass(TimeDelta::days(15));
    for person in &people[1..] {
        let sheet = until(&world, person, "closed").await;
        assert_eq!((&sheet["result"], world.standing(person).0), (&json!("no_sponsor"), "deleted"));
    }
    let sheet = until(&world, objects, "in_grace").await;
    assert_eq!(world.standing(objects).0, "unapproved", "the clock stands");
    assert_eq!(world.decides_as(SECOND, &sheet, "undo").await.0, StatusCode::OK);
    let sheet = until(&world, objects, "closed").await;
    assert_eq!((&sheet["result"], world.applied("user.delete", objects)), (&json!("undone"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticketing_outage_does_not_prevent_the_review() {
    let mut world = with_profile().await;
    world.town.office.turn(|knobs| knobs.ticket_status = Some(503));
    let pia = registers(&world, "Pia", SPONSOR);
    world.goes_through(&pia, passes()).await;
    world
        .until("a failed attempt", async |world| {
            let sheet = world.case_about(POLICY, &format!("registration/{}", pia.id())).await?;
            world.words(&sheet).await.contains(&"attempt_failed".to_owned()).then_some(())
        })
        .await;
    world.pass(TimeDelta::hours(1));
    let sheet = until(&world, &pia, "in_review").await;
    assert!(world.town.office.notes("ticket").is_empty());
    assert_eq!(world.decides_as(DESK, &sheet, "declined").await.0, StatusCode::OK);
    until(&world, &pia, "in_grace").await;
    assert_eq!(world.standing(&pia), ("unapproved", 0));
}
