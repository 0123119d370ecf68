//! Sockets that systemd holds open for the daemon (socket activation: `LISTEN_PID`, `LISTEN_FDS`). Clients that connect
//! during a restart wait instead of being refused, and the port stays reserved.

use std::net::{SocketAddr, TcpListener};

use anyhow::anyhow;
use listenfd::ListenFd;

use super::Failed;

/// The listeners that this process was started with, by address.
#[derive(Debug, Default)]
pub struct Handed(Vec<(SocketAddr, TcpListener)>);

impl Handed {
    /// Takes the listeners. Without systemd there are none.
    pub fn take() -> Result<Self, Failed> {
        let mut given = ListenFd::from_env();
        let mut handed = Self::default();
        for number in 0..given.len() {
            let listener = given.take_tcp_listener(number).map_err(|error| {
                Failed::usage(anyhow!(
                    "socket {number} of LISTEN_FDS is not a TCP listener: {error}; use ListenStream=ADDRESS:PORT in \
                     the socket unit"
                ))
            })?;
            if let Some(listener) = listener {
                let address = listener.local_addr().map_err(anyhow::Error::from)?;
                handed.0.push((address, listener));
            }
        }
        Ok(handed)
    }

    /// Returns the listener that is bound to an address of the configuration.
    pub fn at(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let place = self.0.iter().position(|(bound, _)| *bound == address)?;
        Some(self.0.swap_remove(place).1)
    }

    /// Refuses listeners that the configuration does not name: their clients would get no answer.
    pub fn check_none_left(&self) -> Result<(), Failed> {
        match self.0.first() {
            Some((address, _)) => Err(Failed::usage(anyhow!(
                "LISTEN_FDS: a socket is bound to {address}, which is neither `listen` nor `public_listen` in \
                 proofd.yaml; make the addresses equal"
            ))),
            None => Ok(()),
        }
    }
}
