//! Effects with either back end: the answers, and the changes in the tenant's ledger.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proofd::model::{Action, Call, Clock as _, Done, FailureKind, Fields, IdentityChange, Outcome, Snapshot};
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::onelogin::{Edit, Knobs, Moment, Scope, Simulator};

use super::tenant::{BACK_ENDS, Tenant};
use crate::perform::perform_at;

#[derive(Debug, Clone, Copy)]
enum Step {
    Approve,
    Invite,
    Reject,
    Delete,
}
use Step::{Approve, Delete, Invite, Reject};

impl Tenant {
    /// Performs an effect and returns the result as one word.
    async fn act(&self, step: Step, snapshot: &Snapshot, attempt: u32) -> String {
        let snapshot = snapshot.clone();
        let since = self.clock.now() - TimeDelta::minutes(1);
        let action = match step {
            Approve => Action::change(snapshot, IdentityChange::Approve),
            Invite => Action::change(snapshot, IdentityChange::EnsureInvited { since }),
            Reject => Action::change(snapshot, IdentityChange::Reject),
            Delete => Action::change(snapshot, IdentityChange::Delete),
        };
        let attempt = crate::perform::attempt("c", 1, attempt, "2026-01-02T00:00:00Z".parse().unwrap());
        match perform_at(&self.onelogin, &Call { attempt, action }).await {
            Outcome::Failed(failure) => {
                assert!(!failure.reason.contains("example.com"), "{}", failure.reason);
                format!("{:?}", failure.kind)
            }
            Outcome::Done(done) => {
                let (word, already) = match done {
                    Done::Approved { already, .. } => ("approved", already),
                    Done::Invited { already } => ("invited", already),
                    Done::Rejected { already } => ("rejected", already),
                    Done::Deleted { already } => ("deleted", already),
                    other => panic!("{other:?}"),
                };
                format!("{word}{}", if already { " already" } else { "" })
            }
        }
    }
}

struct Row {
    name: &'static str,
    turn: fn(&mut Knobs),
    /// Changes by other people after the case began.
    meanwhile: fn(&Simulator, i64),
    /// Effects; one that equals the effect before it is a further attempt.
    steps: &'static [(Step, &'static str)],
    /// Number of applied approvals, invitations, rejections and deletions of ours.
    applied: [usize; 4],
}

const HEALTHY: fn(&mut Knobs) = |_| {};
const NOBODY: fn(&Simulator, i64) = |_, _| {};

/// Loses the next request of a kind: its answer after it took effect, or the request itself.
fn lose(knobs: &mut Knobs, method: &str, path: &str, after_effect: bool) {
    let what = if after_effect { Mishap::Closed } else { Mishap::Status(503) };
    knobs.faults.push(Fault {
        method: Some(method.into()),
        path: path.into(),
        count: Some(1),
        after_effect,
        ..Fault::of(what)
    });
}

fn decisions() -> Vec<Row> {
    let row = |name, turn, meanwhile, steps, applied| Row { name, turn, meanwhile, steps, applied };
    vec![
        row(
            "approve",
            HEALTHY,
            NOBODY,
            &[(Approve, "approved"), (Approve, "approved already"), (Invite, "invited already")],
            [1, 1, 0, 0],
        ),
        row(
            "approve and invite",
            |knobs| knobs.approval_sends_invitation = false,
            NOBODY,
            &[(Approve, "approved"), (Invite, "invited"), (Invite, "invited already")],
            [1, 1, 0, 0],
        ),
        row("no invitation for who waits", HEALTHY, NOBODY, &[(Invite, "Changed")], [0, 0, 0, 0]),
        row(
            "no licence",
            |knobs| knobs.licences = Some(0),
            NOBODY,
            &[(Approve, "Refused"), (Approve, "Refused"), (Reject, "Changed"), (Delete, "Changed")],
            [0, 0, 0, 0],
        ),
        row(
            "reject",
            HEALTHY,
            NOBODY,
            &[(Reject, "rejected"), (Reject, "rejected already"), (Approve, "Changed"), (Delete, "deleted")],
            [0, 0, 1, 1],
        ),
        row(
            "delete",
            HEALTHY,
            NOBODY,
            &[(Delete, "deleted"), (Delete, "deleted already"), (Approve, "Changed"), (Reject, "Changed")],
            [0, 0, 0, 1],
        ),
        row(
            "what was approved stays",
            HEALTHY,
            NOBODY,
            &[(Approve, "approved"), (Reject, "Changed"), (Delete, "Changed"), (Delete, "Changed")],
            [1, 1, 0, 0],
        ),
    ]
}

