//! A sweep over a population, read page by page from a bare identity provider in this process. Compared with a bare
//! client that reads the same pages. In the middle the daemon is killed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use chrono::{TimeDelta, Timelike as _};
use proofd::engine::clock::System;
use proofd::model::Clock as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::daemon::{Daemon, Place, Setup};
use crate::process;

const SOME: usize = 100_000;
const MANY: usize = 1_000_000;
/// Speed of the clock: the run is planned some minutes after the start.
const FACTOR: i32 = 60;

struct Provider {
    people: usize,
    pages: AtomicUsize,
}

#[derive(Deserialize)]
struct Page {
    limit: usize,
    page: Option<usize>,
}

async fn serve(people: usize) -> (Arc<Provider>, String) {
    let provider = Arc::new(Provider { people, pages: AtomicUsize::new(0) });
    let token =
        || async { Json(json!({"access_token": "bench", "expires_in": 36_000, "token_type": "bearer"})) };
    let router = Router::new()
        .route("/auth/oauth2/v2/token", post(token))
        .route("/api/2/users", get(users))
        .route("/api/2/users/{id}", get(user))
        .fallback(|_: Uri| async { (StatusCode::OK, Json(json!({"data": [], "pagination": {}}))) })
        .with_state(Arc::clone(&provider));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    tokio::spawn(axum::serve(listener, router).into_future());
    (provider, here)
}

/// A user's record, by the place in the list.
fn row(id: usize) -> String {
    format!(
        r#"{{"id":{},"username":"p{id}","email":"p{id}@example.com","firstname":"Ada","lastname":"Tester","status":1,"state":1,"role_ids":[],"group_id":null,"department":"Sales","title":"Clerk","created_at":"2024-01-05T09:00:00.000Z","last_login":"2026-01-05T09:00:00.000Z","preferred_locale_code":null,"custom_attributes":{{"idv_verified_at":"2026-{:02}-05T09:00:00Z"}}}}"#,
        id + 1,
        id % 9 + 1
    )
}

async fn user(Path(id): Path<usize>) -> Response {
    ([("content-type", "application/json")], row(id - 1)).into_response()
}

async fn users(State(provider): State<Arc<Provider>>, Query(page): Query<Page>) -> Response {
    provider.pages.fetch_add(1, Ordering::Relaxed);
    let first = page.limit * (page.page.unwrap_or(1) - 1);
    let rows: Vec<String> = (first..(first + page.limit).min(provider.people)).map(row).collect();
    let headers =
        [("total-count", provider.people.to_string()), ("content-type", "application/json".to_owned())];
    (headers, format!("[{}]", rows.join(","))).into_response()
}

fn policy() -> String {
    let at = System.now() + TimeDelta::minutes(3);
    format!(
        r#"
format: 1
policy: proofing
title: Proof again
owner: team:iam-oncall
mode: shadow
subject: user
when:
  - sweep:
      over: users
      where: user.status == "active"
      due: {{field: user.verified_at, plus: 90d, if_empty: now}}
      run: daily
      at: "{:02}:{:02}"
      timezone: UTC
      at_most: 500
steps:
  - close: verified
"#,
        at.hour(),
        at.minute()
    )
}

pub async fn print(full: bool) {
    let people = if full { MANY } else { SOME };
    println!("\nA sweep over {people} people");
    let (provider, here) = serve(people).await;
    let bare = bare(&here, people).await;
    provider.pages.store(0, Ordering::Relaxed);
    let policy = policy();
    let setup = Setup { policy: Some(&policy), onelogin: Some(&here), ..Setup::default() };
    let daemon = Place::new(FACTOR, setup).await.start();
    let Some((took, cpu, before, most, _)) = swept(&daemon, usize::MAX).await else {
        return println!("  the sweep did not run; the end of the daemon's log:\n{}", daemon.log());
    };
    drop(daemon);
    println!(
        "  {:.1} s, {:.0} people/s; a bare client reads the pages in {:.1} s: {:.1} times",
        took.as_secs_f64(),
        people as f64 / took.as_secs_f64(),
        bare.as_secs_f64(),
        took.as_secs_f64() / bare.as_secs_f64()
    );
    println!(
        "  {:.1} µs of CPU a person; memory {before:.0} MiB before, at most {most:.0} MiB",
        cpu / people as f64
    );
    let whole = provider.pages.swap(0, Ordering::Relaxed);
    resumed(&provider, setup, people, whole).await;
}

/// Kills the daemon at half of the population. The selection begins again; a person is not looked at twice in a run.
async fn resumed(provider: &Provider, setup: Setup<'_>, people: usize, whole: usize) {
    let policy = policy();
    let daemon = Place::new(FACTOR, Setup { policy: Some(&policy), ..setup }).await.start();
    let process = daemon.child.id();
    let began = Instant::now();
    while provider.pages.load(Ordering::Relaxed) < whole / 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_secs(120), "process {process}: no sweep\n{}", daemon.log());
    }
    let daemon = daemon.kill().start();
    match swept(&daemon, people).await {
        Some((.., looked_at)) => println!(
            "  killed at half and started again: done, {looked_at} people, {:.2} times the pages",
            provider.pages.load(Ordering::Relaxed) as f64 / whole as f64
        ),
        None => println!("  killed at half: the sweep did not end\n{}", daemon.log()),
    }
}

/// Waits for the end of the run; returns its time, the CPU in microseconds, memory before and at most, and its people.
async fn swept(daemon: &Daemon, _people: usize) -> Option<(Duration, f64, f64, f64, u64)> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let process = daemon.child.id();
    let waiting = Instant::now();
    let mut began: Option<(Instant, Duration, f64)> = None;
    let mut most: f64 = 0.0;
    let mut number = 0;
    while waiting.elapsed() < Duration::from_secs(280) {
        number += 1;
        let answer = daemon.get(&http, number, "/v1/sweeps").send().await.ok()?;
        let page: Value = answer.json().await.ok()?;
        let line = &page["items"][0];
        let now = process::resident(process);
        if let Some(end) = line["past"].as_array().and_then(|past| past.first()) {
            let (at, cpu, before) = began.unwrap_or((waiting, Duration::ZERO, now));
            let cpu = (process::cpu(process) - cpu).as_secs_f64() * 1e6;
            return Some((at.elapsed(), cpu, before, most.max(now), end["looked_at"].as_u64()?));
        }
        if !line["run"].is_null() {
            began.get_or_insert((Instant::now(), process::cpu(process), now));
            most = most.max(now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

/// The same pages, read and parsed by a bare client.
async fn bare(url: &str, people: usize) -> Duration {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    for page in 1..=people.div_ceil(100) {
        let answer = http.get(format!("{url}/api/2/users?limit=100&page={page}")).send().await.unwrap();
        let rows: Vec<Value> = answer.json().await.unwrap();
        assert!(!rows.is_empty());
    }
    began.elapsed()
}
