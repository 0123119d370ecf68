//! A registration from Keycloak's form to the first sign-in, and the other ways in which one ends.

use serde_json::{Value, json};

use super::{Scene, grace, ours};
use crate::admin::PENDING;
use crate::chromium::Chromium;
use crate::gate::REFUSED;
use crate::person::Person;
use crate::portal::Portal;
use crate::readback;
use crate::world::people::{forges, passes};

const POLICY: &str = "registration-proofing";
const FILE: &str = "registration-proofing/policy.yaml";
/// What an approval is at Keycloak: out of the group, refusals forgotten, invited.
const APPROVED: [&str; 3] = ["DELETE GROUP_MEMBERSHIP", "DELETE USER_LOGIN_FAILURE", "ACTION USER"];

fn subject(id: &str) -> String {
    format!("registration/{id}")
}

/// A real browser, from the form to the application. The simulated vendor's document is of Alex Example.
#[tokio::test(flavor = "multi_thread")]
async fn a_verified_registration_can_sign_in() {
    let Some(mut scene) = Scene::set("journey-browser", &[]).await else { return };
    let Some(mut chromium) = Chromium::open() else { return };
    let portal = Portal::open(&scene.realm).await;
    scene.world.start();
    let realm = scene.realm.clone();
    let mut alex = Person::new(&realm, "Alex");
    alex.last_name = "Example".to_owned();

    chromium.go(&portal.url);
    chromium.clicks("#signin");
    chromium.sees("#username");
    chromium.clicks("a[href*='registration']");
    chromium.sees("#email");
    let fields = [
        ("username", &alex.name),
        ("email", &alex.email),
        ("firstName", &alex.first_name),
        ("lastName", &alex.last_name),
    ];
    for (field, value) in fields {
        chromium.types(&format!("#{field}"), value);
    }
    chromium.clicks("[type=submit]");
    chromium.reads(REFUSED);
    let id = realm.id(&alex.name).await;

    // A forgotten password confirms nothing and leads nowhere.
    let mut impatient = alex.elsewhere();
    impatient.forgets_password().await;
    impatient.acts_on(&alex.keycloak_link(0).await).await;
    assert!(impatient.browser.text().contains(REFUSED), "{}", impatient.browser.text());

    chromium.go(&alex.link_after(0, "/v/").await);
    chromium.clicks("input[name=agree]");
    chromium.clicks("button[type=submit]");
    chromium.sees("form[action$='/pass'] button");
    assert_eq!(realm.groups_of(&id).await, [PENDING], "a link that was opened proves nothing");
    let seen = alex.mails().len();
    chromium.clicks("form[action$='/pass'] button");
    scene.ends(POLICY, &subject(&id), "approved").await;

    // Keycloak's invitation: confirm the address, set a password.
    chromium.go(&alex.keycloak_link(seen).await);
    chromium.clicks("a[href*='action-token']");
    chromium.types("#password-new", &alex.password);
    chromium.types("#password-confirm", &alex.password);
    chromium.clicks("[type=submit]");
    chromium.reads("Your account has been updated");
    chromium.go(&portal.url);
    chromium.clicks("#signin");
    chromium.types("#username", &alex.name);
    chromium.types("#password", &alex.password);
    chromium.clicks("[type=submit]");
    chromium.reads(&format!("Welcome, {}!", alex.name));
    assert_eq!(chromium.strangers(), Vec::<&String>::new());

    let user = realm.user(&alex.name).await.unwrap();
    assert_eq!((&user["emailVerified"], &user["enabled"]), (&true.into(), &true.into()), "{user}");
    assert!(realm.groups_of(&id).await.is_empty());
    assert_eq!(realm.sessions(&id).await, 1);
    let done = ours(&realm, &id).await;
    assert_eq!(done.iter().filter(|what| *what == APPROVED[0]).count(), 1, "{done:?}");
    assert_eq!(done.iter().filter(|what| *what == APPROVED[2]).count(), 1, "{done:?}");
}

