//! What an unauthenticated client can hold or send: on raw sockets, because an ordinary client would not do it.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use futures::StreamExt as _;
use proofd::http::{AppState, Bounds, Needs};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::limits::House;
use crate::world::World;

/// A timeout for immediate answers on a busy machine.
const SOON: Duration = Duration::from_secs(60);

async fn connect(to: SocketAddr, from: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from)), 0))?;
    socket.connect(to).await
}

/// Reads until the other side closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the other side ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Sends the start of a request and reads the answer, without sending more.
async fn begin(to: SocketAddr, text: &str) -> String {
    begin_from(1, to, text).await
}

async fn begin_from(from: u8, to: SocketAddr, text: &str) -> String {
    let mut stream = connect(to, from).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_reads_an_unauthenticated_body() {
    let house = House::open_within(Bounds { body_within: SOON * 2, ..Bounds::default() }).await;
    let to = house.listening.address;
    let mut posts = 0;
    for (route, from) in AppState::routes().into_iter().zip(1..) {
        let path = route.path.replace(['{', '}'], "x");
        let expected = match route.needs {
            Needs::Nothing => 200,
            Needs::Role(_) | Needs::Webhook => 401,
            // Only the body of a hint names its case; a body larger than an id is refused unread.
            Needs::Link | Needs::Hint | Needs::Return => 404,
            Needs::Page(_) | Needs::SignIn => panic!("the pages are in tests/console"),
        };
        for token in ["", "Authorization: Bearer wrong\r\n"] {
            for length in ["Content-Length: 13000000\r\n", "Transfer-Encoding: chunked\r\n"] {
                if route.needs == Needs::Hint && length.starts_with('T') {
                    continue;
                }
                let head = format!("{} {path} HTTP/1.1\r\nHost: x\r\n{token}{length}\r\n", route.method);
                // From another address each time: another test covers the limit per address.
                let answer = begin_from(from, to, &format!("{head}1")).await;
                assert_eq!(status(&answer), Some(expected), "{} {path} {token}{length}", route.method);
            }
        }
        posts += usize::from(route.method == Method::POST);
    }
    assert!(posts > 15, "{posts}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_bodies_are_bounded_in_size_and_time() {
    let bounds = Bounds {
        header_within: Duration::from_millis(300),
        body_within: Duration::from_millis(300),
        ..Bounds::default()
    };
    let house = House::open_within(bounds).await;
    let to = house.listening.address;
    let line = |name: &str, bytes: usize| format!("{name}: {}\r\n", "x".repeat(bytes));
    let many = |count: usize| (0..count).map(|number| format!("h{number}: x\r\n")).collect::<String>();
    let known = "POST /v1/explain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t-ada\r\n";
    let rows: Vec<(&str, String, Option<u16>)> = vec![
        ("nothing at all", String::new(), None),
        ("half a header", "GET /livez HTTP/1.1\r\nHost: x\r\n".to_owned(), None),
        ("a long header", format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}", line("x", 40 << 10)), Some(431)),
        ("a long line", format!("GET /livez HTTP/1.1\r\n{}", line("x", 31 << 10).repeat(2)), Some(431)),
        ("many headers", format!("GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n", many(200)), Some(431)),
        ("a body that stops", format!("{known}Content-Length: 900\r\n\r\n{{\"subject\""), Some(408)),
        ("chunks that stop", format!("{known}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"), Some(408)),
        ("too much", format!("{known}Content-Length: 1048577\r\n\r\n"), Some(413)),
        ("a link's body", "POST /v/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".to_owned(), Some(404)),
    ];
    for (what, text, expected) in rows {
        let answer = begin(to, &text).await;
        assert_eq!(status(&answer), expected, "{what}: {answer}");
    }
    // A slow client whose parts each arrive in time.
    let mut stream = connect(to, 1).await.unwrap();
    stream
        .write_all(
            format!(
                "{known}Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{"
            )
            .as_bytes(),
        )
        .await
        .unwrap();
    stream.write_all(b"}").await.unwrap();
    assert_eq!(status(&rest(&mut stream).await), Some(422));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_large_body_receives_the_refusal() {
    let house = House::open_within(Bounds::default()).await;
    let to = house.listening.address;
    let body = vec![b'x'; 13_000_000];
    let head = "POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 13000000\r\n\r\n";
    let answers = futures::stream::iter(0..24).map(|_| async {
        let mut stream = connect(to, 1).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        status(&rest(&mut stream).await)
    });
    let answers: Vec<_> = answers.buffer_unordered(24).collect().await;
    assert_eq!(answers, vec![Some(401); 24]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_client_keeps_its_connection_under_a_flood() {
    let house = House::open_within(Bounds { in_all: 40, per_address: 20, ..Bounds::default() }).await;
    let to = house.listening.address;
    // A request of a known client in progress, without its body yet.
    let mut known = connect(to, 1).await.unwrap();
    let head = "POST /v1/explain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t-ada\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    known.write_all(head.as_bytes()).await.unwrap();
    // An answer to the same client shows that the first request was read.
    assert_eq!(
        status(
            &begin(to, "GET /v1/cases HTTP/1.1\r\nAuthorization: Bearer t-ada\r\nConnection: close\r\n\r\n")
                .await
        ),
        Some(200)
    );
    let mut held = Vec::new();
    for number in 0..400_u32 {
        let from = u8::try_from(1 + number % 20).unwrap();
        let mut stream = connect(to, from).await.unwrap();
        // The write fails if the connection was already closed.
        let _ = stream.write_all(b"POST /v1/plan HTTP/1.1\r\nHost: x\r\nX").await;
        held.push(stream);
        if number % 50 == 0 {
            let alive = begin(to, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            assert_eq!(status(&alive), Some(200), "after {number}: {alive}");
        }
    }
    // The oldest unauthenticated connections were closed.
    assert_eq!(rest(&mut held[0]).await, "");
    known.write_all(b"{}").await.unwrap();
    assert_eq!(status(&rest(&mut known).await), Some(422));
    house.close().await;
}

/// Resident memory of a process, in MiB, and its open descriptors.
fn size(process: u32) -> (u64, usize) {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (kib >> 10, std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count())
}

async fn polled_at(world: &World) -> Option<f64> {
    let text = world.http().get(format!("{}/metrics", world.url)).send().await.ok()?.text().await.ok()?;
    let line = text.lines().find(|line| line.starts_with("proofd_source_polled_timestamp_seconds{"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The number of descriptors that this process may open, up to 20,000.
fn half_open() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap().saturating_sub(1_000).clamp(100, 20_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_requests_do_not_block_other_clients() {
    let mut world = World::new(60, Path::new("policies"), "").await;
    world.start();
    let (before, _) = size(world.process());
    let to: SocketAddr = world.url.strip_prefix("http://").unwrap().parse().unwrap();
    let count = half_open();
    // The first half from one address, the others from many: half a header, or a header without its body.
    let held = futures::stream::iter(0..count).map(|number| async move {
        let from = if number < count / 2 { 1 } else { u8::try_from(2 + number % 200).unwrap() };
        let mut stream = connect(to, from).await.ok()?;
        let text = match number % 3 {
            0 => "POST /v1/plan HTTP/1.1\r\nHost: x\r\nX-Slow: ",
            1 => "POST /hooks/jumio/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{",
            _ => "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{",
        };
        stream.write_all(text.as_bytes()).await.ok()?;
        Some(stream)
    });
    let held: Vec<_> = held.buffer_unordered(200).filter_map(std::future::ready).collect().await;
    let mut polled = polled_at(&world).await;
    for round in 0..3 {
        let alive = world.http().get(format!("{}/livez", world.url)).send().await.unwrap();
        assert_eq!(alive.status(), StatusCode::OK, "round {round}");
        let (status, report) = world.post("/v1/policies/reload", serde_json::json!({})).await;
        assert_eq!(status, StatusCode::OK, "{report}");
        let before = polled;
        polled = Some(
            world
                .until("a poll", async |world| polled_at(world).await.filter(|at| Some(*at) != before))
                .await,
        );
    }
    let (after, descriptors) = size(world.process());
    let at = polled.and_then(|at| DateTime::from_timestamp_millis((at * 1_000.0) as i64));
    println!("{} half-open: {before} to {after} MiB, {descriptors} descriptors, polled {at:?}", held.len());
    assert!(after < before + 150, "{before} to {after} MiB");
    assert!(descriptors < 2_048 + 512, "{descriptors} descriptors");
}
