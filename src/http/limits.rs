//! Rate limits per client: 429 with `Retry-After` above the limit. An authenticated client (a token, a person's link)
//! has a bucket of its own. A vendor that presents its secret has no limit, because its events must not be lost. All
//! others are counted by address: they can neither use up the share of known clients nor cause their bodies to be read.
//! Only a verification provider's callback must be read before it can be authenticated.
//!
//! The address is that of the connection. `X-Forwarded-For` is ignored: any client can set it. Behind a reverse proxy
//! all unauthenticated clients therefore share one bucket, and only they do.
//!
//! Written by hand: `governor` (0.10) blocks a client for as long as a clock was set back. It also keeps every client
//! until a call removes it. Here both have a bound, and the clock is the engine's.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::request::Parts;
use chrono::TimeDelta;

use crate::model::Timestamp;

use super::routes::Needs;
use super::{AppState, Problem};

/// Enough for a program that processes a whole list, but not for one that sends requests without a pause.
const TOKEN: Rate = Rate { burst: 200, every: TimeDelta::milliseconds(20) };
/// Enough for a page with its waiting, and a person who presses repeatedly.
const LINK: Rate = Rate { burst: 30, every: TimeDelta::milliseconds(1_000) };
/// Enough for mistyped tokens and broken links of many people behind one address, but not for a search for valid ones.
const ADDRESS: Rate = Rate { burst: 50, every: TimeDelta::milliseconds(200) };

/// Buckets of a kind that are kept: about this many, at most twice as many.
const REMEMBERED: usize = 10_000;

/// The address at the other end of the connection; the listener adds it to every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    /// Reduces an IPv6 address to its /64: a client with one address of the network has all of them.
    pub(super) fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(six) => IpAddr::V6((six.to_bits() >> 64 << 64).into()),
            four @ IpAddr::V4(_) => four,
        })
    }
}

impl Peer {
    pub(super) fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// The client of a request.
enum Client {
    Token(String),
    Link(String),
    Vendor,
    Stranger(Option<Peer>),
    /// Not counted before the answer: a hint may be a vendor's, a return a person's, and monitoring has no limit.
    Unproven,
}

impl AppState {
    /// Counts a request against the limit of its client.
    pub(super) fn count(&self, needs: Needs, request: &Parts) -> Result<(), Problem> {
        let now = self.engine.now();
        match self.client(needs, request) {
            Client::Vendor | Client::Unproven => Ok(()),
            Client::Token(name) => {
                self.limits.tokens.take(name, now).map_err(|wait| self.too_many("token", wait))
            }
            Client::Link(case) => {
                self.limits.links.take(case, now).map_err(|wait| self.too_many("link", wait))
            }
            Client::Stranger(peer) => self.count_stranger(peer),
        }
    }

    /// Counts a request against the limit of a token's name or a signed-in person.
    pub(super) fn count_token(&self, name: &str) -> Result<(), Problem> {
        let taken = self.limits.tokens.take(name.to_owned(), self.engine.now());
        taken.map_err(|wait| self.too_many("token", wait))
    }

    /// Counts a request against the limit of all unauthenticated clients at an address.
    pub(super) fn count_stranger(&self, peer: Option<Peer>) -> Result<(), Problem> {
        let taken = self.limits.addresses.take(peer, self.engine.now());
        taken.map_err(|wait| self.too_many("address", wait))
    }

    fn client(&self, needs: Needs, request: &Parts) -> Client {
        let known = match needs {
            // Pages have a guard of their own, which counts.
            Needs::Nothing | Needs::Hint | Needs::Return | Needs::Page(_) | Needs::SignIn => {
                Some(Client::Unproven)
            }
            Needs::Role(_) => self.access.name(&request.headers).map(|name| Client::Token(name.to_owned())),
            Needs::Link => self.link_of(request.uri.path()).map(Client::Link),
            Needs::Webhook => self.is_webhook(request).then_some(Client::Vendor),
        };
        known.unwrap_or_else(|| Client::Stranger(request.extensions.get().copied()))
    }

    /// Returns the case of a person's link, if it is one of ours.
    pub(super) fn link_of(&self, path: &str) -> Option<String> {
        let token = path.split('/').nth(2)?;
        self.engine.links().read(token).map(|(case, _, _)| case.0)
    }

