//! A sweep over OneLogin's users over HTTP, from the list to the attribute that the cases set.
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::town::{Town, at, policy};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use proofd::connectors::onelogin::{OneLogin, RegistrationsMode, Settings};
use proofd::engine::Connectors;
use proofd::engine::clock::Virtual;
use proofd::model::{Clock, Secret, Timestamp};
use proofd::simulate::ledger::Ledger;
use proofd::simulate::onelogin::{Ages, Crowd, Options, Simulator};

const PEOPLE: u32 = 400;
const VERIFIED: &str = "idv_verified_at";

/// The connector's clock: waiting for a time advances the clock to it.
#[derive(Debug)]
struct Hasty(Virtual);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        self.0.advance((at - self.0.now()).max(TimeDelta::zero()));
        Box::pin(async {})
    }
}

fn onelogin(url: &str, clock: &Virtual) -> OneLogin {
    let settings = Settings {
        name: "onelogin".to_owned(),
        poll_every: TimeDelta::days(365),
        url: url.parse().unwrap(),
        client_id: "sim-client".into(),
        client_secret: Secret::new("sim-secret"),
        registrations: RegistrationsMode::UserRecord,
        webhook: None,
        attributes: BTreeMap::from([("verified_at".into(), VERIFIED.into())]),
        lookback: TimeDelta::hours(24),
    };
    OneLogin::new(settings, Arc::new(Hasty(clock.clone()))).unwrap()
}

/// The date of each user's proof in the tenant's true state.
fn verified(simulator: &Simulator, ids: &[i64]) -> BTreeMap<i64, Option<Timestamp>> {
    let of = |id: &i64| {
        let user = simulator.user(*id).unwrap();
        user["custom_attributes"][VERIFIED].as_str().and_then(|text| text.parse().ok())
    };
    ids.iter().map(|id| (*id, of(id))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quarterly_sweep_covers_everyone() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Virtual::new(at("2026-03-01T12:00:00Z"));
    let simulator = Simulator::new(Options::default(), Arc::new(clock.clone()), Ledger::memory());
    let ids = simulator.gather(&Crowd {
        count: PEOPLE,
        moments: BTreeMap::from([(VERIFIED.into(), Ages { days: 120, without_percent: 20 })]),
        suspended_every: 9,
        ..Crowd::default()
    });
    let serving = simulator.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    policy(
        dir.path(),
        "again",
        "enforce",
        "      over: users\n\
         \x20     where: user.status == \"active\"\n\
         \x20     due: {field: user.verified_at, plus: 90d, if_empty: now}\n\
         \x20     run: weekly\n\
         \x20     on: sun\n\
         \x20     at: \"02:30\"\n\
         \x20     timezone: Europe/Berlin\n\
         \x20     at_most: 120\n",
        "steps:\n  - set: {user.verified_at: now}\n  - close: verified\n",
    );
    let connectors = || {
        let onelogin = Arc::new(onelogin(&serving.url, &clock));
        Connectors { identity: [("onelogin".to_owned(), onelogin as _)].into(), ..Connectors::default() }
    };
    let active = |id: &&i64| simulator.user(**id).unwrap()["status"] == 1;
    let active: BTreeSet<i64> = ids.iter().filter(active).copied().collect();
    assert!(active.len() < ids.len());
    let (mut proven, mut waited) = (0, 0);
    // Daylight saving time begins in between.
    for week in ["03-08T01", "03-15T01", "03-22T01", "03-29T01", "04-05T00", "06-14T00"] {
        let nominal = at(&format!("2026-{week}:{}:00Z", if week == "03-29T01" { "00" } else { "30" }));
        let before = verified(&simulator, &ids);
        let town = Town::open_with(dir.path(), &clock, connectors()).await;
        town.advance_to(nominal);
        let run = town.settled("again/1", nominal).await;
        assert_eq!((run.end.as_deref(), run.nominal), (Some("done"), nominal));
        let mut applied = town.engine.store().applied();
        while !town.engine.store().counts().unwrap().is_empty() {
            applied.changed().await.unwrap();
        }
        let since = |id: &i64| before[id].map_or(nominal, |verified| verified + TimeDelta::days(90));
        let mut due: Vec<i64> = active.iter().filter(|id| since(id) <= nominal).copied().collect();
        due.sort_by_key(since);
        assert_eq!((run.due, run.left), (due.len() as u64, due.len().saturating_sub(120) as u64));
        let after = verified(&simulator, &ids);
        let changed: BTreeSet<i64> = ids.iter().filter(|id| after[id] != before[id]).copied().collect();
        assert!(changed.iter().all(|id| after[id].is_some_and(|verified| verified >= nominal)));
        assert!(changed.iter().all(|id| due.contains(id)), "somebody was asked who is not due");
        assert_eq!((changed.len(), run.opened as usize), (due.len().min(120), due.len().min(120)));
        let last = changed.iter().map(since).max();
        let left = due.iter().filter(|id| !changed.contains(id)).map(since).min();
        assert!(last <= left.or(last), "somebody more overdue was left");
        proven += changed.len();
        waited += due.len() - changed.len();
        crate::world::past::reproduces_the_record(&town.engine);
        town.stop().await;
    }
    println!("proven={proven} waited={waited}");
    assert!(proven > 300 && waited > 20);
    let sets = simulator.ledger().records();
    let sets = sets.iter().filter(|record| record.applied && record.what.starts_with("user.")).count();
    assert_eq!(sets, proven, "each was written once");
}
