//! Table rows of account tests: the effects, other people's changes, the answers, and the final state.

use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::onelogin::{Edit, Knobs, Login, Simulator};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    Suspend,
    ShutOut,
    Reinstate(Option<&'static str>),
    EndSessions,
    RemoveFactors,
    Assign(&'static str),
    Remove(&'static str),
    Set(&'static str, &'static str),
    /// No effect; time passes.
    Seconds(i64),
}
use Step::{Assign, EndSessions, Reinstate, Remove, RemoveFactors, Seconds, Set, ShutOut, Suspend};

pub struct Row {
    pub name: &'static str,
    pub turn: fn(&mut Knobs),
    /// Changes by other people after the case began.
    pub meanwhile: fn(&Simulator, i64),
    /// Effects; one that equals the effect before it is a further attempt.
    pub steps: &'static [(Step, &'static str)],
    /// The tenant's final state.
    pub holds: Value,
}

fn row(
    name: &'static str,
    turn: fn(&mut Knobs),
    meanwhile: fn(&Simulator, i64),
    steps: &'static [(Step, &'static str)],
    holds: Value,
) -> Row {
    Row { name, turn, meanwhile, steps, holds }
}

const HEALTHY: fn(&mut Knobs) = |_| {};
const NOBODY: fn(&Simulator, i64) = |_, _| {};

/// Loses the next request of a kind: its answer after it took effect, or the request itself.
pub fn lose(knobs: &mut Knobs, method: &str, path: &str, after_effect: bool) {
    let what = if after_effect { Mishap::Closed } else { Mishap::Status(503) };
    knobs.faults.push(Fault {
        method: Some(method.into()),
        path: path.into(),
        count: Some(1),
        after_effect,
        ..Fault::of(what)
    });
}

pub fn shutting() -> Vec<Row> {
    vec![
        row(
            "suspend",
            HEALTHY,
            |tenant, user| assert!(tenant.login(user, Login::default())),
            &[(Suspend, "applied from active"), (Suspend, "already")],
            json!({"status": 2, "logouts": 0, "sessions": 1}),
        ),
        row(
            "suspend and end sessions",
            HEALTHY,
            |tenant, user| assert!(tenant.login(user, Login::default())),
            &[(ShutOut, "applied from active"), (ShutOut, "already")],
            json!({"status": 2, "logouts": 2, "sessions": 0}),
        ),
        row(
            "sessions of who was suspended by a person",
            HEALTHY,
            |tenant, user| tenant.suspend(user).unwrap(),
            &[(ShutOut, "already from suspended")],
            json!({"status": 2, "logouts": 1}),
        ),
        row(
            "a suspension that was taken and lost",
            |knobs| knobs.status_changes_lost = 1,
            NOBODY,
            &[(ShutOut, "Unavailable"), (ShutOut, "applied from active")],
            json!({"status": 2, "logouts": 1}),
        ),
        row(
            "the answer to a suspension is lost",
            |knobs| lose(knobs, "PUT", "/api/2/users", true),
            NOBODY,
            &[(ShutOut, "Unavailable"), (ShutOut, "already")],
            json!({"status": 2, "logouts": 1}),
        ),
        row(
            "a suspension does not arrive",
            |knobs| lose(knobs, "PUT", "/api/2/users", false),
            NOBODY,
            &[(Suspend, "Unavailable"), (Suspend, "applied from active")],
            json!({"status": 2}),
        ),
        row(
            "suspended, and the logout fails",
            |knobs| lose(knobs, "PUT", "/api/1/users", false),
            NOBODY,
            &[(ShutOut, "Unavailable"), (ShutOut, "already")],
            json!({"status": 2, "logouts": 1}),
        ),
    ]
}

