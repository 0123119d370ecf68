//! Events that lead nowhere: of 1,000 policies ten look at a sign-in, and none opens a case. What an event costs, what
//! stays of it, and how long an explanation takes. `PROOFD_EVENTS` sets how many there are.

use std::path::Path;
use std::time::{Duration, Instant};

use proofd::simulate::onelogin::Crowd;
use serde_json::{Value, json};

use crate::daemon::{Daemon, SOURCES};
use crate::{load, median, process};

const POLICIES: usize = 1_000;
/// Policies that look at each event.
const LOOK: usize = 10;
/// Events of one request.
const BATCH: usize = 100;
/// People who sign in, and one more who signs in last.
const PEOPLE: u32 = 2_000;
/// What a million events a day may leave in 90 days.
const BYTES_AN_EVENT: f64 = 60e9 / 90e6;

pub async fn print() {
    let events = std::env::var("PROOFD_EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(20_000);
    println!("\n{events} events that ten of {POLICIES} policies look at and none takes, {BATCH} a request");
    measured("sign-ins, whose person is read at the identity provider", Kind::SignIn, events).await;
    measured("events about applicants, whom nobody reads", Kind::Applicant, events).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SignIn,
    Applicant,
}

async fn measured(what: &str, kind: Kind, events: usize) {
    let daemon = Daemon::running(&policies()).await;
    let people: Vec<String> = match kind {
        Kind::SignIn => {
            let crowd = Crowd { count: PEOPLE + 1, ..Crowd::default() };
            daemon.town.onelogin.gather(&crowd).into_iter().map(|id| id.to_string()).collect()
        }
        Kind::Applicant => (0..=PEOPLE).map(|number| format!("a{number}")).collect(),
    };
    let process = daemon.child.id();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (before, resident, begun) = (process::cpu(process), process::resident(process), Instant::now());
    let (last, people) = people.split_last().unwrap();
    let mut most: f64 = resident;
    for first in (0..events - 1).step_by(BATCH) {
        let numbers = first..(first + BATCH).min(events - 1);
        let batch = numbers.map(|number| event(kind, &people[number % people.len()], number)).collect();
        send(&http, &daemon, kind, first / BATCH, batch).await;
        if first % (events / 20 / BATCH * BATCH).max(BATCH) == 0 {
            most = most.max(process::resident(process));
        }
    }
    send(&http, &daemon, kind, 0, vec![event(kind, last, events)]).await;
    let (one, other) = match kind {
        Kind::SignIn => ("&policy=looks-0", "&policy=looks-3"),
        Kind::Applicant => ("&policy=applicant-looks-0", "&policy=applicant-looks-3"),
    };
    while explained(&http, &daemon, kind, last, one).await.0["verdict"] != "clause" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    let cpu = process::cpu(process) - before;
    // What is written behind the journal.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = process::resident(process);
    let (journal, _) = daemon.journal();
    let state = bytes(&daemon.store().join("state"));
    let each = |bytes: usize| bytes as f64 / events as f64;
    println!("  {what}");
    println!(
        "    {:>7.3} ms of CPU an event; {:.0} events/s; resident {resident:.0} MiB before, {most:.0} at most, {after:.0} after",
        cpu.as_secs_f64() * 1e3 / events as f64,
        events as f64 / took
    );
    println!(
        "    {:>7.0} bytes of journal and {:.0} of state an event, {:.1} times what 60 GB are for a million a day over 90 days",
        each(journal),
        each(state),
        (each(journal) + each(state)) / BYTES_AN_EVENT
    );
    for (what, more) in [("one policy", other), ("every policy", "")] {
        let mut rounds = Vec::new();
        for number in 0..21 {
            let person = &people[number * 7 % people.len()];
            let (first, within) = explained(&http, &daemon, kind, person, more).await;
            assert!(first["revision"].is_string(), "{first}");
            rounds.push(within.as_secs_f64() * 1e3);
        }
        println!("    {:>7.2} ms for an explanation of {what}", median(rounds));
    }
}

/// Sends a request. Requests are limited per token: `turn` chooses one.
async fn send(http: &reqwest::Client, daemon: &Daemon, kind: Kind, turn: usize, events: Vec<Value>) {
    let address = &daemon.address;
    let request = match kind {
        Kind::SignIn => http
            .post(format!("http://{address}{}", load::PATH))
            .header("authorization", load::SECRET)
            .header("content-type", "application/json"),
        Kind::Applicant => http
            .post(format!("http://{address}/v1/events"))
            .header("authorization", format!("Bearer t-source-of-the-bench-{}", turn % SOURCES))
            .header("content-type", "application/cloudevents-batch+json"),
    };
    let answer = request.body(Value::from(events).to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// The first line of an explanation, and how long it took.
async fn explained(
    http: &reqwest::Client,
    daemon: &Daemon,
    kind: Kind,
    person: &str,
    more: &str,
) -> (Value, Duration) {
    let word = if kind == Kind::SignIn { "user" } else { "applicant" };
    let url = format!("http://{}/v1/explain?subject={word}/{person}{more}", daemon.address);
    let begun = Instant::now();
    let answer = http.get(url).header("authorization", "Bearer t-admin-of-the-bench").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    (answer["items"][0].clone(), begun.elapsed())
}

/// An event of a person; `number` makes it unique.
fn event(kind: Kind, person: &str, number: usize) -> Value {
    let at = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(1_767_600_000 + number as i64);
    match kind {
        Kind::SignIn => {
            let uuid = format!(
                "{:08x}-6c3f-4e55-9d0b-{:012x}",
                number.wrapping_mul(2_654_435_761) % (1 << 32),
                number
            );
            json!({
                "create": {"_id": uuid}, "uuid": uuid,
                "event_timestamp": at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                "account_id": 118_223, "event_type_id": 5, "user_id": person.parse::<i64>().unwrap(),
                "user_name": format!("Person {person}"), "actor_user_id": null, "actor_user_name": null,
                "actor_system": "", "role_id": null, "role_name": null,
                "notes": "Signed in from a known browser", "risk_score": number * 31 % 60,
                "risk_reasons": "Known device, usual place",
                "ipaddr": format!("203.0.{}.{}", number * 7 % 256, number * 13 % 256),
                "custom_message": null, "client_id": null, "app_id": null, "app_name": null, "group_id": null,
                "policy_id": 48_813, "policy_name": "Employees", "directory_id": null, "proxy_ip": null,
                "resolution": null
            })
        }
        Kind::Applicant => json!({
            "specversion": "1.0", "id": format!("{number}"), "source": "/bench", "time": at.to_rfc3339(),
            "type": "com.example.signed_in", "subject": person, "subjecttype": "applicant",
            "data": {
                "id": person, "email": format!("{person}@example.com"), "first_name": "Maria",
                "last_name": format!("Musterfrau {person}"), "level": number * 31 % 60,
                "notes": "Signed in from a known browser", "ip": format!("203.0.{}.{}", number * 7 % 256, number * 13 % 256)
            }
        }),
    }
}

/// Ten policies look at each kind of event; the others wait for events that do not come.
fn policies() -> Vec<(String, String)> {
    (0..POLICIES)
        .map(|number| {
            let (name, subject, event, clauses) = if number < LOOK {
                (format!("looks-{number}"), "user", "login.risk".to_owned(), format!(
                    "  - event.score >= settings.threshold\n  - user.status == \"active\" || user.title == \"Operator {number}\"\n"
                ))
            } else if number < 2 * LOOK {
                (format!("looks-{}", number - LOOK), "applicant", "custom.com.example.signed_in".to_owned(), format!(
                    "  - event.data.level >= settings.threshold\n  - applicant.last_name != \"Operator {number}\"\n"
                ))
            } else {
                (format!("waits-{number}"), "applicant", format!("custom.com.example.kind{number}"), format!(
                    "  - event.data.level >= settings.threshold\n  - applicant.last_name != \"Operator {number}\"\n"
                ))
            };
            let name = if subject == "applicant" && number < 2 * LOOK { format!("applicant-{name}") } else { name };
            let text = format!(
                "format: 1\npolicy: {name}\ntitle: Policy {number}\nowner: team:iam-oncall\nmode: enforce\n\
                 subject: {subject}\nwhen:\n  - event: {event}\nif:\n{clauses}settings:\n  threshold: 95\n\
                 steps:\n  - close: done\n"
            );
            (format!("{name}/policy.yaml"), text)
        })
        .collect()
}

fn bytes(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes(&entry.path()),
            Ok(metadata) => usize::try_from(metadata.len()).unwrap_or(0),
            Err(_) => 0,
        })
        .sum()
}
