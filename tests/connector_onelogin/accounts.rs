//! Accounts that are shut, opened, given roles and attributes: what is answered, and what the tenant holds.

use chrono::TimeDelta;
use proofd::connectors::Connector as _;
use proofd::model::{Action, Call, CallId, CaseId, Done, Failure, Outcome, Snapshot, SubjectRef};
use proofd::simulate::onelogin::{Edit, Fault, Knobs, Login, Mishap, Scope, Simulator};
use serde_json::{Value, json};

use super::tenant::{Tenant, snapshot};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Suspend,
    ShutOut,
    Reinstate(Option<&'static str>),
    EndSessions,
    Assign(&'static str),
    Remove(&'static str),
    Set(&'static str, &'static str),
    /// Nothing is asked; time passes.
    Seconds(i64),
}
use Step::{Assign, EndSessions, Reinstate, Remove, Seconds, Set, ShutOut, Suspend};

fn action(step: Step, snapshot: Snapshot) -> Action {
    match step {
        Suspend => Action::Suspend { snapshot, end_sessions: false },
        ShutOut => Action::Suspend { snapshot, end_sessions: true },
        Reinstate(to) => Action::Reinstate { snapshot, to: to.map(str::to_owned) },
        EndSessions => Action::EndSessions { snapshot },
        Assign(role) => Action::AssignRole { snapshot, role: role.into() },
        Remove(role) => Action::RemoveRole { snapshot, role: role.into() },
        Set(name, value) => {
            let value: Value = serde_json::from_str(value).unwrap();
            Action::SetAttributes { snapshot, attributes: [(name.to_owned(), value)].into_iter().collect() }
        }
        Seconds(_) => panic!("nothing to do"),
    }
}

async fn perform(tenant: &Tenant, action: Action, attempt: u32) -> Result<Done, Failure> {
    let id = CallId { case: CaseId("c".into()), number: 1 };
    match tenant.onelogin.perform(&Call { id, attempt, in_doubt: attempt > 1, action }).await {
        Outcome::Done(done) => Ok(done),
        Outcome::Failed(failure) => {
            assert!(!failure.reason.contains("example.com"), "{}", failure.reason);
            Err(failure)
        }
    }
}

/// One word for how it ended, and what was before.
fn told(result: &Result<Done, Failure>) -> String {
    match result {
        Err(failure) => format!("{:?}", failure.kind),
        Ok(Done::Applied { already, before }) => {
            let before = before.as_ref().map(|before| format!(" from {before}")).unwrap_or_default();
            format!("{}{before}", if *already { "already" } else { "applied" })
        }
        Ok(other) => panic!("{other:?}"),
    }
}

struct Row {
    name: &'static str,
    turn: fn(&mut Knobs),
    /// What somebody else does after the case began.
    meanwhile: fn(&Simulator, i64),
    /// A further attempt if it is the same as the one before.
    steps: &'static [(Step, &'static str)],
    /// What the tenant holds in the end.
    holds: Value,
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

/// The answer to the next request of a kind is lost after it took effect, or the request before.
fn lose(knobs: &mut Knobs, method: &str, path: &str, after_effect: bool) {
    let what = if after_effect { Mishap::Closed } else { Mishap::Unavailable };
    knobs.faults.push(Fault {
        method: Some(method.into()),
        path: Some(path.into()),
        count: Some(1),
        after_effect,
        ..Fault::of(what)
    });
}

fn shutting() -> Vec<Row> {
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
        row(
            "another address saves nobody",
            HEALTHY,
            |tenant, user| tenant.change_email(user, "eve@example.com").unwrap(),
            &[(ShutOut, "applied from active"), (Reinstate(None), "applied from suspended")],
            json!({"status": 1}),
        ),
        row(
            "a lock would not hold",
            HEALTHY,
            |tenant, user| tenant.lock(user).unwrap(),
            &[(Suspend, "applied from locked"), (Reinstate(Some("locked")), "applied from suspended")],
            json!({"status": 1, "locked_until": null}),
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
            "sessions only",
            HEALTHY,
            |tenant, user| assert!(tenant.login(user, Login::default())),
            &[(EndSessions, "applied"), (EndSessions, "applied")],
            json!({"status": 1, "logouts": 2, "sessions": 0}),
        ),
    ]
}

