//! One daemon with two identity providers and two verification providers: each policy takes the people of its source, and
//! they prove it at the vendor of its verification. Somebody who registers at both has a case for each.

use std::path::Path;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Scene, ours, staff};
use crate::admin::PENDING;
use crate::person::Person;
use crate::server::keycloak;
use crate::world::openid::{Browser, SECRET, Vendor};
use crate::world::people::passes;
use crate::world::{World, edit, edit_shipped};

const FILE: &str = "registration-proofing/policy.yaml";
const VERIFICATION: &str = "verifications:
  eid-proof:
    provider: eid
    workflow: openid
    method: full
    require: [given_name, family_name]
";

/// The shipped policy for the people of OneLogin, and a copy for those of the realm, who go to the OpenID vendor.
fn policies(world: &World) {
    let shipped = world.policies().join(FILE);
    edit_shipped(&shipped, "subject: registration\n", "subject: registration\nsource: onelogin\n");
    let text = std::fs::read_to_string(&shipped).unwrap();
    let text = text
        .replace("policy: registration-proofing", "policy: employees")
        .replace("source: onelogin", "source: staff")
        .replace("workflow: id-and-selfie", "workflow: eid-proof");
    let copy = world.policies().join("employees/policy.yaml");
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    std::fs::write(copy, text).unwrap();
    edit(&world.policies().join("verifications.yaml"), "verifications:\n", VERIFICATION);
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_use_the_providers_of_their_source() {
    let Some(keycloak) = keycloak().await else { return };
    let mut world = World::new(1, Path::new("policies"), "").await;
    let Some(vendor) = Vendor::start(&[&format!("{}/return/eid", world.url)], &json!({})) else { return };
    let realm =
        keycloak.realm_with_mail("journey-both", &world.town.mailbox, world.town.mailbox_served.smtp).await;
    let eid = json!({
        "issuer": vendor.issuer,
        "client_id": "proofd",
        "client_secret": SECRET,
        "dialect": "okta",
        "accept": {"trust_framework": ["IDV-DELEGATED"], "assurance_level": ["VERIFIED"]},
    });
    let more = format!("{}  openid_verification:\n    eid: {eid}\n  jumio:\n", staff(&realm));
    world.edit_config("  jumio:\n", &more);
    policies(&world);
    world.start();

    // At OneLogin, with Jumio.
    let ada = world.registers("Ada");
    world.goes_through(&ada, passes()).await;
    world.until_closed(&ada, "approved").await;
    assert_eq!(vendor.seen().await["par"], json!(0), "nobody was sent to the other vendor");

    // The same mailbox, in the realm, with the OpenID vendor.
    let seen = ada.applicant.mails(&world.town);
    let mut same = Person::new(&realm, "Ada");
    same.email.clone_from(&ada.applicant.email);
    same.registers().await;
    let id = realm.id(&same.name).await;
    let link = same.link_after(seen, "/v/").await;
    vendor
        .play(json!({"play": "pass", "person": {"given_name": "Ada", "family_name": same.last_name}}))
        .await;
    let mut browser = Browser::default();
    let to = world.presses_to(&mut browser, &link, &vendor).await;
    let back = browser.goes(&to, &world.url).await.expect("the vendor sends the browser back");
    let response = browser.send(Method::GET, &back).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert!(link.ends_with(response.headers()[LOCATION].to_str().unwrap()));
    let scene = Scene { world, realm };
    scene.ends("employees", &format!("staff/registration/{id}"), "approved").await;

    // Two subjects, each approved where it is, by its own policy.
    assert_eq!(scene.world.standing(&ada).0, "approved");
    assert!(!scene.realm.groups_of(&id).await.contains(&PENDING.to_owned()));
    let done = ours(&scene.realm, &id).await;
    assert!(done.contains(&"DELETE GROUP_MEMBERSHIP".to_owned()), "{done:?}");
    let cases = scene.world.cases().await;
    let mut found: Vec<(&str, String)> =
        cases.iter().map(|case| (text(&case["policy"]), about(case))).collect();
    found.sort();
    let expected = [("employees", "staff/registration"), ("registration-proofing", "onelogin/registration")];
    assert_eq!(found, expected.map(|(policy, of)| (policy, of.to_owned())), "{cases:#?}");
    // Each case shows the other record of the mailbox.
    for case in &cases {
        let sheet = scene.world.get(&format!("/v1/cases/{}", text(&case["id"]))).await;
        let others: Vec<&Value> = cases.iter().filter(|other| other["id"] != case["id"]).collect();
        assert_eq!(sheet["same_mailbox"].as_array().unwrap().len(), others.len(), "{sheet}");
        for (shown, other) in sheet["same_mailbox"].as_array().unwrap().iter().zip(others) {
            for part in ["source", "type", "id"] {
                assert_eq!(shown[part], other["subject"][part]);
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The source and kind of a case's subject.
fn about(case: &Value) -> String {
    let subject = &case["subject"];
    format!("{}/{}", text(&subject["source"]), text(&subject["type"]))
}
