//! Tokens and request limits. This module must not know executions beyond a token's contents.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;
use sha2::{Digest as _, Sha512};

use super::execution::Order;
use crate::model::Timestamp;

/// The OAuth token that all requests receive during its lifetime.
#[derive(Clone)]
pub(super) struct Token {
    pub value: String,
    pub expires: Timestamp,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Token {
    /// A token in the format of a JWT, with `iat` and `exp`.
    pub fn new(id: &str, at: Timestamp, seconds: u32) -> Self {
        let expires = at + TimeDelta::seconds(i64::from(seconds));
        let claims =
            json!({"iss": "simulated", "jti": id, "iat": at.timestamp(), "exp": expires.timestamp()});
        Self { value: signed(r#"{"alg":"HS512"}"#, claims.to_string().as_bytes()), expires }
    }
}

/// The token of a link: like the vendor's, its claims are compressed and readable by its owner.
pub(super) fn link(order: &Order, account: &str, execution: &str, at: Timestamp) -> String {
    let expires = at + TimeDelta::seconds(order.lifetime_seconds);
    let claims = json!({
        "exAt": expires.timestamp_millis().to_string(), "accId": account, "aId": execution,
        "wfeId": execution, "cRef": order.customer_internal_reference,
    });
    signed(r#"{"alg":"HS512","zip":"GZIP"}"#, &gzip(claims.to_string().as_bytes()))
}

pub(super) fn href(base: &str, token: &str, locale: &str) -> String {
    format!("{base}/web/v4/app?authorizationToken={token}&locale={locale}")
}

fn signed(header: &str, claims: &[u8]) -> String {
    let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(Sha512::digest(format!("simulated:{body}")));
    format!("{body}.{signature}")
}

/// A gzip file with stored blocks: every decompressor reads it, and no compressor is needed.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks: Vec<&[u8]> = data.chunks(usize::from(u16::MAX)).collect();
    for (index, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(index + 1 == blocks.len()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(*block);
    }
    out.extend(crc32fast::hash(data).to_le_bytes());
    out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    out
}

/// The calls that the vendor limits per tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limited {
    Token,
    Start,
    Retrieval,
}

impl Limited {
    /// Calls per second, and the burst that is possible after a quiet time.
    fn rate(self) -> (i64, i64) {
        match self {
            Self::Token => (10, 10),
            Self::Start => (1, 5),
            Self::Retrieval => (15, 15),
        }
    }
}

/// One bucket per kind of call, counted in thousandths of a call for exact refills.
#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<Limited, (i64, Timestamp)>,
}

impl Limits {
    /// Takes one call from the bucket; false if it is empty.
    pub fn allow(&mut self, what: Limited, at: Timestamp) -> bool {
        let (rate, burst) = what.rate();
        let full = burst * 1000;
        let (level, last) = self.buckets.entry(what).or_insert((full, at));
        let gained = (at - *last).num_milliseconds().clamp(0, 3_600_000) * rate;
        *level = (*level + gained).min(full);
        *last = at.max(*last);
        let allowed = *level >= 1000;
        if allowed {
            *level -= 1000;
        }
        allowed
    }
}