fn interference() -> Vec<Row> {
    let row = |name, meanwhile, steps| Row { name, turn: HEALTHY, meanwhile, steps, applied: [0; 4] };
    vec![
        row(
            "approved by a person",
            |tenant, user| tenant.approve(user).unwrap(),
            &[(Delete, "Changed"), (Reject, "Changed"), (Approve, "approved already")],
        ),
        row(
            "rejected by a person",
            |tenant, user| tenant.reject(user).unwrap(),
            &[(Approve, "Changed"), (Invite, "Changed"), (Reject, "rejected already")],
        ),
        row(
            "deleted by a person",
            |tenant, user| tenant.delete(user).unwrap(),
            &[(Approve, "Changed"), (Invite, "Changed"), (Reject, "Changed"), (Delete, "Changed")],
        ),
        row(
            "another address",
            |tenant, user| tenant.change_email(user, "eve@example.com").unwrap(),
            &[(Approve, "Changed"), (Reject, "Changed"), (Delete, "Changed"), (Delete, "Changed")],
        ),
        row(
            "another address after approval",
            |tenant, user| {
                tenant.approve(user).unwrap();
                tenant.change_email(user, "eve@example.com").unwrap();
            },
            &[(Approve, "Changed"), (Invite, "Changed"), (Delete, "Changed"), (Delete, "Changed")],
        ),
    ]
}

fn losses() -> Vec<Row> {
    let row = |name, turn, steps, applied| Row { name, turn, meanwhile: NOBODY, steps, applied };
    vec![
        row(
            "an approval that was taken and lost",
            |knobs| knobs.approvals_lost = 1,
            &[(Approve, "Unavailable"), (Approve, "approved")],
            [1, 1, 0, 0],
        ),
        row(
            "the answer to an approval is lost",
            |knobs| lose(knobs, "PUT", "/api/2/", true),
            &[(Approve, "Unavailable"), (Approve, "approved already"), (Invite, "invited already")],
            [1, 1, 0, 0],
        ),
        row(
            "an approval does not arrive",
            |knobs| lose(knobs, "PUT", "/api/2/", false),
            &[(Approve, "Unavailable"), (Approve, "approved")],
            [1, 1, 0, 0],
        ),
        row(
            "the answer to an invitation is lost",
            |knobs| {
                knobs.approval_sends_invitation = false;
                lose(knobs, "POST", "/api/1/invites", true);
            },
            &[(Approve, "approved"), (Invite, "Unavailable"), (Invite, "invited already")],
            [1, 1, 0, 0],
        ),
        row(
            "the answer to a rejection is lost",
            |knobs| lose(knobs, "PUT", "/api/2/", true),
            &[(Reject, "Unavailable"), (Reject, "rejected already")],
            [0, 0, 1, 0],
        ),
        row(
            "the answer to a deletion is lost",
            |knobs| lose(knobs, "DELETE", "/api/2/users", true),
            &[(Delete, "Unavailable"), (Delete, "deleted already")],
            [0, 0, 0, 1],
        ),
        row(
            "a deletion does not arrive",
            |knobs| lose(knobs, "DELETE", "/api/2/users", false),
            &[(Delete, "Unavailable"), (Delete, "deleted")],
            [0, 0, 0, 1],
        ),
    ]
}

