//! Suspending and reinstating accounts, roles and attributes: the answers, and the tenant's state.

use chrono::TimeDelta;
use proofd::model::Clock as _;
use proofd::model::{
    AccountChange, Action, Call, Done, Failure, IdentityChange, Outcome, Snapshot, SubjectRef,
};
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::onelogin::{Edit, Knobs, Scope};
use serde_json::{Value, json};

use super::rows::Step::{
    self, Assign, EndSessions, Reinstate, Remove, RemoveFactors, Seconds, Set, ShutOut, Suspend,
};
use super::rows::{Row, attributes, lose, opening, roles, roles_that_do_not_show, shutting};
use super::tenant::{Tenant, snapshot};
use crate::perform::perform_at;

fn action(step: Step, snapshot: Snapshot) -> Action {
    match step {
        Suspend => Action::change(snapshot, IdentityChange::Suspend { end_sessions: false }),
        ShutOut => Action::change(snapshot, IdentityChange::Suspend { end_sessions: true }),
        Reinstate(to) => Action::change(snapshot, IdentityChange::Reinstate { to: to.map(str::to_owned) }),
        EndSessions => Action::change(snapshot, IdentityChange::Account(AccountChange::EndSessions)),
        RemoveFactors => Action::change(snapshot, IdentityChange::Account(AccountChange::RemoveFactors)),
        Assign(role) => Action::change(snapshot, IdentityChange::AssignRole { role: role.into() }),
        Remove(role) => Action::change(snapshot, IdentityChange::RemoveRole { role: role.into() }),
        Set(name, value) => {
            let value: Value = serde_json::from_str(value).unwrap();
            Action::change(
                snapshot,
                IdentityChange::SetAttributes {
                    attributes: [(name.to_owned(), value)].into_iter().collect(),
                },
            )
        }
        Seconds(_) => panic!("nothing to do"),
    }
}

async fn perform(tenant: &Tenant, action: Action, attempt: u32) -> Result<Done, Failure> {
    let attempt = crate::perform::attempt("c", 1, attempt, tenant.clock.now());
    match perform_at(&tenant.onelogin, &Call { attempt, action }).await {
        Outcome::Done(done) => Ok(done),
        Outcome::Failed(failure) => {
            assert!(!failure.reason.contains("example.com"), "{}", failure.reason);
            Err(failure)
        }
    }
}

/// The result as one word, with the previous value.
fn describe(result: &Result<Done, Failure>) -> String {
    match result {
        Err(failure) => format!("{:?}", failure.kind),
        Ok(Done::Applied { already, before }) => {
            let before = before.as_ref().map(|before| format!(" from {before}")).unwrap_or_default();
            format!("{}{before}", if *already { "already" } else { "applied" })
        }
        Ok(other) => panic!("{other:?}"),
    }
}

/// A tenant with one active person without roles.
async fn tenant() -> (Tenant, i64) {
    let tenant = Tenant::new(|_| {}).await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.simulator.revoke(user, 1001);
    tenant.simulator.revoke(user, 1002);
    (tenant, user)
}

#[tokio::test]
async fn accounts_are_suspended_and_reinstated() {
    check(shutting()).await;
    check(opening()).await;
}

#[tokio::test]
async fn roles_are_assigned_and_revoked() {
    check(roles()).await;
    check(roles_that_do_not_show()).await;
}

#[tokio::test]
async fn attributes_are_set() {
    check(attributes()).await;
}

async fn check(rows: Vec<Row>) {
    for row in rows {
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
            assert_eq!(describe(&result), *expected, "{}: step {place}: {result:?}", row.name);
        }
        for (key, value) in row.holds.as_object().unwrap() {
            assert_eq!(tenant.truth(user, key), *value, "{}: {key}", row.name);
        }
    }
}

const EVERY: [Step; 8] = [
    Suspend,
    ShutOut,
    Reinstate(None),
    EndSessions,
    RemoveFactors,
    Assign("Staff"),
    Remove("Default"),
    Set("verified_at", "\"2026-01-02\""),
];

/// An account number that now belongs to another person, or to none, is not changed.
#[tokio::test]
async fn a_reassigned_account_number_is_not_changed() {
    for step in EVERY {
        let (tenant, user) = tenant().await;
        let mut known = snapshot(&tenant.user(user).await);
        known.created_at = known.created_at.map(|at| at - TimeDelta::seconds(1));
        let before = tenant.simulator.user(user);
        assert_eq!(describe(&perform(&tenant, action(step, known.clone()), 1).await), "Changed", "{step:?}");
        assert_eq!(tenant.simulator.user(user), before, "{step:?}");
        tenant.simulator.delete(user).unwrap();
        // The account is new and may not be visible yet.
        let failed = perform(&tenant, action(step, known.clone()), 2).await;
        assert_eq!(describe(&failed), "Unavailable", "{step:?}");
        tenant.clock.advance(TimeDelta::minutes(11));
        assert_eq!(describe(&perform(&tenant, action(step, known), 2).await), "Changed", "{step:?}");
    }
}

