//! The poller with a simulated tenant: each event exactly once, whatever the answers are.

use chrono::TimeDelta;
use proofd::connectors::IdentityProvider as _;
use proofd::model::{Event, FailureKind};
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::onelogin::Login;

use super::tenant::Tenant;

const TOKEN: &str = "POST /auth/oauth2/v2/token";

impl Tenant {
    /// Logs a user in `count` times, one second apart.
    fn logins(&self, user: i64, count: usize) {
        for _ in 0..count {
            self.simulator.login(user, Login::default());
            self.clock.advance(TimeDelta::seconds(1));
        }
    }
}

fn users(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.subject.id.as_str()).collect()
}

#[tokio::test]
async fn pages_are_read_with_overlap() {
    let tenant = Tenant::new(|_| {}).await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.logins(user, 250);
    let (events, pages, cursor) = tenant.poll(None).await.unwrap();
    assert_eq!((events.len(), pages), (250, 3));
    let keys: std::collections::BTreeSet<_> = events.iter().map(|event| &event.key).collect();
    assert_eq!(keys.len(), 250);
    // The last two minutes are read again each time, without returning their events again.
    let (none, _, cursor) = tenant.poll(cursor).await.unwrap();
    assert_eq!(users(&none), Vec::<&str>::new());
    tenant.logins(user, 1);
    let (one, _, cursor) = tenant.poll(cursor).await.unwrap();
    assert_eq!(one.len(), 1);
    assert!(tenant.poll(cursor).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn delayed_events_are_returned() {
    let tenant = Tenant::new(|knobs| knobs.event_delay_s = 60).await;
    let users_of_test = tenant.simulator.seed_users(2);
    tenant.logins(users_of_test[0], 1);
    tenant.simulator.turn(|knobs| knobs.event_delay_s = 0);
    tenant.logins(users_of_test[1], 1);
    let (events, _, cursor) = tenant.poll(None).await.unwrap();
    assert_eq!(users(&events), [users_of_test[1].to_string()]);
    tenant.clock.advance(TimeDelta::seconds(60));
    let (events, _, cursor) = tenant.poll(cursor).await.unwrap();
    assert_eq!(users(&events), [users_of_test[0].to_string()]);
    assert!(tenant.poll(cursor).await.unwrap().0.is_empty());
}

/// A poll that fails in the middle continues at the same position.
#[tokio::test]
async fn a_failed_poll_keeps_the_cursor() {
    for what in [
        Mishap::Status(429),
        Mishap::Status(503),
        Mishap::Status(500),
        Mishap::Closed,
        Mishap::Html,
        Mishap::Huge,
        Mishap::Truncated,
        Mishap::WrongTypes,
        Mishap::MissingFields,
    ] {
        let tenant = Tenant::new(|_| {}).await;
        let user = tenant.simulator.seed_users(1)[0];
        tenant.logins(user, 150);
        let first = tenant.onelogin.poll(None).await.unwrap();
        assert!(first.more);
        let fault = Fault { path: "/api/1/events".into(), count: Some(1), ..Fault::of(what) };
        tenant.simulator.turn(|knobs| knobs.faults.push(fault));
        let failure = tenant.onelogin.poll(first.cursor.as_deref()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable, "{what:?}: {}", failure.reason);
        let second = tenant.onelogin.poll(first.cursor.as_deref()).await.unwrap();
        assert_eq!((first.events.len() + second.events.len(), second.more), (150, false), "{what:?}");
    }
    let tenant = Tenant::new(|knobs| knobs.faults.push(Fault::of(Mishap::ExtraFields))).await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.logins(user, 3);
    assert_eq!(tenant.poll(None).await.unwrap().0.len(), 3);
}

/// A cursor that OneLogin no longer accepts: the round begins again, and no event is returned twice.
#[tokio::test]
async fn a_refused_cursor_restarts_the_round_without_duplicates() {
    for status in [400, 404, 410, 422] {
        let tenant = Tenant::new(|_| {}).await;
        let user = tenant.simulator.seed_users(1)[0];
        tenant.logins(user, 150);
        let first = tenant.onelogin.poll(None).await.unwrap();
        assert_eq!((first.events.len(), first.more), (100, true));
        tenant.simulator.turn(|knobs| knobs.refused_cursors = Some(status));
        let again = tenant.onelogin.poll(first.cursor.as_deref()).await.unwrap();
        assert_eq!((again.events.len(), again.more), (0, true), "{status}: the same page, known already");
        // The next page's cursor is also refused, so the round begins at the end of the known events.
        let (rest, _, cursor) = tenant.poll(again.cursor).await.unwrap();
        assert_eq!(rest.len(), 50, "{status}");
        tenant.logins(user, 1);
        assert_eq!(tenant.poll(cursor).await.unwrap().0.len(), 1, "{status}");
    }
}

/// After a failure within a round, the caller can drop the cursor, with the same result.
#[tokio::test]
async fn a_cursor_can_be_dropped_within_a_round() {
    let tenant = Tenant::new(|_| {}).await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.logins(user, 150);
    let first = tenant.onelogin.poll(None).await.unwrap();
    let cursor = first.cursor.unwrap();
    tenant.simulator.turn(|knobs| knobs.refused_cursors = Some(500));
    let failure = tenant.onelogin.poll(Some(&cursor)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    let anew = tenant.onelogin.anew(&cursor).unwrap();
    assert_eq!(tenant.onelogin.anew(&anew), None, "it stands at a beginning");
    tenant.simulator.turn(|knobs| knobs.refused_cursors = None);
    assert_eq!(tenant.poll(Some(anew)).await.unwrap().0.len(), 50);
}

#[tokio::test]
async fn an_unreadable_stored_cursor_restarts_the_round() {
    let tenant = Tenant::new(|_| {}).await;
    let user = tenant.simulator.seed_users(1)[0];
    tenant.logins(user, 3);
    for cursor in ["", "{}", "{\"since\": 7}", "not a position"] {
        assert_eq!(tenant.poll(Some(cursor.to_owned())).await.unwrap().0.len(), 3, "{cursor}");
    }
}

/// The hourly limit reports the wait; the edge's page does not.
#[tokio::test]
async fn the_hourly_limit_reports_the_wait() {
    let tenant = Tenant::new(|knobs| knobs.hourly_limit = 0).await;
    let failure = tenant.onelogin.poll(None).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    let wait = failure.retry_after_seconds.unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn concurrent_calls_share_one_new_token() {
    let tenant = Tenant::new(|_| {}).await;
    tenant.poll(None).await.unwrap();
    assert_eq!(tenant.requests(TOKEN).await, 1);
    // Another client revokes the shared token during many requests.
    tenant.simulator.expire_token();
    let polls = futures::future::join_all((0..8).map(|_| tenant.poll(None))).await;
    assert!(polls.iter().all(Result::is_ok));
    assert_eq!(tenant.requests(TOKEN).await, 2);
    // An old token is refreshed before it is refused.
    tenant.clock.advance(TimeDelta::hours(11));
    let before = tenant.requests("GET /api/1/events").await;
    tenant.poll(None).await.unwrap();
    assert_eq!(tenant.requests(TOKEN).await, 3);
    assert_eq!(tenant.requests("GET /api/1/events").await, before + 1);
}

/// A credential whose tokens are refused is tried once more, without a loop.
#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let tenant = Tenant::new(|knobs| {
        knobs.faults.push(Fault { path: "/api".into(), ..Fault::of(Mishap::Status(401)) });
    })
    .await;
    let failure = tenant.onelogin.poll(None).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.reason.contains("credential"), "{}", failure.reason);
    assert_eq!(tenant.requests("GET /api/1/events").await, 2);
    assert_eq!(tenant.requests(TOKEN).await, 2);
}