async fn check(row: &Row, resource: bool) {
    let name = format!("{} (resource: {resource})", row.name);
    let tenant = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
    let user = tenant.applicant().user_id.unwrap();
    let snapshot = tenant.snapshot(&user.to_string()).await;
    tenant.simulator.turn(row.turn);
    (row.meanwhile)(&tenant.simulator, user);
    if tenant.simulator.user(user).is_none() {
        // A new account may not be visible for some minutes.
        assert_eq!(tenant.act(row.steps[0].0, &snapshot, 1).await, "Unavailable", "{name}");
        tenant.clock.advance(TimeDelta::minutes(11));
    }
    let (mut attempt, mut before) = (1, None);
    for (place, (step, expected)) in row.steps.iter().enumerate() {
        attempt = if before == Some(std::mem::discriminant(step)) { attempt + 1 } else { 1 };
        before = Some(std::mem::discriminant(step));
        tenant.clock.advance(TimeDelta::seconds(3));
        if tenant.simulator.user(user).is_none() {
            tenant.clock.advance(TimeDelta::minutes(11));
        }
        assert_eq!(tenant.act(*step, &snapshot, attempt).await, *expected, "{name}: step {place}");
    }
    let applied = ["user.approve", "user.invite", "user.reject", "user.delete"].map(|it| tenant.applied(it));
    assert_eq!(applied, row.applied, "{name}");
    let through = tenant.simulator.ledger().records();
    let mut verdicts = through.iter().filter(|one| one.what == "user.approve" && one.applied);
    assert!(
        verdicts.all(|one| one.detail["via"] == if resource { "registrations" } else { "update" }),
        "{name}"
    );
}

#[tokio::test]
async fn each_effect_happens_at_most_once() {
    for resource in BACK_ENDS {
        for row in decisions().iter().chain(&interference()).chain(&losses()) {
            check(row, resource).await;
        }
    }
}

/// A deletion whose answer was lost is ours only if the tenant's events show it; otherwise a person decides.
#[tokio::test]
async fn a_deletion_in_doubt_is_ours_only_if_events_confirm_it() {
    type Gone = fn(&Simulator, i64);
    type Transition = fn(&mut Knobs);
    /// Whether the deletion arrives, the other person's change, the tenant's state, the second and third outcome.
    type Row = (&'static str, bool, Gone, Transition, [&'static str; 2]);
    let by_a_person: Gone = |tenant, user| tenant.delete(user).unwrap();
    let rows: [Row; 5] = [
        ("ours, the answer is lost", true, NOBODY, HEALTHY, ["deleted already", "deleted already"]),
        (
            "ours, the event shows late",
            true,
            NOBODY,
            |knobs| knobs.event_delay_s = 100,
            ["Unavailable", "deleted already"],
        ),
        (
            "ours, no event ever shows",
            true,
            NOBODY,
            |knobs| knobs.event_delay_s = 9_999,
            ["Unavailable", "Changed"],
        ),
        ("a person was first", false, by_a_person, HEALTHY, ["Changed", "Changed"]),
        (
            "a person was first, no event shows",
            false,
            by_a_person,
            |knobs| knobs.event_delay_s = 9_999,
            ["Unavailable", "Changed"],
        ),
    ];
    for resource in BACK_ENDS {
        for (name, arrives, meanwhile, turn, expected) in rows {
            let t = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
            let user = t.applicant().user_id.unwrap();
            let snapshot = t.snapshot(&user.to_string()).await;
            t.simulator.turn(turn);
            t.simulator.turn(|knobs| lose(knobs, "DELETE", "/api/2/users", arrives));
            t.clock.advance(TimeDelta::minutes(11));
            let asked_at = t.clock.now();
            let action = Action::change(snapshot, IdentityChange::Delete);
            let (mut seen, mut attempt) = (Vec::new(), 1);
            for wait in [TimeDelta::zero(), TimeDelta::seconds(10), TimeDelta::minutes(4)] {
                t.clock.advance(wait);
                let now = crate::perform::attempt("c", 1, attempt, asked_at);
                let call = Call { attempt: now, action: action.clone() };
                seen.push(match perform_at(&t.onelogin, &call).await {
                    Outcome::Done(Done::Deleted { already: true }) => "deleted already".to_owned(),
                    Outcome::Done(other) => format!("{other:?}"),
                    Outcome::Failed(failure) => format!("{:?}", failure.kind),
                });
                if attempt == 1 {
                    meanwhile(&t.simulator, user);
                }
                attempt += 1;
            }
            assert_eq!(seen[1..], expected, "{name} (resource: {resource})");
        }
    }
}

