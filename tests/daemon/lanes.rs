//! How many calls a system gets at once, how fast, and in which order. The system is one that holds every call until the
//! test lets it end; the time is the test's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proofd::connectors::{CallLimits, Connector, EndpointAnswer, EndpointClient, Finding};
use proofd::engine::clock::Virtual;
use proofd::engine::{Connectors, Engine, Settings};
use proofd::model::{Attempt, Clock, Failure, HttpRequest, Timestamp};
use proofd::store::{Options, Store};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;
use tokio::sync::Semaphore;

const POLICY: &str = "format: 1\ntitle: Calls\nowner: iam@example.com\nmode: enforce\nsubject: applicant\n";

const NOW: &str = r#"steps:
  - {id: first, call: slow, path: "/now/${applicant.id}", body: {}}
  - close: done
"#;
const LATER: &str = r#"steps:
  - id: pause
    wait: {for: custom.never, answer_within: 2h}
    outcomes:
      happened: [{close: never}]
      timed_out:
        - {id: due, call: slow, path: "/later/${applicant.id}", body: {}}
        - close: done
"#;

/// Holds calls, and notes what they were for.
#[derive(Debug)]
struct Slow {
    ends: Semaphore,
    refuses: bool,
    begun: Mutex<Vec<String>>,
}

impl Connector for Slow {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async { Vec::new() }.boxed()
    }
}

impl EndpointClient for Slow {
    fn request<'a>(
        &'a self,
        _: &'a Attempt,
        request: &'a HttpRequest,
    ) -> BoxFuture<'a, Result<EndpointAnswer, Failure>> {
        async move {
            self.begun.lock().unwrap().push(request.path.clone());
            self.ends.acquire().await.unwrap().forget();
            if self.refuses {
                return Err(Failure::outage("the system asks for fewer requests (429)"));
            }
            Ok(EndpointAnswer { status: 200, body: json!(null) })
        }
        .boxed()
    }
}

struct Lane {
    engine: Engine,
    clock: Virtual,
    slow: Arc<Slow>,
    _dir: tempfile::TempDir,
}

