//! Checks an ID token: form, algorithm, key, signature, issuer, audience, times, nonce, in this order. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use ring::signature::{self, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::keys::{Key, Public};
use super::options::Algorithm;
use crate::model::{Timestamp, Void};

/// Longest token in bytes.
const LARGEST: usize = 64 << 10;

/// Tolerated difference between the provider's clock and ours.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub algorithms: &'a [Algorithm],
    /// The `max_age` of the request in seconds.
    pub max_age: Option<u32>,
    /// When the session started.
    pub started: Timestamp,
    pub now: Timestamp,
}

/// The header's parts that select the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    algorithm: Algorithm,
    pub kid: Option<String>,
}

/// Reads the header. Refuses everything that is not listed, `none` and shared secrets included.
pub(super) fn head(token: &str, algorithms: &[Algorithm]) -> Result<Head, Void> {
    let (header, _, _) = segments(token)?;
    let header = object(header)?;
    let algorithm = header.get("alg").and_then(Value::as_str);
    let algorithm = algorithms.iter().find(|known| Some(known.word()) == algorithm).ok_or(Void::Algorithm)?;
    // An extension that must be understood.
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(Void::Malformed);
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err(Void::Malformed),
    };
    Ok(Head { algorithm: *algorithm, kid })
}

/// Returns the claims of a token that passes every check.
pub fn check(token: &str, keys: &[Key], expected: Expected<'_>) -> Result<Map<String, Value>, Void> {
    let head = head(token, expected.algorithms)?;
    let key = key(&head, keys).ok_or(Void::Key)?;
    let (_, payload, signature) = segments(token)?;
    // What is signed is the text before the last dot.
    let signed = &token[..token.len() - signature.len() - 1];
    verify(head.algorithm, key, signed.as_bytes(), &bytes(signature)?)?;
    let claims = object(payload)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Void::Issuer);
    }
    audience(&claims, expected.client_id)?;
    times(&claims, expected)?;
    if text("nonce") != Some(expected.nonce) {
        return Err(Void::Nonce);
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(Void::Malformed);
    }
    authenticated(&claims, expected)?;
    Ok(claims)
}

fn segments(token: &str) -> Result<(&str, &str, &str), Void> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) if token.len() <= LARGEST => {
            Ok((header, payload, signature))
        }
        _ => Err(Void::Malformed),
    }
}

fn bytes(segment: &str) -> Result<Vec<u8>, Void> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Void::Malformed)
}

fn object(segment: &str) -> Result<Map<String, Value>, Void> {
    serde_json::from_slice(&bytes(segment)?).map_err(|_| Void::Malformed)
}

/// Returns the key that the header names. Without a name there must be only one for the algorithm.
pub(super) fn key<'a>(head: &Head, keys: &'a [Key]) -> Option<&'a Public> {
    let mut fit = keys.iter().filter(|key| key.fits(head.algorithm));
    match &head.kid {
        Some(kid) => fit.find(|key| key.kid.as_ref() == Some(kid)).map(|key| &key.public),
        None => fit.next().filter(|_| fit.next().is_none()).map(|key| &key.public),
    }
}

fn verify(algorithm: Algorithm, key: &Public, signed: &[u8], signature: &[u8]) -> Result<(), Void> {
    let verified = match (algorithm, key) {
        (Algorithm::Rs256 | Algorithm::Ps256, Public::Rsa { n, e }) => {
            let key = signature::RsaPublicKeyComponents { n, e };
            let padding = match algorithm {
                Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa => {
                    &signature::RSA_PKCS1_2048_8192_SHA256
                }
            };
            key.verify(padding, signed, signature)
        }
        (Algorithm::Es256, Public::P256(point)) => {
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
        }
        (Algorithm::EdDsa, Public::Ed25519(point)) => {
            UnparsedPublicKey::new(&signature::ED25519, point).verify(signed, signature)
        }
        (Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::EdDsa, _) => {
            return Err(Void::Key);
        }
    };
    verified.map_err(|_| Void::Signature)
}

fn audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), Void> {
    let several = match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => false,
        Some(Value::Array(all)) if all.iter().any(|one| one.as_str() == Some(client_id)) => all.len() > 1,
        Some(_) | None => return Err(Void::Audience),
    };
    match claims.get("azp") {
        None if !several => Ok(()),
        Some(Value::String(party)) if party == client_id => Ok(()),
        Some(_) | None => Err(Void::Audience),
    }
}

fn times(claims: &Map<String, Value>, expected: Expected<'_>) -> Result<(), Void> {
    let (expires, issued) = (at(claims, "exp")?.ok_or(Void::Time)?, at(claims, "iat")?.ok_or(Void::Time)?);
    let valid_from = at(claims, "nbf")?.unwrap_or(issued);
    let now = expected.now;
    let late = now >= expires + LEEWAY;
    let early = issued > now + LEEWAY || valid_from > now + LEEWAY;
    // A token from before the session is of another one.
    let old = issued < expected.started - LEEWAY;
    if late || early || old { Err(Void::Time) } else { Ok(()) }
}

/// Checks when the person signed in. A provider that was asked for a limit must say it.
fn authenticated(claims: &Map<String, Value>, expected: Expected<'_>) -> Result<(), Void> {
    let Some(age) = expected.max_age else { return Ok(()) };
    let signed_in = at(claims, "auth_time")?.ok_or(Void::Time)?;
    let earliest = expected.started - TimeDelta::seconds(age.into()) - LEEWAY;
    if signed_in < earliest || signed_in > expected.now + LEEWAY { Err(Void::Time) } else { Ok(()) }
}

/// Returns a time claim. A time that is not a number of seconds is malformed.
fn at(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Void> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the largest integer"
    )]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
    // Far beyond any token: sums with it cannot overflow.
    let seconds = seconds.filter(|seconds| (0..=253_402_300_799).contains(seconds)).ok_or(Void::Malformed)?;
    Timestamp::from_timestamp(seconds, 0).map(Some).ok_or(Void::Malformed)
}