/// A freed license makes the second approval succeed; only `set_state` leaves Unlicensed.
#[tokio::test]
async fn a_freed_license_lets_the_second_approval_succeed() {
    for resource in BACK_ENDS {
        let tenant = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
        let user = tenant.applicant().user_id.unwrap();
        let snapshot = tenant.snapshot(&user.to_string()).await;
        tenant.simulator.turn(|knobs| knobs.licences = Some(0));
        assert_eq!(tenant.act(Approve, &snapshot, 1).await, "Refused");
        tenant.simulator.turn(|knobs| knobs.licences = None);
        assert_eq!(tenant.act(Approve, &snapshot, 2).await, "approved");
        assert_eq!(tenant.applied("user.approve"), 1);
    }
}

fn strike(knobs: &mut Knobs, what: Mishap) {
    knobs.faults.push(Fault { path: "/api".into(), ..Fault::of(what) });
}

/// A faulty credential or answer must not end a case.
#[tokio::test]
async fn faulty_credentials_and_answers_end_no_case() {
    type Trouble = (&'static str, fn(&mut Knobs));
    let troubles: [Trouble; 8] = [
        ("refused a new token", |knobs| strike(knobs, Mishap::Status(401))),
        ("scope Manage All", |knobs| knobs.scope = Scope::AuthenticationOnly),
        ("administrator", |knobs| knobs.credential_orphaned = true),
        ("not JSON", |knobs| strike(knobs, Mishap::Html)),
        ("MiB", |knobs| strike(knobs, Mishap::Huge)),
        ("", |knobs| strike(knobs, Mishap::WrongTypes)),
        ("", |knobs| strike(knobs, Mishap::MissingFields)),
        ("503", |knobs| strike(knobs, Mishap::Status(503))),
    ];
    for resource in BACK_ENDS {
        for (row, (says, trouble)) in troubles.into_iter().enumerate() {
            let tenant = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
            let user = tenant.applicant().user_id.unwrap();
            let snapshot = tenant.snapshot(&user.to_string()).await;
            tenant.simulator.turn(trouble);
            for step in [Approve, Invite, Reject, Delete] {
                let told = tenant.act(step, &snapshot, 2).await;
                assert_eq!(told, "Unavailable", "{row} {step:?} (resource: {resource})");
            }
            let failure = tenant.subject(&user.to_string(), None).await.unwrap_err();
            assert!(failure.reason.contains(says), "{row}: {}", failure.reason);
            assert_eq!(tenant.simulator.user(user).unwrap()["state"], 0, "{row}");
        }
    }
}

/// Effects that a read-only credential may not perform wait for the operator.
#[tokio::test]
async fn a_read_only_credential_makes_effects_wait_for_the_operator() {
    for resource in BACK_ENDS {
        let tenant = Tenant::new(|knobs| {
            (knobs.registrations_resource, knobs.scope) = (resource, Scope::ReadUsers);
        })
        .await;
        let user = tenant.applicant().user_id.unwrap();
        let snapshot = tenant.snapshot(&user.to_string()).await;
        for step in [Approve, Reject, Delete] {
            assert_eq!(tenant.act(step, &snapshot, 1).await, "Unavailable", "{step:?}");
        }
        tenant.simulator.turn(|knobs| knobs.scope = Scope::ManageAll);
        assert_eq!(tenant.act(Approve, &snapshot, 2).await, "approved");
    }
}

/// Before the mail address is verified, only the resource has the state; the account may be invisible.
#[tokio::test]
async fn an_unverified_registration_is_read_from_the_resource() {
    let tenant = Tenant::new(|_| {}).await;
    let form = serde_json::json!({"firstname": "Ada", "lastname": "L", "email": "ada@example.com"});
    let user = tenant.simulator.register(serde_json::from_value(form).unwrap()).unwrap().user_id.unwrap();
    let snapshot = tenant.snapshot(&user.to_string()).await;
    assert_eq!(tenant.act(Approve, &snapshot, 1).await, "Changed");

    let tenant = Tenant::new(|knobs| knobs.user_record = Moment::Approval).await;
    let registered = tenant.applicant();
    let id = format!("8-{}", registered.registration_id);
    let snapshot = tenant.snapshot(&id).await;
    assert_eq!((snapshot.subject.id.as_str(), &snapshot.user_id), (id.as_str(), &None));
    assert_eq!(tenant.act(Delete, &snapshot, 1).await, "Refused");
    assert_eq!(tenant.act(Delete, &snapshot, 2).await, "Refused");
    assert_eq!(tenant.act(Approve, &snapshot, 1).await, "approved");
    assert_eq!(tenant.act(Approve, &snapshot, 2).await, "approved already");
    assert_eq!(tenant.applied("user.approve"), 1);
}

/// A snapshot with the number of the registration row and an account works as well.
#[tokio::test]
async fn a_snapshot_with_a_registration_number_is_supported() {
    let tenant = Tenant::new(|_| {}).await;
    let registered = tenant.applicant();
    let user = registered.user_id.unwrap().to_string();
    let mut snapshot = tenant.snapshot(&user).await;
    snapshot.subject.id = format!("8-{}", registered.registration_id);
    assert_eq!(tenant.act(Approve, &snapshot, 1).await, "approved");
    assert_eq!(tenant.act(Invite, &snapshot, 1).await, "invited already");
    assert_eq!(tenant.act(Delete, &snapshot, 1).await, "Changed");
}

/// An effect based on a proof requires the compared values to be unchanged; a protective effect does not.
#[tokio::test]
async fn a_registration_changed_since_the_comparison_is_not_approved() {
    for resource in BACK_ENDS {
        let t = Tenant::new(|knobs| knobs.registrations_resource = resource).await;
        let registered = t.applicant();
        let (id, user) = (registered.user_id.unwrap().to_string(), registered.user_id.unwrap());
        let compared = |first: Option<&str>, last: &str| {
            let of = |text: Option<&str>| text.map(str::to_owned);
            BTreeMap::from([("first_name".to_owned(), of(first)), ("last_name".to_owned(), of(Some(last)))])
        };
        let opened = t.snapshot(&id).await;
        let rests_on = |compared| Snapshot { compared, ..opened.clone() };
        for other in
            [compared(Some("Grace"), "Lovelace"), compared(None, "Lovelace"), compared(Some("Ada"), "")]
        {
            for step in [Approve, Reject, Delete, Invite] {
                assert_eq!(t.act(step, &rests_on(other.clone()), 1).await, "Changed", "{step:?}");
            }
            let snapshot = rests_on(other);
            for action in [
                Action::change(snapshot.clone(), IdentityChange::Reinstate { to: None }),
                Action::change(snapshot.clone(), IdentityChange::SetAttributes { attributes: Fields::new() }),
            ] {
                assert_eq!(t.performs(action).await, Some(FailureKind::Changed));
            }
        }
        assert_eq!(t.act(Approve, &rests_on(compared(Some("Ada"), "Lovelace")), 1).await, "approved");
        t.simulator.edit(user, &Edit { firstname: Some("Grace".into()), ..Edit::default() }).unwrap();
        let now = rests_on(compared(Some("Ada"), "Lovelace"));
        assert_eq!(t.act(Invite, &now, 1).await, "Changed");
        let suspends = Action::change(opened.clone(), IdentityChange::Suspend { end_sessions: false });
        assert_eq!(t.performs(suspends).await, None, "to protect, no name matters");
    }
}

impl Tenant {
    /// The kind of an effect's failure; none: it succeeded.
    async fn performs(&self, action: Action) -> Option<FailureKind> {
        let attempt = crate::perform::attempt("c", 1, 1, self.clock.now());
        match perform_at(&self.onelogin, &Call { attempt, action }).await {
            Outcome::Failed(failure) => Some(failure.kind),
            Outcome::Done(_) => None,
        }
    }
}