pub fn opening() -> Vec<Row> {
    vec![
        row(
            "another address saves nobody",
            HEALTHY,
            |tenant, user| tenant.change_email(user, "eve@example.com").unwrap(),
            &[(ShutOut, "applied from active"), (Reinstate(None), "applied from suspended")],
            json!({"status": 1}),
        ),
        row(
            "back to what it was",
            HEALTHY,
            NOBODY,
            &[
                (Suspend, "applied from active"),
                (Reinstate(Some("password_expired")), "applied from suspended"),
                (Reinstate(Some("password_expired")), "already from password_expired"),
                (Suspend, "applied from password_expired"),
                (Reinstate(Some("something new")), "applied from suspended"),
            ],
            json!({"status": 1}),
        ),
        row(
            "opened by a person",
            HEALTHY,
            |tenant, user| {
                tenant.suspend(user).unwrap();
                tenant.reactivate(user).unwrap();
            },
            &[(Reinstate(None), "already from active")],
            json!({"status": 1}),
        ),
        row(
            "an opening that was taken and lost",
            HEALTHY,
            |tenant, user| {
                tenant.suspend(user).unwrap();
                tenant.turn(|knobs| knobs.status_changes_lost = 1);
            },
            &[(Reinstate(None), "Unavailable"), (Reinstate(None), "applied from suspended")],
            json!({"status": 1}),
        ),
        row(
            "factors",
            HEALTHY,
            |tenant, user| {
                tenant.register_device(user, "OneLogin Protect");
                tenant.register_device(user, "WebAuthn");
            },
            &[(RemoveFactors, "applied"), (RemoveFactors, "already")],
            json!({"status": 1, "devices": 0}),
        ),
        row(
            "factors, and the answer to the first is lost",
            |knobs| lose(knobs, "DELETE", "/api/2/mfa", true),
            |tenant, user| {
                tenant.register_device(user, "OneLogin Protect");
                tenant.register_device(user, "WebAuthn");
            },
            &[(RemoveFactors, "Unavailable"), (RemoveFactors, "applied"), (RemoveFactors, "already")],
            json!({"devices": 0}),
        ),
        row(
            "sessions only",
            HEALTHY,
            |tenant, user| assert!(tenant.login(user, Login::default())),
            &[(EndSessions, "applied"), (EndSessions, "applied")],
            json!({"status": 1, "logouts": 2, "sessions": 0}),
        ),
    ]
}

pub fn roles() -> Vec<Row> {
    vec![
        row(
            "give and take",
            HEALTHY,
            NOBODY,
            &[
                (Assign("Staff"), "applied"),
                (Assign("Staff"), "already"),
                (Remove("Staff"), "applied"),
                (Remove("Staff"), "already"),
            ],
            json!({"role_ids": []}),
        ),
        row(
            "a role that is not there",
            HEALTHY,
            NOBODY,
            &[(Assign("Stuff"), "Refused"), (Remove("Stuff"), "Refused")],
            json!({"role_ids": []}),
        ),
        row(
            "a name that two roles have",
            HEALTHY,
            |tenant, _| assert!(tenant.add_role("Staff") > 1002),
            &[(Assign("Staff"), "Refused")],
            json!({"role_ids": []}),
        ),
        row(
            "another address",
            HEALTHY,
            |tenant, user| tenant.change_email(user, "eve@example.com").unwrap(),
            &[(Assign("Staff"), "applied"), (Remove("Staff"), "applied")],
            json!({"role_ids": []}),
        ),
    ]
}

