//! An account is suspended with its sessions, and reinstated without them.

use proofd::simulate::jumio::Script;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Scene, ours};
use crate::person::Person;
use crate::readback;
use crate::world::staff::DESK;

const POLICY: &str = "quarterly-reverification";

/// An operator asks somebody for a proof.
async fn asks(scene: &Scene, id: &str) {
    let subject = json!({"type": "user", "id": id});
    let start = json!({"policy": POLICY, "subject": subject, "reason": "a test"});
    let (status, answer) = scene.world.post("/v1/cases", start).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

/// Somebody whose proof shows another face: suspended, and the desk looks at it.
async fn suspended(scene: &Scene, first_name: &str) -> (Person, String, Value, Value) {
    let (person, id) = scene.employs(first_name).await;
    let (status, tokens) = person.tokens().await;
    assert!(status.is_success(), "{tokens}");
    assert!(person.refreshes(&tokens).await);
    asks(scene, &id).await;
    scene.proves(&person, 0, Script::another_person()).await;
    let sheet = scene.world.until_about(POLICY, &format!("user/{id}"), "in_review").await;
    let user = scene.realm.user(&person.name).await.unwrap();
    assert_eq!(user["enabled"], false, "{user}");
    if let Some(read) = readback::read(&scene.realm, &[&person.name]).await {
        let read = &read[&person.name];
        assert_eq!((&read["enabled"], &read["sessions"]), (&json!(false), &json!(0)), "{read:#}");
    }
    (person, id, sheet, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_suspended_with_its_sessions_and_reinstated() {
    let Some(mut scene) = Scene::set("journey-accounts", &[]).await else { return };
    scene.world.start();
    let realm = &scene.realm;
    let (mut ada, id, sheet, tokens) = suspended(&scene, "Ada").await;
    assert_eq!(realm.sessions(&id).await, 0);
    assert!(!ada.refreshes(&tokens).await);
    assert!(!ada.has_session().await);
    assert!(!ada.elsewhere().signs_in().await);

    // An administrator opens somebody else's account behind our back; the desk's decision finds it open.
    let (mut bob, bob_id, bobs, _) = suspended(&scene, "Bob").await;
    realm.changes(&bob_id, json!({"enabled": true})).await;
    assert!(bob.signs_in().await, "{}", bob.browser.text());

    for case in [&sheet, &bobs] {
        let (status, answer) = scene.world.decides_as(DESK, case, "accept").await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    for id in [&id, &bob_id] {
        scene.ends(POLICY, &format!("user/{id}"), "reinstated").await;
        let done = ours(realm, id).await;
        assert!(done.contains(&"UPDATE USER".to_owned()), "{done:?}");
    }
    // Open again, for who signs in anew: what was open before stays ended.
    assert!(!ada.refreshes(&tokens).await);
    assert!(!ada.has_session().await);
    assert!(ada.signs_in().await, "{}", ada.browser.text());
    assert!(bob.has_session().await, "nobody ended the session that the administrator allowed");
    for person in [&ada, &bob] {
        let user = realm.user(&person.name).await.unwrap();
        assert_eq!(user["enabled"], true, "{user}");
        assert_eq!(user["email"], person.email.as_str(), "nothing else was changed: {user}");
    }
    assert!(scene.world.get("/v1/holds").await["items"].as_array().unwrap().is_empty());
}
