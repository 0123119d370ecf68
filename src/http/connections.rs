//! The open connections of one listener: limits in all and per address. If no place is free, a new connection closes
//! the one that has been idle the longest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::limits::Peer;

#[derive(Debug)]
pub(super) struct Connections {
    in_all: usize,
    per_address: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Increases with every connection and every time one becomes idle: the lowest is the oldest.
    last: u64,
    open: HashMap<u64, Open>,
    /// Connections without an authenticated client, or that wait for their next request.
    idle: BTreeMap<u64, u64>,
    peers: HashMap<Peer, Of>,
}

#[derive(Debug, Default)]
struct Of {
    count: usize,
    idle: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Open {
    peer: Peer,
    /// Its place among the idle; `None` while a known client's request is in progress.
    idle_since: Option<u64>,
    closing: Arc<Notify>,
}

impl Table {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn busy(&mut self, id: u64) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if let Some(since) = open.idle_since.take() {
            self.idle.remove(&since);
            if let Some(of) = self.peers.get_mut(&open.peer) {
                of.idle.remove(&since);
            }
        }
    }

    fn idle(&mut self, id: u64) {
        self.busy(id);
        let since = self.next();
        let Some(open) = self.open.get_mut(&id) else { return };
        open.idle_since = Some(since);
        self.idle.insert(since, id);
        if let Some(of) = self.peers.get_mut(&open.peer) {
            of.idle.insert(since, id);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        self.busy(id);
        let open = self.open.remove(&id)?;
        if let Some(of) = self.peers.get_mut(&open.peer) {
            of.count -= 1;
            if of.count == 0 {
                self.peers.remove(&open.peer);
            }
        }
        Some(open)
    }

    /// Closes the oldest idle connection of an address, or of all.
    fn shed(&mut self, peer: Option<Peer>) -> bool {
        let idle = match peer {
            Some(peer) => self.peers.get(&peer).map(|of| &of.idle),
            None => Some(&self.idle),
        };
        let oldest = idle.and_then(|idle| idle.first_key_value()).map(|(_, id)| *id);
        let Some(open) = oldest.and_then(|id| self.remove(id)) else { return false };
        open.closing.notify_one();
        true
    }
}

/// The result of a new connection.
#[derive(Debug)]
pub(super) enum Entry {
    Free(Place),
    /// Another connection was closed for it.
    InPlaceOfAnother(Place),
    /// Every connection serves a known client.
    Full,
}

impl Connections {
    pub(super) fn new(in_all: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { in_all, per_address, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the total limit as it applies to an address. A sixteenth is reserved for monitoring on the same machine.
    fn most(&self, peer: Peer) -> usize {
        if peer.is_loopback() { self.in_all } else { self.in_all - self.in_all / 16 }
    }

    pub(super) fn enter(self: &Arc<Self>, peer: Peer) -> Entry {
        let mut table = self.table();
        let of_peer = table.peers.get(&peer).map_or(0, |of| of.count);
        let shed = if of_peer >= self.per_address {
            Some(table.shed(Some(peer)))
        } else if table.open.len() >= self.most(peer) {
            Some(table.shed(None))
        } else {
            None
        };
        if shed == Some(false) {
            return Entry::Full;
        }
        let id = table.next();
        let closing = Arc::new(Notify::new());
        table.open.insert(id, Open { peer, idle_since: None, closing: Arc::clone(&closing) });
        table.peers.entry(peer).or_default().count += 1;
        table.idle(id);
        drop(table);
        let place = Place { standing: Standing { connections: Arc::clone(self), id }, closing };
        if shed.is_some() { Entry::InPlaceOfAnother(place) } else { Entry::Free(place) }
    }
}

/// A connection's place; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    standing: Standing,
    closing: Arc<Notify>,
}

impl Place {
    pub(super) fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// Returns when the connection has to be closed for another one.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.standing.connections.table().remove(self.standing.id);
    }
}

/// The connection of a request. The listener adds it to every request.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    connections: Arc<Connections>,
    id: u64,
}

