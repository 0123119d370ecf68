//! Whole registrations: an event by webhook, the invitation by mail, the press of the button, the start at the vendor,
//! its callback, the result, the approval. The approval is read before and after it is written. Every system that the
//! daemon uses is simulated in this process, on real sockets and without latency.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::jumio::Script;
use proofd::simulate::town::Town;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::daemon::Daemon;
use crate::{flow, median, process};

/// Speed of the clock. The daemon limits its requests to the vendor to 12 reads a second, and a faster clock keeps
/// that limit out of the measurement. A much faster one would count the daemon's regular polls, which also become
/// more frequent, as work of cases.
const FACTOR: i32 = 20;
const ROUNDS: usize = 3;
const FEW: usize = 150;
/// Cases of the ceiling in a round: about one second of work.
const FLOWS: usize = 5_000;
/// The larger round is omitted if it would take longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// People who press the button at the same moment: the daemon limits the connections of one address.
const PRESS_AT_ONCE: usize = 64;

/// The cost of a number of registrations.
#[derive(Debug, Clone, Copy)]
struct Took {
    cases: f64,
    elapsed: Duration,
    cpu: Duration,
    bytes: f64,
    syncs: f64,
    resident: f64,
}

pub async fn print() {
    println!("\nWhole registrations, from the event to the approval read back, against local simulators");
    let (mut bare, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(flow::run(FLOWS).await);
        rounds.push(registrations(FEW).await.expect("a few cases end in time"));
    }
    let cases = FLOWS as f64;
    let rate = median(bare.iter().map(|(elapsed, _)| cases / elapsed.as_secs_f64()));
    let cpu = median(bare.iter().map(|(_, cpu)| cpu.as_secs_f64() * 1e3 / cases));
    println!(
        "  ceiling: {rate:>8.0} cases/s   {cpu:>5.2} ms of its CPU (event, request, wait, call back, request; 4 lines on disk a case)"
    );
    let few = row(&rounds);
    println!(
        "  ratio    {:>8.2} % of the ceiling's cases/s; CPU {:.0} times the ceiling's a case",
        few[0] / rate * 100.0,
        few[1] / cpu
    );
    let expected = Duration::from_secs_f64(FEW as f64 * 10.0 / few[0] * 1.5);
    if expected > PATIENCE {
        println!("  ten times as many would take about {} s and are left out", expected.as_secs());
        return;
    }
    let Some(many) = registrations(FEW * 10).await else {
        println!("  ten times as many did not end within {} s: the cost of a case grows", PATIENCE.as_secs());
        return;
    };
    let many = row(&[many]);
    println!(
        "  ten times the cases: {:.2} times the CPU and {:.2} times the journal a case",
        many[1] / few[1],
        many[2] / few[2]
    );
}

fn row(rounds: &[Took]) -> [f64; 3] {
    let middle = |of: &dyn Fn(&Took) -> f64| median(rounds.iter().map(of));
    let rate = middle(&|took| took.cases / took.elapsed.as_secs_f64());
    let cpu = middle(&|took| took.cpu.as_secs_f64() * 1e3 / took.cases);
    let bytes = middle(&|took| took.bytes / took.cases);
    println!(
        "  {:>5} cases: {rate:>6.0} cases/s   {cpu:>5.2} ms of the daemon's CPU   {bytes:>6.0} bytes of journal   {:>4.1} fdatasyncs a case   {:>5.1} MiB resident",
        rounds.first().map_or(0.0, |took| took.cases),
        middle(&|took| took.syncs / took.cases),
        middle(&|took| took.resident),
    );
    [rate, cpu, bytes]
}

/// Runs registrations. None: not all of them ended in time; the end of the daemon's log is then printed.
async fn registrations(count: usize) -> Option<Took> {
    let daemon = Daemon::start(FACTOR).await;
    let process = daemon.child.id();
    let (bytes, syncs) = daemon.journal();
    let before = process::cpu(process);
    let began = Instant::now();
    let template = Applicant::new("", "Tester", "").unwrap();
    let mut letters = BTreeMap::new();
    let mut people = JoinSet::new();
    let turns = Arc::new(Semaphore::new(PRESS_AT_ONCE));
    for number in 0..count {
        let (send, letter) = oneshot::channel();
        let email = format!("p{number}@partner.test");
        letters.insert(email.clone(), send);
        let mut who = template.clone();
        who.first_name = format!("Person{number}");
        who.email = email;
        people.spawn(live(Arc::clone(&daemon.town), who, letter, Arc::clone(&turns)));
    }
    let post = tokio::spawn(deliver(Arc::clone(&daemon.town), letters));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let worked = async {
        people.join_all().await;
        while closed(&client, &daemon.address).await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, worked).await.is_err() {
        println!("  not all of {count} cases ended; the end of the daemon's log:\n{}", daemon.log());
        post.abort();
        return None;
    }
    let elapsed = began.elapsed();
    post.abort();
    let cpu = process::cpu(process) - before;
    let after = daemon.journal();
    Some(Took {
        cases: count as f64,
        elapsed,
        cpu,
        bytes: (after.0 - bytes) as f64,
        syncs: (after.1 - syncs) as f64,
        resident: process::resident(process),
    })
}

/// Runs one person, who acts without delay.
async fn live(town: Arc<Town>, who: Applicant, letter: oneshot::Receiver<String>, turns: Arc<Semaphore>) {
    who.register(&town).unwrap();
    let link = letter.await.unwrap();
    let began = Instant::now();
    loop {
        let turn = turns.acquire().await.unwrap();
        let led = who.press(&town, &link).await;
        drop(turn);
        match led {
            Ok(Led::Vendor { execution }) => return who.prove(&town, &execution, Script::default()).unwrap(),
            // The session was not ready within the patience of a page. It shows when to look again; so does the person.
            Ok(Led::Page(status, text)) if began.elapsed() > PATIENCE => {
                panic!("the link led to a page: {status} {}", said(&text))
            }
            Err(error) if began.elapsed() > PATIENCE => panic!("the link does not answer: {error:?}"),
            Ok(Led::Page(..)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The words of a page's main part.
fn said(page: &str) -> String {
    let main = page.split_once("<main").map_or(page, |(_, main)| main);
    main.split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| text.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Passes each person the link in their mail.
async fn deliver(town: Arc<Town>, mut letters: BTreeMap<String, oneshot::Sender<String>>) {
    let mut seen = 0;
    while !letters.is_empty() {
        let mails = town.mailbox.mails_after(seen);
        for mail in &mails {
            let link = mail.links.iter().find(|link| link.contains("/v/"));
            if let (Some(link), Some(person)) = (link, letters.remove(&mail.to)) {
                drop(person.send(link.clone()));
            }
        }
        seen += mails.len();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The number of closed cases in the daemon's metrics.
async fn closed(client: &reqwest::Client, address: &str) -> usize {
    let url = format!("http://{address}/metrics");
    let text =
        client.get(url).bearer_auth("t-admin-of-the-bench").send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("proofd_cases_closed_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}