/// The policy for people who never answer, beside the one for everybody else: with seconds for days.
fn silence(scene: &Scene) {
    let policies = scene.world.policies();
    let text = std::fs::read_to_string(policies.join(FILE)).unwrap();
    let quick = grace(&text);
    assert_ne!(text, quick);
    std::fs::remove_file(policies.join("registration-proofing/tests.yaml")).unwrap();
    let main = quick.replace("trusted_domains: [example.com]", "trusted_domains: [example.com, silent.test]");
    std::fs::write(policies.join(FILE), main).unwrap();
    let silence = quick
        .replace("policy: registration-proofing", "policy: silence")
        .replace(
            "registration.email_domain !in settings.trusted_domains",
            "registration.email_domain == \"silent.test\"",
        )
        .replace("answer_within: 14d", "answer_within: 12s")
        .replace("{after: 2d,", "{after: 3s,")
        .replace("{after: 7d,", "{after: 6s,")
        .replace("{after: 12d,", "{after: 9s,");
    std::fs::create_dir(policies.join("silence")).unwrap();
    std::fs::write(policies.join("silence/policy.yaml"), silence).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_are_rejected_expired_and_manually_approved() {
    let Some(mut scene) = Scene::set("journey-ends", &[]).await else { return };
    silence(&scene);
    // Before the daemon runs for the first time: it finds who registered before it.
    let (mut early, early_id) = scene.registers("Early").await;
    scene.world.start();
    let realm = &scene.realm;

    let mut sil = Person::new(realm, "Sil");
    sil.email = sil.email.replace("partner.test", "silent.test");
    sil.registers().await;
    let sil_id = realm.id(&sil.name).await;
    let (mut carla, carla_id) = scene.registers("Carla").await;
    let (hand, hand_id) = scene.registers("Hand").await;

    // Rejected: declined, and deleted after the grace.
    scene.proves(&carla, 0, forges()).await;
    scene.ends(POLICY, &subject(&carla_id), "rejected").await;
    assert_eq!(realm.user(&carla.name).await, None);
    assert!(!carla.signs_in().await && !carla.has_session().await);
    let subjects: Vec<_> = carla.mails().into_iter().map(|mail| mail.subject).collect();
    assert!(subjects.contains(&"Your registration was declined".to_owned()), "{subjects:?}");
    assert_eq!(ours(realm, &carla_id).await.last().map(String::as_str), Some("DELETE USER"));

    // An administrator lets somebody in by hand, who then proves it anyway.
    realm.leaves(&hand_id, PENDING).await;
    scene.proves(&hand, 0, passes()).await;
    scene.ends(POLICY, &subject(&hand_id), "approved").await;
    let done = ours(realm, &hand_id).await;
    assert!(!done.contains(&"DELETE GROUP_MEMBERSHIP".to_owned()), "it was done already: {done:?}");
    assert!(realm.user(&hand.name).await.is_some() && realm.groups_of(&hand_id).await.is_empty());

    // Never answers: reminded, and deleted at the end.
    scene.ends("silence", &subject(&sil_id), "expired").await;
    assert_eq!(realm.user(&sil.name).await, None);
    let subjects: Vec<_> = sil.mails().into_iter().map(|mail| mail.subject).collect();
    let of = |words: &str| subjects.iter().filter(|subject| subject.contains(words)).count();
    assert_eq!((of("Reminder"), of("Please confirm who you are") > 0), (2, true), "{subjects:?}");
    // The name and the address are free again, and the new registration is another person.
    sil.registers().await;
    assert_ne!(realm.id(&sil.name).await, sil_id);

    // Who came first is still where they were, and can prove it and set a password.
    let seen = early.mails().len();
    assert_eq!(realm.groups_of(&early_id).await, [PENDING]);
    scene.proves(&early, 0, passes()).await;
    scene.ends(POLICY, &subject(&early_id), "approved").await;
    let invitation = early.keycloak_link(seen).await;
    early.acts_on(&invitation).await;
    assert!(early.signs_in().await, "{}", early.browser.text());
    let (status, tokens) = early.tokens().await;
    assert!(status.is_success(), "{tokens}");

    // What another client of Keycloak reads.
    if let Some(read) = readback::read(realm, &[&early.name, &hand.name, &carla.name]).await {
        let expected = json!({
            "enabled": true, "email": early.email, "email_verified": true, "attributes": [], "groups": [],
            "roles": ["default-roles-journey-ends", "offline_access", "uma_authorization"], "sessions": 1,
        });
        assert_eq!(read[&early.name], expected, "{read:#}");
        assert_eq!((&read[&hand.name]["groups"], &read[&carla.name]), (&json!([]), &Value::Null), "{read:#}");
    }
}