impl Standing {
    /// Marks the client as authenticated: the connection is not closed for another one until the request is answered.
    pub(super) fn known(&self) {
        self.connections.table().busy(self.id);
    }
}

/// Lives as long as a request and its answer; then the connection is idle.
#[derive(Debug)]
pub(super) struct UnderWay(pub(super) Standing);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.connections.table().idle(self.0.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps on a listener with four places in all and three per address.
    enum Step {
        /// A connection of this address, and the earlier one that is closed for it, if any.
        Comes(&'static str, Option<usize>),
        /// No place is free for a connection of this address.
        Refused(&'static str),
        /// A client authenticates; its request is answered; it disconnects.
        Known(usize),
        Answered(usize),
        Goes(usize),
    }
    use Step::{Answered, Comes, Goes, Known, Refused};

    fn check(steps: &[Step]) {
        let connections = Connections::new(4, 3);
        let peer = |text: &str| Peer::new(text.parse().unwrap());
        let mut places: Vec<Option<Place>> = Vec::new();
        let open = |places: &[Option<Place>]| -> Vec<usize> {
            let table = connections.table();
            let there = |place: &Option<Place>| {
                place.as_ref().is_some_and(|place| table.open.contains_key(&place.standing.id))
            };
            (0..places.len()).filter(|number| there(&places[*number])).collect()
        };
        for (number, step) in steps.iter().enumerate() {
            let before = open(&places);
            match step {
                Comes(address, expected) => {
                    let closed = match connections.enter(peer(address)) {
                        Entry::Free(place) => {
                            places.push(Some(place));
                            None
                        }
                        Entry::InPlaceOfAnother(place) => {
                            places.push(Some(place));
                            let after = open(&places);
                            before.into_iter().find(|id| !after.contains(id))
                        }
                        Entry::Full => panic!("step {number}: no place"),
                    };
                    assert_eq!(closed, *expected, "step {number}");
                }
                Refused(address) => {
                    assert!(matches!(connections.enter(peer(address)), Entry::Full), "step {number}");
                }
                Known(id) => places[*id].as_ref().unwrap().standing.known(),
                Answered(id) => drop(UnderWay(places[*id].as_ref().unwrap().standing())),
                Goes(id) => places[*id] = None,
            }
            let table = connections.table();
            let idle = table.open.values().filter(|open| open.idle_since.is_some()).count();
            let of_peers: usize = table.peers.values().map(|of| of.idle.len()).sum();
            assert_eq!((table.idle.len(), of_peers), (idle, idle), "step {number}");
            assert_eq!(table.peers.values().map(|of| of.count).sum::<usize>(), table.open.len());
        }
    }

    #[test]
    fn the_oldest_idle_connection_is_closed_first() {
        check(&[
            Comes("192.0.2.1", None),
            Comes("192.0.2.1", None),
            Comes("192.0.2.2", None),
            Comes("192.0.2.3", None),
            // Full: the oldest is closed, whatever its address.
            Comes("192.0.2.4", Some(0)),
            // A connection that serves a known client stays.
            Known(1),
            Comes("192.0.2.4", Some(2)),
            // After its answer it is the youngest.
            Answered(1),
            Comes("192.0.2.5", Some(3)),
            Comes("192.0.2.6", Some(4)),
            Comes("192.0.2.7", Some(5)),
            Comes("192.0.2.8", Some(1)),
        ]);
    }

    #[test]
    fn connections_are_limited_per_address() {
        check(&[
            Comes("192.0.2.9", None),
            Comes("192.0.2.1", None),
            Comes("192.0.2.1", None),
            Comes("192.0.2.1", None),
            Comes("192.0.2.1", Some(1)),
            Known(2),
            Known(3),
            Known(4),
            Refused("192.0.2.1"),
            Goes(3),
            Comes("192.0.2.1", None),
            Known(0),
            Known(5),
            Refused("192.0.2.7"),
            Refused("127.0.0.1"),
            Answered(0),
            Comes("192.0.2.7", Some(0)),
        ]);
    }
}