/// A lock by an administrator is restored after our suspension, for its remaining time.
#[tokio::test]
async fn a_lock_is_restored_after_our_suspension() {
    let (tenant, user) = tenant().await;
    let known = snapshot(&tenant.user(user).await);
    tenant.simulator.lock(user).unwrap();
    let suspended = perform(&tenant, action(Suspend, known.clone()), 1).await.unwrap();
    let Done::Applied { already: false, before: to } = suspended else { panic!("{suspended:?}") };
    assert!(to.as_ref().is_some_and(|to| to.starts_with("locked until 2")), "{to:?}");
    // The answer to the lock is lost, and the next attempt sets it.
    tenant.simulator.turn(|knobs| super::rows::lose(knobs, "PUT", "/api/1/users", false));
    let reinstate = || Action::change(known.clone(), IdentityChange::Reinstate { to: to.clone() });
    assert_eq!(describe(&perform(&tenant, reinstate(), 1).await), "Unavailable");
    assert_eq!(describe(&perform(&tenant, reinstate(), 2).await), "already from active");
    assert_eq!(tenant.truth(user, "status"), 3);

    // A lock that expired meanwhile is not restored.
    tenant.simulator.unlock(user).unwrap();
    perform(&tenant, action(Suspend, known.clone()), 1).await.unwrap();
    let over = tenant.clock.now() - TimeDelta::minutes(1);
    let to = Some(format!("locked until {}", over.to_rfc3339()));
    perform(&tenant, Action::change(known, IdentityChange::Reinstate { to }), 1).await.unwrap();
    assert_eq!(tenant.truth(user, "status"), 1);
}

/// A faulty credential or answer must not end a case.
#[tokio::test]
async fn faulty_credentials_and_answers_end_no_case() {
    fn strike(knobs: &mut Knobs, what: Mishap) {
        knobs.faults.push(Fault { path: "/api".into(), ..Fault::of(what) });
    }
    let troubles: [fn(&mut Knobs); 8] = [
        |knobs| strike(knobs, Mishap::Status(401)),
        |knobs| knobs.scope = Scope::AuthenticationOnly,
        |knobs| knobs.credential_orphaned = true,
        |knobs| strike(knobs, Mishap::Html),
        |knobs| strike(knobs, Mishap::WrongTypes),
        |knobs| strike(knobs, Mishap::MissingFields),
        |knobs| strike(knobs, Mishap::Truncated),
        |knobs| strike(knobs, Mishap::Status(429)),
    ];
    for (number, trouble) in troubles.into_iter().enumerate() {
        let (tenant, user) = tenant().await;
        let known = snapshot(&tenant.user(user).await);
        let before = tenant.simulator.user(user);
        tenant.simulator.turn(trouble);
        for step in EVERY {
            let result = perform(&tenant, action(step, known.clone()), 1).await;
            assert_eq!(describe(&result), "Unavailable", "trouble {number}: {step:?}: {result:?}");
        }
        assert_eq!(tenant.simulator.user(user), before, "trouble {number}");
    }
}

/// A failure's reason names the remedy, and its wait the time after which a retry is useful.
#[tokio::test]
async fn failures_have_a_reason_and_a_wait() {
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

/// An approved registrant can hold a role after accepting the invitation, and not before.
#[tokio::test]
async fn a_role_is_assigned_only_after_the_invitation_is_accepted() {
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
        assert_eq!(
            describe(&perform(&tenant, action(Assign("Staff"), known.clone()), 2).await),
            waits,
            "{then}"
        );
    }
    // The number of the registration row leads to the same account.
    known.subject.id = format!("8-{}", registered.registration_id);
    known.user_id = None;
    assert_eq!(describe(&perform(&tenant, action(Suspend, known), 1).await), "applied from active");
}

/// A recreated role has another number under its old name.
#[tokio::test]
async fn a_recreated_role_is_found_by_name() {
    let (tenant, user) = tenant().await;
    let known = snapshot(&tenant.user(user).await);
    let ask = async |step| describe(&perform(&tenant, action(step, known.clone()), 1).await);
    assert_eq!(ask(Assign("Staff")).await, "applied");
    tenant.simulator.remove_role(1002);
    let anew = tenant.simulator.add_role("Staff");
    assert_eq!(ask(Assign("Staff")).await, "applied");
    assert_eq!(tenant.truth(user, "role_ids"), json!([anew]));
    let young = tenant.simulator.add_role("Young");
    assert_eq!(ask(Assign("Young")).await, "applied");
    assert_eq!(tenant.truth(user, "role_ids"), json!([anew, young]));
    tenant.simulator.remove_role(young);
    tenant.simulator.grant(user, tenant.simulator.add_role("Young"));
    assert_eq!(ask(Remove("Young")).await, "applied");
    assert_eq!(tenant.truth(user, "role_ids"), json!([anew]));
}

/// Only changed fields are sent: other clients may change the rest of the record.
#[tokio::test]
async fn only_changed_fields_are_sent() {
    let (tenant, user) = tenant().await;
    let known = snapshot(&tenant.user(user).await);
    tenant.simulator.edit(user, &Edit { title: Some("Chief".into()), ..Edit::default() }).unwrap();
    let attributes =
        json!({"title": "Chief", "attributes.idv_status": "passed"}).as_object().unwrap().clone();
    let action = Action::change(known, IdentityChange::SetAttributes { attributes });
    assert_eq!(describe(&perform(&tenant, action, 1).await), "applied");
    let records = tenant.simulator.ledger().records();
    let sent = &records.iter().rfind(|one| one.what == "user.update").unwrap().detail;
    assert_eq!(*sent, json!({"keys": ["custom_attributes"], "custom_attributes": {"idv_status": "passed"}}));
}

#[tokio::test]
async fn subjects_are_read_by_number() {
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
        let told = match perform(&tenant, Action::read(subject), 1).await {
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
