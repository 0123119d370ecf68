//! Sockets. A header must come within ten seconds, and the end waits for requests that are being answered.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limits::Peer;

const HEADER_WITHIN: Duration = Duration::from_secs(10);
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A bound listener that serves until it is stopped.
#[derive(Debug)]
pub struct Listening {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Accepts nothing new and waits for the answers under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The task ends by itself; if it panicked there is nothing left to wait for.
        let _ = self.task.await;
    }
}

/// Binds (port 0 is fine) and serves.
pub async fn listen(address: SocketAddr, router: Router) -> io::Result<Listening> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, router, stopped));
    Ok(Listening { address, stop, task })
}

/// A router that is told with every request who is at the other end.
#[derive(Debug, Clone)]
struct Known {
    peer: Peer,
    router: TowerToHyperService<Router>,
}

impl Known {
    fn new(peer: IpAddr, router: Router) -> Self {
        Self { peer: Peer::new(peer), router: TowerToHyperService::new(router) }
    }
}

impl Service<Request<Incoming>> for Known {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        let (socket, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => (socket, peer.ip()),
                Err(error) => {
                    // Out of descriptors, most likely: the next one may fit again.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = stopped.changed() => break,
        };
        // Answers are small and waited for.
        let _ = socket.set_nodelay(true);
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_WITHIN);
        let service = Known::new(peer, router.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(socket), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    // Who has not been answered by then is cut off.
    let _ = tokio::time::timeout(LAST_ANSWERS_WITHIN, graceful.shutdown()).await;
}
