//! Many small policies: memory, start, and the reload of one that changed while events arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::{Daemon, SOURCES};
use crate::{median, process};

const ROUNDS: usize = 5;

/// The next unused id of an event.
static NEXT: AtomicUsize = AtomicUsize::new(0);

pub async fn print() {
    println!("\nSmall policies, each with an event type, two clauses and a step");
    let none = measured(0).await;
    for count in [100, 1_000, 10_000] {
        let resident = measured(count).await;
        println!("          {:>7.1} KiB for each policy", (resident - none) * 1024.0 / count as f64);
    }
}

async fn measured(count: usize) -> f64 {
    let policies: Vec<_> = (0..count).map(policy).collect();
    let daemon = Daemon::running(&policies).await;
    let resident = process::resident(daemon.child.id());
    println!(
        "  {count:>6}: {resident:>7.1} MiB resident, listens after {:>7.0} ms",
        daemon.started_within.as_secs_f64() * 1e3
    );
    if count == 0 {
        return resident;
    }
    let calm = Events::begin(&daemon);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calm = calm.end().await;
    let events = Events::begin(&daemon);
    let (mut within, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (path, text) = policy(count / 2);
        let title = format!("Edited {round}");
        let before = process::cpu(daemon.child.id());
        let file = daemon.policies().join(path);
        std::fs::write(
            file,
            text.replace(&format!("title: Policy {}", count / 2), &format!("title: {title}")),
        )
        .unwrap();
        let written = Instant::now();
        while daemon.title(&format!("waits-{}", count / 2)).await != title {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        within.push(written.elapsed().as_secs_f64() * 1e3);
        // The rest of the reload, and the next edit is seen alone.
        tokio::time::sleep(Duration::from_millis(500)).await;
        cpu.push((process::cpu(daemon.child.id()) - before).as_secs_f64() * 1e3);
    }
    let busy = events.end().await;
    println!(
        "          one edited policy is active {:>5.0} ms after the write ({:.0} ms of CPU, events included)",
        median(within),
        median(cpu)
    );
    println!(
        "          slowest of the events meanwhile {:>5.1} ms, and without a reload {:>5.1} ms (99 % within {:.1} and {:.1} ms)",
        busy[busy.len() - 1],
        calm[calm.len() - 1],
        busy[busy.len() * 99 / 100],
        calm[calm.len() * 99 / 100]
    );
    resident
}

/// Events that arrive all the time, and how long each answer took.
struct Events {
    stop: Arc<AtomicBool>,
    sending: tokio::task::JoinHandle<Vec<f64>>,
}

impl Events {
    fn begin(daemon: &Daemon) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, url) = (Arc::clone(&stop), format!("http://{}/v1/events", daemon.address));
        let sending = tokio::spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut latencies = Vec::new();
            // Requests are limited per token.
            let mut tokens = (0..SOURCES).cycle();
            while !stopped.load(Ordering::Relaxed) {
                let event = json!({
                    "specversion": "1.0", "id": NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
                    "source": "/bench", "type": "com.example.kind0", "subject": "a1",
                    "subjecttype": "applicant", "data": {"email": "a1@example.com", "level": 1}
                });
                let token = tokens.next().unwrap_or_default();
                let begun = Instant::now();
                let answer = http
                    .post(&url)
                    .header("authorization", format!("Bearer t-source-of-the-bench-{token}"))
                    .header("content-type", "application/cloudevents+json")
                    .body(event.to_string());
                let answer = answer.send().await.unwrap();
                assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
                latencies.push(begun.elapsed().as_secs_f64() * 1e3);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            latencies.sort_by(f64::total_cmp);
            latencies
        });
        Self { stop, sending }
    }

    async fn end(self) -> Vec<f64> {
        self.stop.store(true, Ordering::Relaxed);
        self.sending.await.unwrap()
    }
}

impl Daemon {
    /// The title of an active policy.
    async fn title(&self, policy: &str) -> String {
        let url = format!("http://{}/v1/explain?subject=applicant/x&policy={policy}", self.address);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer =
            http.get(url).header("authorization", "Bearer t-admin-of-the-bench").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["items"][0]["title"].as_str().unwrap_or_default().to_owned()
    }
}

fn policy(number: usize) -> (String, String) {
    let text = format!(
        "format: 1\npolicy: waits-{number}\ntitle: Policy {number}\nowner: team:iam-oncall\nmode: enforce\n\
         subject: applicant\nwhen:\n  - event: custom.com.example.kind{number}\nif:\n\
         \x20 - event.data.level >= settings.threshold\n  - applicant.last_name != \"Operator {number}\"\n\
         settings:\n  threshold: 95\nsteps:\n  - close: done\n"
    );
    (format!("waits-{number}/policy.yaml"), text)
}
