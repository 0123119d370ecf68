//! Resources: formats, pages, refusals.

use proofd::simulate::onelogin::Form;
use serde_json::{Value, json};

use super::tenant::Tenant;

/// Method, path, body; status and answer.
type Refused = (&'static str, String, Value, u16, Value);

async fn check_refused(tenant: &Tenant, rows: Vec<Refused>) {
    for (method, path, body, code, expected) in rows {
        let got = tenant.call(method, &path, body).await;
        assert_eq!((got.code, got.body), (code, expected), "{method} {path}");
        assert!(got.headers.contains_key("x-request-id"));
    }
    let records = tenant.applied();
    assert!(records.iter().all(|(_, applied)| !applied), "refused requests apply nothing: {records:?}");
}

fn v1(message: Value) -> Value {
    json!({"status": {"error": true, "code": 400, "type": "bad request", "message": message}})
}

fn v2(message: &str, name: &str, code: u16) -> Value {
    json!({"message": message, "name": name, "statusCode": code})
}

fn row(method: &'static str, path: impl Into<String>, body: Value, code: u16, expected: Value) -> Refused {
    (method, path.into(), body, code, expected)
}

#[tokio::test]
async fn refusals_of_v1_are_envelopes() {
    let tenant = Tenant::start().await;
    let id = tenant.simulator.seed_users(1)[0];
    let state = format!("/api/1/users/{id}/set_state");
    let attribute = |text: &str, name: &str| v1(json!({"description": text, "attribute": name}));
    let mistyped = "state has incorrect data type. It should be -> integer";
    let excluded = "status is an excluded attribute for put request for user";
    let upper = format!("USER{id}@example.com");
    let rows = vec![
        row("PUT", &state, json!({"state": 1}), 400, v1(json!("user is already in this state"))),
        row("PUT", &state, json!({"state": 9}), 400, v1(json!("state is invalid"))),
        row("PUT", &state, json!({"state": "1"}), 400, attribute(mistyped, "state")),
        row("PUT", "/api/1/users/x/logout", json!({}), 400, attribute("ID is incorrect", "id")),
        row("PUT", format!("/api/1/users/{id}"), json!({"status": 1}), 400, attribute(excluded, "status")),
        row(
            "POST",
            "/api/1/invites/send_invite_link",
            json!({"email": upper}),
            400,
            v1(json!("No User exists for input email")),
        ),
    ];
    check_refused(&tenant, rows).await;
    assert!(tenant.applied().contains(&("user.approve".into(), false)), "the refused approval is on record");
}

#[tokio::test]
async fn refusals_of_v2_have_the_shape_of_the_resource() {
    let tenant = Tenant::start().await;
    let id = tenant.simulator.seed_users(1)[0];
    let missing = v2("The resource with the given id could not be found", "NotFoundError", 404);
    let no_role = json!({"status": 404, "error": "NotFoundError", "description": "Resource not found"});
    let mapping = json!({"code": 422, "message": "Validation Failed",
                         "errors": [{"field": "id", "message": ["Field is not allowed"]}]});
    let taken = json!({"message": "Validation failed: Username must be unique",
                       "name": "UnprocessableEntityFieldError", "statusCode": 422, "field": "username"});
    let color = v2("query parameter(s) not allowed: color", "BadRequestError", 400);
    let sort = json!({"message": "Invalid sort field: created_at",
                      "name": "UnprocessableEntityFieldError", "statusCode": 422, "field": "sort"});
    let array = v2("Expected array in request", "BadRequestError", 400);
    let rows = vec![
        row("GET", "/api/2/users/1", Value::Null, 404, missing),
        row("GET", "/api/2/users?color=red", Value::Null, 400, color),
        row("GET", "/api/2/users?sort=-created_at", Value::Null, 422, sort),
        row("GET", "/api/2/roles/1", Value::Null, 404, no_role),
        row("DELETE", "/api/2/roles/1001/users", json!({"users": [1]}), 400, array),
        row("POST", "/api/2/mappings", json!({"id": 1}), 422, mapping),
        row("POST", "/api/2/users", json!({"username": format!("user{id}")}), 422, taken),
    ];
    check_refused(&tenant, rows).await;
}

#[tokio::test]
async fn users_are_listed_in_pages_of_22_columns() {
    let tenant = Tenant::start().await;
    let ids = tenant.simulator.seed_users(120);
    let first = tenant.get("/api/2/users?limit=100").await;
    assert_eq!(first.body.as_array().unwrap().len(), 100);
    assert_eq!(first.body[0].as_object().unwrap().len(), 22);
    assert_eq!(first.headers["total-count"], "120");
    assert!(first.headers["link"].to_str().unwrap().contains("/api/v5/"), "a link that nobody should follow");
    let cursor = first.headers["after-cursor"].to_str().unwrap();
    let rest = tenant.get(&format!("/api/2/users?cursor={cursor}")).await;
    assert_eq!(rest.body.as_array().unwrap().len(), 20);
    assert_eq!(rest.body[19]["id"], ids[119]);
    assert!(!rest.headers.contains_key("after-cursor"));

    let some =
        tenant.get(&format!("/api/2/users?user_ids={}&fields=id,role_ids,custom_attributes", ids[0])).await;
    assert_eq!(some.body[0].as_object().unwrap().len(), 3);
    for (filter, count) in [
        ("email=user500*", 9),
        ("updated_since=2026-01-01T10:00:01Z", 0),
        ("created_until=2026-01-02", 50),
        ("custom_attributes.idv_status=passed", 0),
        ("role_ids=1002&limit=100", 60),
    ] {
        let got = tenant.get(&format!("/api/2/users?{filter}")).await;
        assert_eq!((got.code, got.body.as_array().unwrap().len()), (200, count), "{filter}");
    }
    assert_eq!(tenant.get("/api/2/users?custom_attributes.shoe=44").await.code, 400);
}

#[tokio::test]
async fn profiles_are_wrapped_and_the_form_enforces_their_rules() {
    let tenant = Tenant::start().await;
    let path = "/api/2/self_registration_profiles";
    let list = tenant.get(path).await.body;
    assert!(list["self_registration_profiles"][0].get("helptext").is_none(), "the list leaves it out");
    let profile = json!({
        "url": "open", "name": "Open", "enabled": true, "moderated": false, "default_role_id": 1002,
        "domain_list_strategy": 1, "domain_whitelist": "example.com, example.org"
    });
    assert_eq!(tenant.call("POST", path, profile.clone()).await.code, 400, "not wrapped");
    let made = tenant.call("POST", path, json!({"self_registration_profile": profile})).await;
    assert_eq!((made.code, &made.body["self_registration_profile"]["id"]), (201, &json!(9)));
    let sign_up = |email: &str| {
        let form = Form { email: email.into(), profile: Some("open".into()), ..Form::default() };
        tenant.simulator.register(form)
    };
    assert!(sign_up("a@example.net").is_err(), "not on the list");
    let registered = sign_up("a@example.org").unwrap();
    tenant.simulator.verify_email(registered.registration_id).unwrap();
    let user = registered.user_id.unwrap();
    assert_eq!(tenant.user(user, "state"), 1, "nobody reviews this form");
    tenant.simulator.activate(user).unwrap();
    assert_eq!(tenant.user(user, "role_ids"), json!([1002]));
    assert!(tenant.simulator.verify_email(registered.registration_id).is_err(), "once");
    assert_eq!(tenant.call("DELETE", "/api/2/self_registration_profiles/9", Value::Null).await.code, 204);
    assert_eq!(tenant.get("/api/2/self_registration_profiles/9").await.code, 404);
}

#[tokio::test]
async fn mappings_run_when_users_are_created() {
    let tenant = Tenant::start().await;
    let mapping = json!({
        "name": "staff", "match": "all", "enabled": true, "position": 1,
        "conditions": [{"source": "email", "operator": "ew", "value": "@example.com"}],
        "actions": [{"action": "add_role", "value": ["1002"]}]
    });
    assert_eq!(tenant.call("POST", "/api/2/mappings", mapping).await.body, json!({"id": 301}));
    let body = |name: &str, mail: &str| json!({"username": name, "email": mail, "password": "x"});
    let inside = tenant.call("POST", "/api/2/users", body("a", "a@example.com")).await.body;
    let outside = tenant.call("POST", "/api/2/users", body("b", "b@example.org")).await.body;
    assert_eq!(tenant.user(inside["id"].as_i64().unwrap(), "role_ids"), json!([1002]));
    assert_eq!(tenant.user(outside["id"].as_i64().unwrap(), "role_ids"), json!([]));
    assert_eq!(tenant.get("/api/2/mappings?enabled=false").await.body, json!([]));
}

#[tokio::test]
async fn attributes_must_be_defined_before_use() {
    let tenant = Tenant::start().await;
    let id = tenant.simulator.seed_users(1)[0];
    let set = |values: Value| tenant.call("PUT", "/api/2/users/5001", json!({"custom_attributes": values}));
    set(json!({"idv_status": "passed", "shoe": "44"})).await;
    set(json!({"idv_verified_at": "now"})).await;
    assert_eq!(
        tenant.user(id, "custom_attributes"),
        json!({"idv_status": "passed", "idv_verified_at": "now"}),
        "merged, and the undefined one is lost without a word"
    );
    let path = "/api/2/users/custom_attributes";
    for (body, code) in [
        (json!({"name": "Shoe", "shortname": "shoe"}), 400),
        (json!({"user_field": {"name": "Shoe", "shortname": "shoe-size"}}), 400),
        (json!({"user_field": {"name": "Shoe", "shortname": "shoe"}}), 201),
        (json!({"user_field": {"name": "Shoe", "shortname": "shoe"}}), 400),
    ] {
        assert_eq!(tenant.call("POST", path, body.clone()).await.code, code, "{body}");
    }
    assert_eq!(tenant.get("/api/2/users?custom_attributes.shoe=44").await.code, 200);
}
