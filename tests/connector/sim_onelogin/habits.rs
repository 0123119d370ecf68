//! Registrations and users: the tenant's effects on them, including silent ones.

use chrono::TimeDelta;
use proofd::simulate::onelogin::{Form, Moment};
use serde_json::{Value, json};

use super::tenant::Tenant;

#[tokio::test]
async fn each_approval_endpoint_approves_a_registration() {
    for through in ["update", "set_state", "registrations"] {
        let tenant = Tenant::start().await;
        let (registration, user) = tenant.applicant();
        assert_eq!(tenant.event_types(), [100]);
        let path = "/api/2/self_registration_profiles/8/registrations";
        let listed = tenant.get(path).await;
        assert_eq!(
            (&listed.body[0]["status"], &listed.body[0]["id"]),
            (&json!("not_reviewed"), &json!(registration))
        );
        assert_eq!(tenant.get(&format!("/api/2/users/{user}")).await.body["state"], 0);

        let got = match through {
            "update" => tenant.call("PUT", &format!("/api/2/users/{user}"), json!({"state": 1})).await,
            "set_state" => {
                tenant.call("PUT", &format!("/api/1/users/{user}/set_state"), json!({"state": 1})).await
            }
            _ => tenant.call("PUT", &format!("{path}/{registration}"), json!({"status": "approved"})).await,
        };
        assert_eq!(got.code, 200, "{through}");
        assert_eq!(
            (tenant.user(user, "state"), tenant.user(user, "status")),
            (json!(1), json!(7)),
            "{through}"
        );
        assert_eq!(tenant.user(user, "invitations_sent"), 1, "{through}");
        assert_eq!(tenant.simulator.registration(registration).unwrap()["status"], "approved");
        assert!(tenant.event_types().contains(&101));
        let approvals =
            tenant.applied().into_iter().filter(|(what, _)| what == "user.approve").collect::<Vec<_>>();
        assert_eq!(approvals, [("user.approve".to_owned(), true)], "{through}");
        tenant.simulator.activate(user).unwrap();
        assert_eq!(tenant.user(user, "status"), 1);
    }
}

#[tokio::test]
async fn knobs_set_the_registrations_resource_and_the_time_of_account_creation() {
    let tenant = Tenant::start().await;
    tenant.turn(|knobs| {
        knobs.registrations_resource = false;
        knobs.user_record = Moment::Verification;
        knobs.registration_event = Moment::Submission;
        knobs.registration_event_names_user = false;
        knobs.approval_sends_invitation = false;
        knobs.deletion_frees_email = false;
    });
    let registered = tenant.sign_up("ada@example.com");
    let user = registered.user_id.unwrap();
    let path = "/api/2/self_registration_profiles/8/registrations";
    assert_eq!(tenant.get(path).await.code, 404);
    assert_eq!(tenant.get(&format!("/api/2/users/{user}")).await.code, 404);
    let events = tenant.get("/api/1/events?event_type_id=100,37").await;
    assert_eq!(events.body["data"][0]["user_id"], Value::Null);
    tenant.simulator.verify_email(registered.registration_id).unwrap();
    assert_eq!(tenant.get(&format!("/api/2/users/{user}")).await.body["state"], 0);
    tenant.call("PUT", &format!("/api/2/users/{user}"), json!({"state": 1})).await;
    assert_eq!(tenant.user(user, "invitations_sent"), 0);
    let sent =
        tenant.call("POST", "/api/1/invites/send_invite_link", json!({"email": "ada@example.com"})).await;
    assert_eq!(sent.body["status"]["message"], "Email sent successfully to ada@example.com");
    assert_eq!(tenant.user(user, "invitations_sent"), 1);
    assert_eq!(tenant.call("DELETE", &format!("/api/2/users/{user}"), Value::Null).await.code, 204);
    let again = Form { email: "ada@example.com".into(), ..Form::default() };
    assert!(tenant.simulator.register(again).is_err(), "the address stays taken");
}

#[tokio::test]
async fn the_tenant_changes_accounts_silently() {
    let tenant = Tenant::start().await;
    let (_, user) = tenant.applicant();
    let path = format!("/api/2/users/{user}");
    tenant.turn(|knobs| knobs.licences = Some(0));
    assert_eq!(tenant.call("PUT", &path, json!({"state": 1})).await.body["state"], 1, "it says");
    assert_eq!(tenant.get(&path).await.body["state"], 3, "it is");
    tenant.turn(|knobs| knobs.licences = Some(1));
    tenant.call("PUT", &path, json!({"state": 1})).await;
    assert_eq!(tenant.user(user, "state"), 3, "an update does not leave Unlicensed");
    let lock =
        tenant.call("PUT", &format!("/api/1/users/{user}/lock_user"), json!({"locked_until": 15})).await;
    assert_eq!(lock.code, 400, "only licensed users can be locked");
    tenant.call("PUT", &format!("/api/1/users/{user}/set_state"), json!({"state": 1})).await;
    assert_eq!(tenant.user(user, "state"), 1);

    let grant = || tenant.call("POST", "/api/2/roles/1002/users", json!([user]));
    assert_eq!(grant().await.code, 200);
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "not activated: dropped");
    tenant.simulator.activate(user).unwrap();
    tenant.turn(|knobs| (knobs.role_grants_lost, knobs.role_grant_delay_s) = (1, 10));
    grant().await;
    tenant.clock.advance(TimeDelta::minutes(5));
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "lost");
    grant().await;
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "not yet");
    tenant.clock.advance(TimeDelta::seconds(10));
    assert_eq!(tenant.user(user, "role_ids"), json!([1002]));

    tenant.call("PUT", &path, json!({"status": 3})).await;
    assert_eq!((tenant.user(user, "status"), tenant.user(user, "role_ids")), (json!(3), json!([1002])));
    tenant.clock.advance(TimeDelta::minutes(15));
    assert_eq!(tenant.user(user, "status"), 1, "unlocked by itself");
    tenant.call("PUT", &format!("/api/1/users/{user}/lock_user"), json!({"locked_until": 525_600})).await;
    tenant.clock.advance(TimeDelta::days(364));
    assert_eq!(tenant.user(user, "status"), 3);
    let mut tenant = tenant;
    tenant.login().await;
    tenant.call("PUT", &format!("/api/1/users/{user}/set_state"), json!({"state": 2})).await;
    assert_eq!(tenant.user(user, "role_ids"), json!([]), "a rejected user is in no role");
    let made = tenant.call("POST", "/api/2/users", json!({"username": "b", "email": "b@example.com", "state": 0, "status": 0, "member_of": [""], "created_at": "0001-01-01T00:00:00Z"})).await;
    assert_eq!((made.code, &made.body["state"], &made.body["status"]), (201, &json!(0), &json!(0)));
    let made = made.body["id"].as_i64().unwrap();
    assert_eq!((tenant.user(made, "state"), tenant.user(made, "status")), (json!(1), json!(7)));
}
