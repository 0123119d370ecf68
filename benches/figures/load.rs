//! Sends prepared event bytes over many persistent connections. The client is cheap, because it shares the
//! machine with the measured program. Both sides are measured with the same client.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub const PATH: &str = "/hooks/onelogin";
pub const SECRET: &str = "Bearer sim-webhook";

/// Ten digits at a fixed position, which make each event unique.
const FIRST_USER: u64 = 1_000_000_000;
const USER: &str = "1000000000";
/// A login as the broadcaster sends it; no policy here reacts to logins.
const EVENT: &str = r#"{"create":{"_id":"2f1c9d06-6c3f-4e55-9d0b-0f3f6f6a7b11"},"uuid":"2f1c9d06-6c3f-4e55-9d0b-0f3f6f6a7b11","event_timestamp":"2026-01-05 09:00:00 UTC","account_id":118223,"event_type_id":5,"user_id":1000000000,"user_name":"Maria Musterfrau","actor_user_id":null,"actor_user_name":null,"actor_system":"","role_id":null,"role_name":null,"notes":"Signed in from a known browser","risk_score":12,"risk_reasons":"Known device, usual place","ipaddr":"203.0.113.17","custom_message":null,"client_id":null,"app_id":null,"app_name":null,"group_id":null,"policy_id":48813,"policy_name":"Employees","directory_id":null,"proxy_ip":null,"resolution":null}"#;

/// The next unused id of this run.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Parameters of the load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub connections: u32,
    /// Events per request.
    pub batch: usize,
    pub window: Duration,
    /// Requests per second over all connections; none: as many as are answered.
    pub rate: Option<f64>,
}

/// The result of a measurement.
#[derive(Debug, Clone)]
pub struct Measured {
    pub events: usize,
    pub seconds: f64,
    /// Sorted, in milliseconds.
    latencies: Vec<f64>,
}

impl Measured {
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    pub fn quantile(&self, share: f64) -> f64 {
        let at = (self.latencies.len().saturating_sub(1) as f64 * share).round() as usize;
        self.latencies.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Size of one event in bytes.
pub fn event_bytes() -> usize {
    EVENT.len()
}

pub async fn drive(address: &str, load: Load) -> Measured {
    let started = Instant::now();
    let mut connections = JoinSet::new();
    for number in 0..load.connections {
        connections.spawn(connection(address.to_owned(), load, number, started));
    }
    let mut latencies: Vec<f64> = connections.join_all().await.into_iter().flatten().collect();
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_by(f64::total_cmp);
    Measured { events: latencies.len() * load.batch, seconds, latencies }
}

async fn connection(address: String, load: Load, number: u32, started: Instant) -> Vec<f64> {
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut request = Request::new(load.batch);
    let mut latencies = Vec::new();
    let gap = load.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
    // Connections send in turn.
    let mut due = started + gap.unwrap_or_default() * number;
    loop {
        if let Some(gap) = gap {
            tokio::time::sleep_until(due.into()).await;
            due += gap * load.connections;
        }
        if started.elapsed() >= load.window {
            return latencies;
        }
        request.renumber();
        let begun = Instant::now();
        socket.write_all(&request.bytes).await.unwrap();
        answer(&mut socket).await;
        latencies.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
}

/// A request whose event numbers are replaced in place.
struct Request {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Request {
    fn new(batch: usize) -> Self {
        let body = format!("[{}]", vec![EVENT; batch].join(","));
        let text = format!(
            "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: {SECRET}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let places = text.match_indices(USER).map(|(at, _)| at).collect();
        Self { bytes: text.into_bytes(), places }
    }

    fn renumber(&mut self) {
        let first = NEXT.fetch_add(self.places.len() as u64, Ordering::Relaxed);
        for (place, number) in self.places.iter().zip(FIRST_USER + first..) {
            let mut rest = number;
            for at in (*place..place + USER.len()).rev() {
                self.bytes[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }
}

/// Reads one answer to its end; it must be a 200.
async fn answer(socket: &mut TcpStream) {
    let mut bytes = [0_u8; 4096];
    let mut have = 0;
    loop {
        let read = socket.read(&mut bytes[have..]).await.unwrap();
        assert!(read > 0, "the connection ended");
        have += read;
        let text = std::str::from_utf8(&bytes[..have]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if body.len() >= length {
            return;
        }
    }
}