fn roles() -> Vec<Row> {
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

fn attributes() -> Vec<Row> {
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

/// A tenant with one active person in no role.
async fn tenant() -> (Tenant, i64) {
    let tenant = Tenant::new(|_| {}).await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.simulator.revoke(user, 1001);
    tenant.simulator.revoke(user, 1002);
    (tenant, user)
}

#[tokio::test]
async fn each_effect_is_there_in_the_end_and_nothing_else() {
    for row in shutting().into_iter().chain(roles()).chain(attributes()) {
        let (tenant, user) = tenant().await;
        let known = snapshot(&tenant.user(user).await);
        tenant.simulator.turn(row.turn);
        (row.meanwhile)(&tenant.simulator, user);
        let (mut attempt, mut before) = (1, None);
        for (place, (step, expected)) in row.steps.iter().enumerate() {
            if let Seconds(seconds) = step {
                tenant.clock.advance(TimeDelta::seconds(*seconds));
                continue;
            }
            attempt = if before == Some(step) { attempt + 1 } else { 1 };
            before = Some(step);
            let result = perform(&tenant, action(*step, known.clone()), attempt).await;
            assert_eq!(told(&result), *expected, "{}: step {place}: {result:?}", row.name);
        }
        for (key, value) in row.holds.as_object().unwrap() {
            assert_eq!(tenant.truth(user, key), *value, "{}: {key}", row.name);
        }
    }
}

const EVERY: [Step; 7] = [
    Suspend,
    ShutOut,
    Reinstate(None),
    EndSessions,
    Assign("Staff"),
    Remove("Default"),
    Set("verified_at", "\"2026-01-02\""),
];

/// A number that has come to mean somebody else, or nobody, is left alone.
#[tokio::test]
async fn somebody_else_is_left_alone() {
    for step in EVERY {
        let (tenant, user) = tenant().await;
        let mut known = snapshot(&tenant.user(user).await);
        known.created_at = known.created_at.map(|at| at - TimeDelta::seconds(1));
        let before = tenant.simulator.user(user);
        assert_eq!(told(&perform(&tenant, action(step, known.clone()), 1).await), "Changed", "{step:?}");
        assert_eq!(tenant.simulator.user(user), before, "{step:?}");
        tenant.simulator.delete(user).unwrap();
        assert_eq!(told(&perform(&tenant, action(step, known), 2).await), "Changed", "{step:?}");
    }
}

/// Nothing that is wrong with the credential or with the answers may end a case.
#[tokio::test]
async fn trouble_decides_nothing() {
    fn strike(knobs: &mut Knobs, what: Mishap) {
        knobs.faults.push(Fault { path: Some("/api".into()), ..Fault::of(what) });
    }
    let troubles: [fn(&mut Knobs); 8] = [
        |knobs| strike(knobs, Mishap::Unauthorized),
        |knobs| knobs.scope = Scope::AuthenticationOnly,
        |knobs| knobs.credential_orphaned = true,
        |knobs| strike(knobs, Mishap::Html),
        |knobs| strike(knobs, Mishap::WrongTypes),
        |knobs| strike(knobs, Mishap::MissingFields),
        |knobs| strike(knobs, Mishap::Truncated),
        |knobs| strike(knobs, Mishap::TooManyRequests),
    ];
    for (number, trouble) in troubles.into_iter().enumerate() {
        let (tenant, user) = tenant().await;
        let known = snapshot(&tenant.user(user).await);
        let before = tenant.simulator.user(user);
        tenant.simulator.turn(trouble);
        for step in EVERY {
            let result = perform(&tenant, action(step, known.clone()), 1).await;
            assert_eq!(told(&result), "Unavailable", "trouble {number}: {step:?}: {result:?}");
        }
        assert_eq!(tenant.simulator.user(user), before, "trouble {number}");
    }
}

/// A reason says what to do, and a wait how long it makes sense to wait.
#[tokio::test]
async fn reasons_and_waits() {
    let (tenant, user) = tenant().await;
    let known = snapshot(&tenant.user(user).await);
    let ask = async |step| perform(&tenant, action(step, known.clone()), 1).await.unwrap_err();
    for (step, says) in [
        (Assign("Stuff"), "no role named \"Stuff\""),
        (
            Set("exempt_until", "\"2026-01-02\""),
            "attributes: {exempt_until: <short name>} under connectors.onelogin",
        ),
        (Set("attributes.shoe_size", "44"), "no custom field with the short name shoe_size"),
        (Set("email", "\"x\""), "email cannot be set"),
    ] {
        let failure = ask(step).await;
        assert!(failure.reason.contains(says), "{step:?}: {}", failure.reason);
    }
    tenant.simulator.turn(|knobs| knobs.role_grants_never = true);
    assert_eq!(ask(Assign("Staff")).await.retry_after_seconds, Some(15));
    tenant.simulator.turn(|knobs| lose(knobs, "PUT", "/api/1/users", false));
    let failure = ask(ShutOut).await;
    assert!(failure.reason.starts_with("the account is suspended, but"), "{}", failure.reason);
}

/// Somebody who was let in can hold a role once the invitation was followed, and not before.
#[tokio::test]
async fn a_role_for_a_registration() {
    let tenant = Tenant::new(|_| {}).await;
    let registered = tenant.applicant();
    let user = registered.user_id.unwrap();
    let mut known = tenant.snapshot(&user.to_string()).await;
    for (then, waits) in [("approve", "Unavailable"), ("activate", "applied")] {
        let early = perform(&tenant, action(Assign("Staff"), known.clone()), 1).await.unwrap_err();
        assert_eq!(early.retry_after_seconds, Some(900), "before {then}: {}", early.reason);
        if then == "approve" {
            tenant.simulator.approve(user).unwrap();
        } else {
            tenant.simulator.activate(user).unwrap();
        }
        assert_eq!(told(&perform(&tenant, action(Assign("Staff"), known.clone()), 2).await), waits, "{then}");
    }
    // By the number of its row it is the same account.
    known.subject.id = format!("8-{}", registered.registration_id);
    known.user_id = None;
    assert_eq!(told(&perform(&tenant, action(Suspend, known), 1).await), "applied from active");
}

/// A role that was made anew has another number under its old name.
#[tokio::test]
async fn a_role_made_anew() {
    let (tenant, user) = tenant().await;
    let known = snapshot(&tenant.user(user).await);
    let ask = async |step| told(&perform(&tenant, action(step, known.clone()), 1).await);
    assert_eq!(ask(Assign("Staff")).await, "applied");
    tenant.simulator.remove_role(1002);
    let anew = tenant.simulator.add_role("Staff");
    assert_eq!(ask(Assign("Staff")).await, "applied");
    assert_eq!(tenant.truth(user, "role_ids"), json!([anew]));
    let young = tenant.simulator.add_role("Young");
    assert_eq!(ask(Assign("Young")).await, "applied");
    assert_eq!(tenant.truth(user, "role_ids"), json!([anew, young]));
}

/// Only what differs is sent: the rest of the record is somebody else's business.
#[tokio::test]
async fn only_what_differs_is_sent() {
    let (tenant, user) = tenant().await;
    let known = snapshot(&tenant.user(user).await);
    tenant.simulator.edit(user, &Edit { title: Some("Chief".into()), ..Edit::default() }).unwrap();
    let attributes =
        json!({"title": "Chief", "attributes.idv_status": "passed"}).as_object().unwrap().clone();
    let action = Action::SetAttributes { snapshot: known, attributes };
    assert_eq!(told(&perform(&tenant, action, 1).await), "applied");
    let records = tenant.simulator.ledger().records();
    let sent = &records.iter().rfind(|one| one.what == "user.update").unwrap().detail;
    assert_eq!(*sent, json!({"keys": ["custom_attributes"], "custom_attributes": {"idv_status": "passed"}}));
}

#[tokio::test]
async fn a_subject_is_read_again() {
    let (tenant, user) = tenant().await;
    let registered = tenant.applicant().user_id.unwrap();
    for (kind, id, seen) in [
        ("user", user, "user"),
        ("registration", registered, "registration"),
        ("user", 77, "nobody"),
        ("registration", 77, "nobody"),
        ("applicant", user, "Refused"),
    ] {
        let subject: SubjectRef =
            serde_json::from_value(json!({"type": kind, "id": id.to_string()})).unwrap();
        let told = match perform(&tenant, Action::ReadSubject { subject }, 1).await {
            Ok(Done::Seen { subject: Some(subject) }) => {
                assert_eq!(subject.id, id.to_string());
                subject.kind.word().to_owned()
            }
            Ok(Done::Seen { subject: None }) => "nobody".into(),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => format!("{:?}", failure.kind),
        };
        assert_eq!(told, seen, "{kind} {id}");
    }
}