pub fn roles_that_do_not_show() -> Vec<Row> {
    vec![
        row(
            "a grant that was answered and lost",
            |knobs| knobs.role_grants_lost = 1,
            NOBODY,
            &[(Assign("Staff"), "Unavailable"), (Seconds(15), ""), (Assign("Staff"), "applied")],
            json!({"role_ids": [1002]}),
        ),
        row(
            "grants that are always lost",
            |knobs| knobs.role_grants_never = true,
            NOBODY,
            &[(Assign("Staff"), "Unavailable"), (Assign("Staff"), "Unavailable")],
            json!({"role_ids": []}),
        ),
        row(
            "a grant that shows while one looks",
            |knobs| knobs.role_grant_delay_s = 2,
            NOBODY,
            &[(Assign("Staff"), "applied")],
            json!({"role_ids": [1002]}),
        ),
        row(
            "a grant that shows later",
            |knobs| knobs.role_grant_delay_s = 60,
            NOBODY,
            &[(Assign("Staff"), "Unavailable"), (Seconds(60), ""), (Assign("Staff"), "already")],
            json!({"role_ids": [1002]}),
        ),
        row(
            "a grant that is taken back before it shows",
            |knobs| knobs.role_grant_delay_s = 60,
            NOBODY,
            &[(Assign("Staff"), "Unavailable"), (Remove("Staff"), "already"), (Seconds(120), "")],
            json!({"role_ids": []}),
        ),
        row(
            "a removal that was answered and lost",
            |knobs| knobs.role_removals_lost = 1,
            |tenant, user| tenant.grant(user, 1002),
            &[(Remove("Staff"), "Unavailable"), (Remove("Staff"), "applied")],
            json!({"role_ids": []}),
        ),
        row(
            "the answer to a grant is lost",
            |knobs| lose(knobs, "POST", "/api/2/roles", true),
            NOBODY,
            &[(Assign("Staff"), "Unavailable"), (Assign("Staff"), "already")],
            json!({"role_ids": [1002]}),
        ),
        row(
            "who is suspended keeps roles, who is rejected cannot",
            HEALTHY,
            |tenant, user| tenant.suspend(user).unwrap(),
            &[(Assign("Staff"), "applied"), (Suspend, "already from suspended")],
            json!({"role_ids": [1002]}),
        ),
        row(
            "a rejected account",
            HEALTHY,
            |tenant, user| tenant.reject(user).unwrap(),
            &[(Assign("Staff"), "Unavailable"), (Remove("Staff"), "already")],
            json!({"role_ids": []}),
        ),
    ]
}

pub fn attributes() -> Vec<Row> {
    let custom = |status: Value, verified: Value| json!({"custom_attributes": {"idv_status": status, "idv_verified_at": verified}});
    vec![
        row(
            "by a name of ours, and by the short name",
            HEALTHY,
            |tenant, user| {
                let custom_attributes = [("idv_status".into(), "old".into())].into();
                tenant.edit(user, &Edit { custom_attributes, ..Edit::default() }).unwrap();
            },
            &[
                (Set("verified_at", "\"2026-01-02T00:00:00Z\""), "applied"),
                (Set("verified_at", "\"2026-01-02T00:00:00Z\""), "already"),
                (Set("attributes.verified_at", "\"2026-01-02T00:00:00Z\""), "already"),
                (Set("attributes.idv_verified_at", "\"2026-01-03T00:00:00Z\""), "applied"),
            ],
            custom(json!("old"), json!("2026-01-03T00:00:00Z")),
        ),
        row(
            "numbers, flags, nothing",
            HEALTHY,
            NOBODY,
            &[
                (Set("attributes.idv_status", "17"), "applied"),
                (Set("attributes.idv_status", "\"17\""), "already"),
                (Set("verified_at", "true"), "applied"),
                (Set("attributes.idv_status", "null"), "applied"),
                (Set("attributes.idv_status", "\"\""), "already"),
            ],
            custom(Value::Null, json!("true")),
        ),
        row(
            "plain fields",
            HEALTHY,
            NOBODY,
            &[(Set("title", "\"Chief\""), "applied"), (Set("department", "null"), "already")],
            json!({"title": "Chief", "department": null}),
        ),
        row(
            "what cannot be set",
            HEALTHY,
            NOBODY,
            &[
                (Set("exempt_until", "\"2026-01-02\""), "Refused"),
                (Set("attributes.shoe_size", "44"), "Refused"),
                (Set("email", "\"eve@example.com\""), "Refused"),
                (Set("title", "[1]"), "Refused"),
            ],
            json!({"title": null}),
        ),
        row(
            "a change that was taken and lost",
            |knobs| knobs.attribute_changes_lost = 1,
            |tenant, user| tenant.change_email(user, "eve@example.com").unwrap(),
            &[(Set("title", "\"Chief\""), "Unavailable"), (Set("title", "\"Chief\""), "applied")],
            json!({"title": "Chief", "email": "eve@example.com"}),
        ),
        row(
            "the answer to a change is lost",
            |knobs| lose(knobs, "PUT", "/api/2/users", true),
            NOBODY,
            &[(Set("title", "\"Chief\""), "Unavailable"), (Set("title", "\"Chief\""), "already")],
            json!({"title": "Chief"}),
        ),
    ]
}