impl Lane {
    /// Runs a policy that calls at once, and one that calls after two hours.
    async fn open(calls_per_second: Option<f64>, refuses: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, steps) in [("now", NOW), ("later", LATER)] {
            let folder = dir.path().join("policies").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let text = format!("{POLICY}policy: {name}\nwhen: [{{event: custom.{name}}}]\n{steps}");
            std::fs::write(folder.join("policy.yaml"), text).unwrap();
        }
        let slow = Arc::new(Slow { ends: Semaphore::new(0), refuses, begun: Mutex::default() });
        let connectors = Connectors {
            endpoints: BTreeMap::from([("slow".to_owned(), Arc::clone(&slow) as _)]),
            limits: CallLimits {
                systems: calls_per_second.map(|limit| ("slow".to_owned(), limit)).into_iter().collect(),
                ..CallLimits::default()
            },
            ..Connectors::default()
        };
        let clock = Virtual::new("2026-03-01T12:00:00Z".parse().unwrap());
        let mut settings = Settings { public_url: "http://127.0.0.1".to_owned(), ..Settings::default() };
        settings.rollout.policies = dir.path().join("policies");
        settings.rollout.park = Vec::new();
        let options = Options { failure: Arc::new(|_| {}), reserve_bytes: 64 << 10, ..Options::default() };
        let (store, opened) = Store::open_with(&dir.path().join("store"), clock.now(), options).unwrap();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let engine = Engine::open(settings, store, &opened, shared, connectors).await.unwrap();
        assert_eq!(engine.active().set.policies.len(), 2, "{:?}", engine.active().report);
        engine.start().detach_all();
        Self { engine, clock, slow, _dir: dir }
    }

    async fn tell(&self, policy: &str, people: std::ops::Range<usize>) {
        let headers: HeaderMap =
            [(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents-batch+json"))]
                .into_iter()
                .collect();
        let event = |id: usize| {
            json!({"specversion": "1.0", "id": format!("{policy}-{id}"), "source": "/test", "type": policy,
                   "subject": id.to_string(), "subjecttype": "applicant", "data": {"first_name": "Ada"}})
        };
        let events: Vec<_> = people.map(event).collect();
        let body = json!(events).to_string();
        self.engine.hooks().cloud_events(&headers, body.as_bytes()).await.unwrap();
    }

    fn begun(&self) -> Vec<String> {
        self.slow.begun.lock().unwrap().clone()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < crate::world::PATIENCE, "{what} did not come: {:?}", self.begun());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn waiting(&self) -> usize {
        let due = self.engine.store().counts().unwrap();
        due.into_iter().filter(|((_, state), _)| state == "waiting").map(|(_, count)| count as usize).sum()
    }

    fn open_cases(&self) -> usize {
        self.engine.store().open_counts().unwrap().values().map(|count| *count as usize).sum()
    }
}

/// Calls that a limit of 50 a second allows until a time: one each 20.2 ms, which is one percent less.
fn allowed(since: Timestamp, now: Timestamp) -> usize {
    usize::try_from((now - since).num_microseconds().unwrap() / 20_200).unwrap() + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_system_gets_as_many_calls_at_once_as_its_limit_allows_and_never_more() {
    let lane = Lane::open(Some(50.0), false).await;
    let since = lane.clock.now();
    lane.tell("now", 0..100).await;
    lane.until("all cases", |lane| lane.open_cases() == 100).await;
    // No call ends in this second: all are in progress at once, and a call above the limit is one too many for good.
    while lane.clock.now() < since + TimeDelta::seconds(1) {
        let expected = allowed(since, lane.clock.now());
        lane.until("the next call", |lane| lane.begun().len() == expected).await;
        lane.clock.advance(TimeDelta::milliseconds(5));
    }
    assert_eq!(lane.begun().len(), 50);
    lane.slow.ends.add_permits(100);
    while lane.open_cases() > 0 {
        assert!(lane.begun().len() <= allowed(since, lane.clock.now()), "{:?}", lane.clock.now() - since);
        lane.clock.advance(TimeDelta::milliseconds(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_person_does_not_wait_for_a_flood_of_timers() {
    let lane = Lane::open(None, false).await;
    lane.tell("later", 0..200).await;
    lane.until("all cases", |lane| lane.waiting() == 200).await;
    lane.clock.advance(TimeDelta::hours(2));
    // A system without a declared limit begins with eight calls; the others wait.
    lane.until("the first calls", |lane| lane.begun().len() == 8 && lane.waiting() == 0).await;
    lane.tell("now", 900..901).await;
    lane.until("the new case", |lane| lane.open_cases() == 201).await;
    lane.slow.ends.add_permits(1);
    // One ended well: its place and one more are free. The two calls may arrive in either order.
    lane.until("the next calls", |lane| lane.begun().len() == 10).await;
    assert!(lane.begun().contains(&"/now/900".to_owned()), "{:?}", lane.begun());
    // The rest grows with every good answer, and ends.
    lane.slow.ends.add_permits(300);
    lane.until("the end", |lane| lane.open_cases() == 0).await;
    assert_eq!(lane.begun().len(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_refuses_gets_fewer_calls_at_once() {
    let lane = Lane::open(None, true).await;
    lane.tell("now", 0..100).await;
    lane.until("the first calls", |lane| lane.begun().len() == 8 && lane.open_cases() == 100).await;
    lane.slow.ends.add_permits(8);
    // All eight were refused; four are tried instead of them.
    lane.until("the next calls", |lane| lane.begun().len() >= 12).await;
    lane.until("the refusals", |lane| {
        lane.engine.store().begun_calls().unwrap().len() == 4 && lane.begun().len() == 12
    })
    .await;
}
