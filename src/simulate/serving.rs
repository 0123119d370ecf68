//! The server under every simulator. It must not know what is served.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A simulator that is being served. It stops when this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// The base address, without a slash at the end.
    pub url: String,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
}

/// Ends once the simulator stops.
type Stopped = watch::Receiver<bool>;

impl Serving {
    /// Binds and serves; port 0 takes a free one. `name` is for the log.
    pub(super) async fn start(name: &'static str, address: SocketAddr, router: Router) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = watch::channel(false);
        let router = router.layer(from_fn_with_state(stopped.clone(), until_stopped));
        let server = axum::serve(listener, router).with_graceful_shutdown(ended(stopped));
        let server = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "simulated {name} stopped");
            }
        });
        Ok(Self { url, stop, server: Some(server) })
    }

    /// Works beside the server, until it stops.
    pub(super) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopped = ended(self.stop.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = stopped => {}
            }
        });
    }

    /// Stops, and waits for the requests that are under way; those that hang are ended.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            drop(server.await);
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn ended(mut stopped: Stopped) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn until_stopped(State(stopped): State<Stopped>, request: Request, next: Next) -> Response {
    tokio::select! {
        answer = next.run(request) => answer,
        // A request that hangs ends with the simulator.
        () = ended(stopped) => Response::default(),
    }
}
