//! Waiting cases: what they cost while they wait, how soon the daemon goes on after a start, how long its listings take,
//! and how long the state is built from the journal.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use proofd::engine::clock::System;
use proofd::model::Clock as _;
use tokio::task::JoinSet;

use crate::daemon::{Daemon, Place, Setup};
use crate::{built, daemon, process};

/// Opened over the daemon's API; more are built with its decision code, which takes a fraction of the time.
const BY_EVENTS: usize = 10_000;
const SIZES: [usize; 2] = [10_000, 100_000];
const LARGEST: usize = 1_000_000;
/// Requests of each kind.
const READS: usize = 200;

/// The steps of a case that waits.
const STEPS: &str = r#"
  - id: back
    wait: {for: custom.com.example.back, answer_within: 30d}
    outcomes:
      happened:
        - close: done
      timed_out:
        - close: too_late
"#;

pub async fn print(full: bool, waiting: bool, rebuild: bool) {
    println!("\nWaiting cases");
    let none = empty().await;
    println!("  none: {none:.1} MiB resident");
    let sizes = SIZES.into_iter().chain(full.then_some(LARGEST));
    for count in sizes {
        let place = filled(count).await;
        let place = if waiting { measured(place, count, none).await } else { place };
        if rebuild {
            rebuilt(place, count);
        }
    }
    if !full {
        println!("  `cargo bench -- waiting --full` adds {LARGEST} cases");
    }
}

/// A daemon that is not started yet, with the policy.
async fn prepared() -> Place {
    let policy = daemon::policy("proofing", "A wait", "started", STEPS);
    Place::new(1, Setup { policy: Some(&policy), ..Setup::default() }).await
}

async fn empty() -> f64 {
    let daemon = prepared().await.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    process::resident(daemon.child.id())
}

/// A stopped daemon with waiting cases. The last one's time is over.
async fn filled(count: usize) -> Place {
    let place = prepared().await;
    let now = System.now();
    let opened_at = move |number: usize| {
        if number + 1 == count {
            return now - TimeDelta::days(30);
        }
        now - TimeDelta::seconds(20 * 86_400 * number as i64 / count as i64)
    };
    let began = Instant::now();
    built::fill(place.path(), count, opened_at).await;
    println!("  {count:>9} cases, built in {:.1} s by the decision code", began.elapsed().as_secs_f64());
    if count > BY_EVENTS {
        return place;
    }
    // The same number once more over the API, for its own costs.
    let daemon = prepared().await.start();
    let (before, began) = (process::cpu(daemon.child.id()), Instant::now());
    open(&daemon, count).await;
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = (process::cpu(daemon.child.id()) - before).as_secs_f64() * 1e3 / count as f64;
    println!("            opened by events: {:.0} cases/s, {cpu:.2} ms of CPU each", count as f64 / elapsed);
    place
}

async fn open(daemon: &Daemon, count: usize) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut posts = JoinSet::new();
    for number in 0..count {
        posts.spawn(daemon.tell(&http, "started", number).send());
        if posts.len() >= 64 {
            assert!(posts.join_next().await.unwrap().unwrap().unwrap().status().is_success());
        }
    }
    posts.join_all().await;
    while counted(daemon, &http, "proofd_cases_opened_total").await < count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The sum of a counter in the daemon's metrics.
async fn counted(daemon: &Daemon, http: &reqwest::Client, name: &str) -> usize {
    let url = format!("http://{}/metrics", daemon.address);
    let answer = http.get(url).bearer_auth("t-admin-of-the-bench").send().await;
    let text = answer.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as usize
}

async fn measured(place: Place, count: usize, none: f64) -> Place {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let daemon = place.start();
    let ready = daemon.started_within;
    let began = Instant::now();
    while counted(&daemon, &http, "proofd_cases_closed_total").await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_secs(60), "the due case does not go on\n{}", daemon.log());
    }
    let first = began.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resident = process::resident(daemon.child.id());
    println!(
        "            ready after {:.2} s, the first due case goes on {:.0} ms later",
        ready.as_secs_f64(),
        first.as_secs_f64() * 1e3
    );
    reads(&daemon, &http, count).await;
    let after = process::resident(daemon.child.id());
    let place = daemon.stop();
    let each = |bytes: u64| bytes as f64 / count as f64;
    println!(
        "            {resident:.1} MiB resident, {:.1} more than with none ({:.0} bytes a case; {:.1} more after the reads)",
        resident - none,
        (resident - none) * f64::from(1 << 20) / count as f64,
        after - none
    );
    println!(
        "            {:.0} bytes of disk a case: {:.0} of journal, {:.0} of state",
        each(place.bytes("")),
        each(place.bytes("journal")),
        each(place.bytes("state"))
    );
    place
}

/// Latencies of the listings, one request after the other.
async fn reads(daemon: &Daemon, http: &reqwest::Client, count: usize) {
    let ids = ids(daemon, http).await;
    let some = |number: usize| (number * 7_919) % count;
    let kinds: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("list page", &|number| format!("/v1/cases?limit={}", 40 + number % 11)),
        ("search", &|number| format!("/v1/cases?text=p{}%40partner.test", some(number))),
        ("look-up by subject", &|number| format!("/v1/cases?subject={}", some(number))),
        ("case page", &|number| format!("/v1/cases/{}", ids[number % ids.len()])),
    ];
    for (what, path) in kinds {
        let (mut took, began) = (Vec::new(), Instant::now());
        for number in 0..READS {
            let begun = Instant::now();
            let answer = daemon.get(http, number, &path(number)).send().await.unwrap();
            assert!(answer.status().is_success(), "{what}: {}", answer.status());
            drop(answer.bytes().await.unwrap());
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            if began.elapsed() > Duration::from_secs(20) {
                break;
            }
        }
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
        println!("            {what:<19} p50 {:>7.2} ms   p99 {:>7.2} ms", at(0.5), at(0.99));
    }
}

async fn ids(daemon: &Daemon, http: &reqwest::Client) -> Vec<String> {
    let answer = daemon.get(http, 0, "/v1/cases?limit=50").send().await.unwrap();
    let page: serde_json::Value = answer.json().await.unwrap();
    page["items"].as_array().unwrap().iter().map(|case| case["id"].as_str().unwrap().to_owned()).collect()
}

/// Removes the state and starts: it is built from the journal. Compared with reading the same files once.
fn rebuilt(place: Place, count: usize) {
    let began = Instant::now();
    let bytes: usize = std::fs::read_dir(place.path().join("store/journal"))
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap().len())
        .sum();
    let read = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(place.path().join("store/state")).unwrap();
    let daemon = place.start();
    let took = daemon.started_within.as_secs_f64();
    println!(
        "            state rebuilt and ready after {took:.1} s, {:.0} cases/s, {:.0} times as long as reading {:.0} MiB of journal",
        count as f64 / took,
        took / read,
        bytes as f64 / f64::from(1 << 20)
    );
}
