//! The server of every simulator. This module must not know the served routes.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A served simulator. Dropping it stops the server.
#[derive(Debug)]
pub struct Serving {
    /// The base address, without a trailing slash.
    pub url: String,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
}

/// Changes to true when the simulator stops.
type Stopped = watch::Receiver<bool>;

impl Serving {
    /// Binds and serves; port 0 picks a free port. `name` is for the log.
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

    /// Runs a future beside the server until the server stops.
    pub(super) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopped = ended(self.stop.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = stopped => {}
            }
        });
    }

    /// Stops the server and waits for running requests; requests that hang are aborted.
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
        // A request that hangs ends when the simulator stops.
        () = ended(stopped) => Response::default(),
    }
}