    fn too_many(&self, client: &'static str, wait: TimeDelta) -> Problem {
        self.engine.metrics().limited(client);
        Problem::too_many(wait)
    }
}

/// One bucket for each client that was seen recently.
#[derive(Debug)]
pub(super) struct Limits {
    tokens: Buckets<String>,
    links: Buckets<String>,
    addresses: Buckets<Option<Peer>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens: Buckets::new(TOKEN, REMEMBERED),
            links: Buckets::new(LINK, REMEMBERED),
            addresses: Buckets::new(ADDRESS, REMEMBERED),
        }
    }
}

/// This many at once, and one more each time `every` has passed.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: i32,
    every: TimeDelta,
}

#[derive(Debug)]
struct Buckets<K> {
    rate: Rate,
    remembered: usize,
    seen: Mutex<Seen<K>>,
}

/// When each client's bucket is full again. Two generations replace an order: when the younger reaches its bound, the
/// older one is dropped as a whole, and its clients have full buckets.
#[derive(Debug)]
struct Seen<K> {
    young: HashMap<K, Timestamp>,
    old: HashMap<K, Timestamp>,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(rate: Rate, remembered: usize) -> Self {
        let seen = Mutex::new(Seen { young: HashMap::new(), old: HashMap::new() });
        Self { rate, remembered, seen }
    }

    /// Takes one from the client's bucket, or returns how long until there is one.
    fn take(&self, client: K, now: Timestamp) -> Result<(), TimeDelta> {
        let Rate { burst, every } = self.rate;
        let whole = every * burst;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = seen.young.get(&client).or_else(|| seen.old.get(&client)).copied();
        // A clock that was set back must not block a client for that time.
        let missing =
            full_at.map_or(TimeDelta::zero(), |at| (at - now).clamp(TimeDelta::zero(), whole)) + every;
        if missing > whole {
            return Err(missing - whole);
        }
        if seen.young.len() >= self.remembered && !seen.young.contains_key(&client) {
            seen.old = std::mem::take(&mut seen.young);
        }
        seen.young.insert(client, now + missing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    /// Time, client, number of requests at once, number admitted, and the wait of the next one.
    type Row = (i64, &'static str, usize, usize, i64);

    fn check(rate: Rate, remembered: usize, rows: &[Row]) {
        let buckets = Buckets::new(rate, remembered);
        for (milliseconds, client, asked, expected, wait) in rows {
            let answers: Vec<_> = (0..*asked).map(|_| buckets.take(*client, at(*milliseconds))).collect();
            let through = answers.iter().filter(|answer| answer.is_ok()).count();
            let row = format!("{client} at {milliseconds}");
            assert_eq!(through, *expected, "{row}");
            let waits = answers.into_iter().filter_map(Result::err).map(|wait| wait.num_milliseconds());
            assert!(waits.into_iter().all(|told| told == *wait), "{row}");
        }
        let seen = buckets.seen.lock().unwrap();
        assert!(seen.young.len() <= remembered && seen.old.len() <= remembered);
    }

    #[test]
    fn a_bucket_allows_a_burst_then_its_rate() {
        let rate = Rate { burst: 3, every: TimeDelta::milliseconds(100) };
        check(
            rate,
            10,
            &[
                (0, "ada", 5, 3, 100),
                (0, "bob", 1, 1, 0),
                (99, "ada", 1, 0, 1),
                (100, "ada", 2, 1, 100),
                (1_000, "ada", 4, 3, 100),
                (1_250, "ada", 3, 2, 50),
                // The clock is set back by a second: the longest wait is a whole bucket.
                (250, "ada", 1, 0, 100),
                (350, "ada", 2, 0, 100),
            ],
        );
    }

    #[test]
    fn the_number_of_buckets_is_bounded_and_the_oldest_are_dropped() {
        let rate = Rate { burst: 1, every: TimeDelta::hours(1) };
        let hour = 3_600_000;
        check(
            rate,
            2,
            &[
                (0, "a", 2, 1, hour),
                (1, "b", 2, 1, hour),
                (2, "c", 2, 1, hour),
                (3, "a", 1, 0, hour - 3),
                (4, "d", 2, 1, hour),
                // The generation of a and b was dropped.
                (5, "e", 2, 1, hour),
                (6, "a", 2, 1, hour),
                (7, "e", 1, 0, hour - 2),
            ],
        );
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one_client() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            let [a, b] = [one, other].map(|text| Peer::new(text.parse().unwrap()));
            assert_eq!(a == b, same, "{one} {other}");
        }
    }
}
