//! A privileged role takes effect only after a proof.

use serde_json::{Value, json};

use super::{Scene, ours};
use crate::readback;
use crate::world::people::passes;

const POLICY: &str = "privileged-role";
const ROLE: &str = "Payments admin";
/// A role for which nobody is asked.
const OTHER: &str = "partner";
const TAKEN: &str = "DELETE REALM_ROLE_MAPPING";
const GIVEN: &str = "CREATE REALM_ROLE_MAPPING";

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_withheld_until_proof_and_not_restored_after_a_revocation() {
    let Some(mut scene) = Scene::set("journey-roles", &[]).await else { return };
    scene.world.start();
    let realm = &scene.realm;
    let (ada, ada_id) = scene.employs("Ada").await;
    let (bob, bob_id) = scene.employs("Bob").await;
    let role = ROLE.to_owned();

    // Granted, withheld, proven, given back.
    realm.grants(&ada_id, OTHER).await;
    realm.grants(&ada_id, ROLE).await;
    let link = ada.link_after(0, "/v/").await;
    let roles = realm.roles_of(&ada_id).await;
    assert!(!roles.contains(&role), "taken away before the mail went out: {roles:?}");
    assert!(roles.contains(&OTHER.to_owned()), "{roles:?}");
    scene.proves_by(&ada, &link, passes()).await;
    scene.ends(POLICY, &format!("user/{ada_id}"), "granted").await;
    assert!(realm.roles_of(&ada_id).await.contains(&role));
    let proven = realm.user(&ada.name).await.unwrap();
    assert!(proven["attributes"]["verified_at"][0].is_string(), "{proven}");
    assert_eq!((&proven["email"], &proven["firstName"]), (&(&*ada.email).into(), &(&*ada.first_name).into()));

    // Revoked by an administrator meanwhile: a proof does not give it back.
    realm.grants(&bob_id, ROLE).await;
    let link = bob.link_after(0, "/v/").await;
    assert!(!realm.roles_of(&bob_id).await.contains(&role));
    realm.grants(&bob_id, ROLE).await;
    realm.revokes(&bob_id, ROLE).await;
    scene.ends(POLICY, &format!("user/{bob_id}"), "cancelled").await;
    drop(link);
    assert!(!realm.roles_of(&bob_id).await.contains(&role));

    // What another client of Keycloak reads.
    if let Some(read) = readback::read(realm, &[&ada.name, &bob.name]).await {
        let has = |person: &Value, role: &str| person["roles"].as_array().unwrap().contains(&role.into());
        let (ada, bob) = (&read[&ada.name], &read[&bob.name]);
        assert_eq!((has(ada, ROLE), has(ada, OTHER), has(bob, ROLE)), (true, true, false), "{read:#}");
        assert_eq!(ada["attributes"], json!(["verified_at"]), "{read:#}");
    }

    // Each change was made once, and none of them opened a case.
    let count = |done: &[String], what: &str| done.iter().filter(|one| *one == what).count();
    let done = ours(realm, &ada_id).await;
    assert_eq!((count(&done, TAKEN), count(&done, GIVEN)), (1, 1), "{done:?}");
    let done = ours(realm, &bob_id).await;
    assert_eq!(count(&done, GIVEN), 0, "{done:?}");
    let cases = scene.world.cases().await;
    assert_eq!(cases.len(), 2, "{cases:#?}");
    assert!(scene.world.get("/v1/holds").await["items"].as_array().unwrap().is_empty());
}
