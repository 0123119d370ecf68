//! The control interface and the page for people.

use proofd::simulate::onelogin::Knobs;
use serde_json::{Value, json};

use super::tenant::{Tenant, got};

#[tokio::test]
async fn the_control_api_covers_every_action() {
    let tenant = Tenant::start().await;
    let form = json!({"firstname": "Ada", "lastname": "L", "email": "ada@example.com"});
    let made = tenant.call("POST", "/_sim/register", form.clone()).await;
    assert_eq!((made.code, made.body), (201, json!({"registration_id": 701, "user_id": 5001})));
    assert_eq!(tenant.call("POST", "/_sim/register", form).await.code, 422, "the address is taken");
    for (path, body) in [
        ("/_sim/registrations/701/verify", Value::Null),
        ("/_sim/users/5001/approve", Value::Null),
        ("/_sim/users/5001/activate", Value::Null),
        ("/_sim/users/5001/login", json!({"risk_score": 90})),
        ("/_sim/users/5001/grant", json!({"role_id": 1002})),
        ("/_sim/tokens/expire", Value::Null),
    ] {
        let got = if body.is_null() {
            tenant.try_call("POST", path, None).await.unwrap()
        } else {
            tenant.call("POST", path, body).await
        };
        assert_eq!(got.code, 200, "{path}: {}", got.body);
    }
    tenant.call("PUT", "/_sim/users/5001/email", json!({"email": "new@example.com"})).await;
    let user = tenant.get("/_sim/users/5001").await.body;
    assert_eq!(
        (&user["email"], &user["role_ids"], &user["state"]),
        (&json!("new@example.com"), &json!([1002]), &json!(1))
    );
    assert_eq!(tenant.get("/_sim/registrations").await.body[0]["status"], "approved");
    tenant.call("PATCH", "/_sim/knobs", json!({"licences": 3, "webhook": {"drop_every": 1}})).await;
    tenant.call("PATCH", "/_sim/knobs", json!({"webhook": {"url": null}})).await;
    let knobs = tenant.simulator.knobs();
    assert_eq!((knobs.licences, knobs.webhook.drop_every), (Some(3), 1));
    assert_eq!(
        tenant.call("PUT", "/_sim/knobs", json!({"licence": 3})).await.code,
        400,
        "a slip is not ignored"
    );
    tenant.call("PUT", "/_sim/knobs", json!({})).await;
    assert_eq!(tenant.simulator.knobs(), Knobs::default());
    let seeded = tenant.call("POST", "/_sim/seed", json!({"count": 1000})).await;
    assert_eq!(seeded.body, json!({"first": 5002, "last": 6001, "count": 1000}));
    assert_eq!(tenant.get("/_sim/ledger").await.body[0]["what"], "person.register");
    let page = tenant.get("/").await.body;
    assert!(
        page.as_str().unwrap().contains("new@example.com")
            || page.as_str().unwrap().contains("ada@example.com")
    );
}

#[tokio::test]
async fn the_public_form_works_without_javascript() {
    let tenant = Tenant::start().await;
    let fields = tenant
        .call(
            "POST",
            "/api/2/self_registration_profiles/8/self_registration_profile_fields",
            json!({"custom_attribute_id": 789}),
        )
        .await;
    assert_eq!(fields.body["self_registration_profile"]["fields"][0]["custom_attribute_id"], 789);
    let form = tenant.get("/self_registration?name=sign-up").await;
    assert!(form.body.as_str().unwrap().contains("custom_attributes.idv_status"));
    assert_eq!(tenant.get("/self_registration?name=other").await.code, 404);
    let post = || {
        let url = format!("{}/self_registration?name=sign-up", tenant.serving.url);
        let fields = [
            ("firstname", "<b>"),
            ("lastname", "L"),
            ("email", "a@example.com"),
            ("custom_attributes.idv_status", "x"),
        ];
        got(tenant.client.post(url).form(&fields))
    };
    assert_eq!(post().await.unwrap().code, 200);
    assert_eq!(post().await.unwrap().code, 422, "taken");
    assert_eq!(tenant.user(5001, "custom_attributes")["idv_status"], "x");
    let after = got(tenant.client.post(format!("{}/play/verify/701", tenant.serving.url))).await.unwrap();
    assert!(after.body.as_str().unwrap().contains("&lt;b&gt; L"), "back at the overview, escaped");
    assert_eq!(tenant.simulator.registration(701).unwrap()["status"], "not_reviewed");
    tenant.serving.stop().await;
}
