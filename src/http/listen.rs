//! Sockets. A header, a body and the next request each have a time limit, and connections have a bound. A shutdown
//! waits for requests in progress.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use futures::future::BoxFuture;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::connections::{Connections, Entry, Place, Standing, UnderWay};
use super::limits::Peer;
use super::lingering::Lingering;

const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Requests with a longer header are answered with 431. Also the largest buffer of a connection.
const LARGEST_HEADER: usize = 32 << 10;
/// Connections that were closed for others and still hold their descriptor.
const CLOSING: usize = 64;

/// The limits that one listener sets for its clients.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Open connections.
    pub in_all: usize,
    /// Open connections of one address (of one /64 of IPv6).
    pub per_address: usize,
    /// Time for a request's header, from the start of the connection or from the previous answer.
    pub header_within: Duration,
    /// Time for a body; each received byte adds time at `body_rate`.
    pub body_within: Duration,
    /// Bytes per second that a body must reach on average.
    pub body_rate: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            in_all: 2_048,
            per_address: 256,
            header_within: Duration::from_secs(10),
            body_within: Duration::from_secs(10),
            body_rate: 8 << 10,
        }
    }
}

impl Bounds {
    /// Returns the time from a body's start within which more than this many bytes must have arrived.
    pub(super) fn body_within(&self, bytes: usize) -> Duration {
        let earned = u32::try_from(bytes).unwrap_or(u32::MAX) / self.body_rate.max(1);
        self.body_within + Duration::from_secs(earned.into())
    }
}

/// A bound listener that serves until it is stopped.
#[derive(Debug)]
pub struct Listening {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Accepts no new connection and waits for answers in progress.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The task ends by itself; after a panic there is nothing to wait for.
        let _ = self.task.await;
    }
}

/// Binds an address (port 0 is allowed) and serves.
pub async fn listen(address: SocketAddr, router: Router) -> io::Result<Listening> {
    listen_within(address, router, Bounds::default()).await
}

/// Binds and serves with other limits.
pub async fn listen_within(address: SocketAddr, router: Router, bounds: Bounds) -> io::Result<Listening> {
    serve_on(TcpListener::bind(address).await?, router, bounds)
}

/// Serves on a listener that another program has bound, such as systemd.
pub fn listen_on(listener: std::net::TcpListener, router: Router, bounds: Bounds) -> io::Result<Listening> {
    listener.set_nonblocking(true)?;
    serve_on(TcpListener::from_std(listener)?, router, bounds)
}

fn serve_on(listener: TcpListener, router: Router, bounds: Bounds) -> io::Result<Listening> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, router, bounds, stopped));
    Ok(Listening { address, stop, task })
}

/// A router that adds the peer of the connection to every request.
#[derive(Debug, Clone)]
struct Known {
    peer: Peer,
    standing: Standing,
    bounds: Bounds,
    stopped: Stopped,
    router: TowerToHyperService<Router>,
}

/// Tells an answer without an end that the listener stops.
#[derive(Debug, Clone)]
pub struct Stopped(watch::Receiver<bool>);

impl Stopped {
    pub async fn wait(&mut self) {
        // An error means that the listener is gone.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

impl Service<Request<Incoming>> for Known {
    type Response = Response<Answer>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let under_way = UnderWay(self.standing.clone());
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        extensions.insert(self.standing.clone());
        extensions.insert(self.bounds);
        extensions.insert(self.stopped.clone());
        let answer = self.router.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Answer { body, _under_way: under_way })) })
    }
}

/// A body that ends the request once it has been sent.
#[derive(Debug)]
struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn serve(listener: TcpListener, router: Router, bounds: Bounds, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let connections = Connections::new(bounds.in_all.max(1), bounds.per_address.max(1));
    let descriptors = Arc::new(Semaphore::new(bounds.in_all.max(1) + CLOSING));
    let mut full = Rarely::default();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &descriptors) => accepted,
            _ = stopped.changed() => break,
        };
        let (socket, peer, descriptor) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually out of descriptors: the next attempt may succeed.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = match connections.enter(peer) {
            Entry::Free(place) => place,
            Entry::InPlaceOfAnother(place) => {
                full.note("the limit of connections is reached; unauthenticated connections are closed");
                place
            }
            Entry::Full => {
                full.note("the limit of connections is reached and all are in use; new ones are closed");
                continue;
            }
        };
        // Answers are small and clients wait for them.
        let _ = socket.set_nodelay(true);
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.header_within)
            .max_buf_size(LARGEST_HEADER);
        let standing = place.standing();
        let service = Known {
            peer,
            standing,
            bounds,
            stopped: Stopped(stopped.clone()),
            router: TowerToHyperService::new(router.clone()),
        };
        let connection = builder.serve_connection(TokioIo::new(Lingering::new(socket)), service);
        tokio::spawn(run(graceful.watch(connection), place, descriptor));
    }
    drop(listener);
    // Clients without an answer by then are disconnected.
    let _ = tokio::time::timeout(LAST_ANSWERS_WITHIN, graceful.shutdown()).await;
}

/// Reserves a place for a descriptor before it accepts one.
async fn accept(
    listener: &TcpListener,
    descriptors: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let descriptor = Arc::clone(descriptors).acquire_owned().await.map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    Ok((socket, Peer::new(peer.ip()), descriptor))
}

async fn run(
    connection: impl Future<Output = hyper::Result<()>>,
    place: Place,
    descriptor: OwnedSemaphorePermit,
) {
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = place.closing() => {}
    }
    drop(descriptor);
}

/// Log messages, at most one a minute.
#[derive(Debug, Default)]
struct Rarely {
    last: Option<tokio::time::Instant>,
}

impl Rarely {
    fn note(&mut self, what: &'static str) {
        let now = tokio::time::Instant::now();
        if self.last.is_none_or(|last| now - last >= Duration::from_secs(60)) {
            self.last = Some(now);
            tracing::warn!("{what}");
        }
    }
}
