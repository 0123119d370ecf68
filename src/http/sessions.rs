//! Sessions of people at the console, and one-time links that open one. Kept in memory: a restart ends them. A cookie
//! holds a random secret; here is only its hash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::TimeDelta;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::model::{Clock, Timestamp};

use super::access::Grant;

/// A session ends when nobody used it for so long.
pub const IDLE: TimeDelta = TimeDelta::minutes(60);
/// A session ends at this age, used or not: one working day.
pub const LONGEST: TimeDelta = TimeDelta::hours(12);
/// A one-time link is accepted for so long.
const LINK: TimeDelta = TimeDelta::minutes(30);
/// Sessions at once. The one that was used least recently makes room.
const MOST: usize = 10_000;

/// The cookie where the browser reaches the console by https, and where it does not.
const SECURE: &str = "__Host-proofd";
const PLAIN: &str = "proofd_session";

type Key = [u8; 32];

/// What somebody typed before a sign-in interrupted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The path of the page that it belongs to.
    pub page: String,
    pub fields: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Session {
    grant: Grant,
    began: Timestamp,
    seen: Timestamp,
    form_key: String,
    draft: Option<Draft>,
}

/// A session as a request found it.
#[derive(Debug, Clone)]
pub struct Signed {
    pub grant: Grant,
    /// The secret that every form of the session repeats.
    pub form_key: String,
    key: Key,
}

#[derive(Debug, Default)]
struct Kept {
    live: HashMap<Key, Session>,
    links: HashMap<Key, (Grant, Timestamp)>,
}

/// Every session.
#[derive(Debug)]
pub struct Sessions {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

impl Sessions {
    /// The clock is that of the people, even where the daemon's runs faster.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session with new secrets, and ends the one that the request came with. Returns its cookie.
    pub fn open(
        &self,
        grant: Grant,
        before: &HeaderMap,
        https: bool,
        draft: Option<Draft>,
    ) -> Result<HeaderValue, String> {
        let (secret, form_key) = (random()?, random()?);
        let now = self.clock.now();
        let session = Session { grant, began: now, seen: now, form_key, draft };
        let mut kept = self.kept();
        for old in keys(before, false) {
            kept.live.remove(&old);
        }
        kept.live.retain(|_, session| session.lives(now));
        if kept.live.len() >= MOST {
            let oldest = kept.live.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key);
            oldest.and_then(|key| kept.live.remove(&key));
        }
        kept.live.insert(hash(&secret), session);
        drop(kept);
        let (name, secure) = if https { (SECURE, "; Secure") } else { (PLAIN, "") };
        // Without Max-Age the browser forgets the cookie when it is closed.
        let cookie = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}");
        HeaderValue::from_str(&cookie).map_err(|error| error.to_string())
    }

    /// Finds the session of a request and notes that it is used. With https only the `__Host-` cookie counts, which no
    /// neighboring host can set.
    pub fn find(&self, headers: &HeaderMap, https: bool) -> Option<Signed> {
        let now = self.clock.now();
        let mut kept = self.kept();
        keys(headers, https).find_map(|key| {
            let session = kept.live.get_mut(&key).filter(|session| session.lives(now))?;
            session.seen = now;
            let (grant, form_key) = (session.grant.clone(), session.form_key.clone());
            Some(Signed { grant, form_key, key })
        })
    }

    /// Ends the sessions of a request. Returns the cookies that clear its own.
    pub fn close(&self, headers: &HeaderMap) -> [HeaderValue; 2] {
        let mut kept = self.kept();
        for key in keys(headers, false) {
            kept.live.remove(&key);
        }
        [
            HeaderValue::from_static("__Host-proofd=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"),
            HeaderValue::from_static("proofd_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"),
        ]
    }

    /// Takes what was typed before the sign-in, if it belongs to a page.
    pub fn take_draft(&self, signed: &Signed, page: &str) -> Option<Draft> {
        let mut kept = self.kept();
        let session = kept.live.get_mut(&signed.key)?;
        if session.draft.as_ref()?.page == page { session.draft.take() } else { None }
    }

    /// Keeps what was typed for the next look at a page.
    pub fn keep_draft(&self, signed: &Signed, draft: Draft) {
        if let Some(session) = self.kept().live.get_mut(&signed.key) {
            session.draft = Some(draft);
        }
    }

    /// Makes the secret of a link that signs in once.
    pub fn link(&self, grant: Grant) -> Result<String, String> {
        let secret = random()?;
        let now = self.clock.now();
        let mut kept = self.kept();
        kept.links.retain(|_, (_, until)| *until > now);
        kept.links.insert(hash(&secret), (grant, now + LINK));
        Ok(secret)
    }

    /// Uses up a link.
    pub fn redeem(&self, secret: &str) -> Option<Grant> {
        let (grant, until) = self.kept().links.remove(&hash(secret))?;
        (until > self.clock.now()).then_some(grant)
    }
}

impl Session {
    /// A clock that was set back ends no session and extends none beyond its age.
    fn lives(&self, now: Timestamp) -> bool {
        now - self.seen < IDLE && now - self.began < LONGEST
    }
}

impl Signed {
    /// Compares the form's secret in constant time.
    pub fn is_form_key(&self, given: &str) -> bool {
        bool::from(self.form_key.as_bytes().ct_eq(given.as_bytes()))
    }
}

/// The hashes of the session cookies of a request.
fn keys(headers: &HeaderMap, https: bool) -> impl Iterator<Item = Key> {
    let names: &[&str] = if https { &[SECURE] } else { &[SECURE, PLAIN] };
    names.iter().filter_map(|name| cookie(headers, name)).map(hash)
}

fn hash(secret: &str) -> Key {
    Sha256::digest(secret.as_bytes()).into()
}

/// 256 random bits.
pub fn random() -> Result<String, String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// Returns the value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// Whether the browser reaches the console by https: the proxy says so, the browser names an https origin, or the host is
/// that of the public address.
pub fn is_https(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = text(header::HeaderName::from_static("x-forwarded-proto"));
    let origin = text(header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"));
    let public = public_url.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    forwarded == Some("https") || origin || (public.is_some() && text(header::HOST) == public)
}

/// Whether a browser sent a request from a page of ours. Without `Origin` the browser must say so itself; a program that
/// sends neither has no page at all.
pub fn is_same_origin(headers: &HeaderMap, public_url: &str) -> Option<bool> {
    let text = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("origin"), text("sec-fetch-site")) {
        (Some(origin), site) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            let public = public_url.split('/').take(3).collect::<Vec<_>>().join("/");
            let ours = host.is_some_and(|host| Some(host) == text("host")) || origin == public;
            Some(ours && site.is_none_or(|site| site == "same-origin"))
        }
        (None, Some(site)) => Some(site == "same-origin"),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::Role;
    use crate::engine::clock::Virtual;
    use crate::model::{Actor, Secret};

    fn grant(name: &str) -> Grant {
        Grant::new(Actor::named(name), [Role::Desk], &Secret::new("x"))
    }

    fn sent(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        [(header::COOKIE, pair.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_session_ends_idle_old_or_signed_out() {
        let start: Timestamp = "2027-01-05T08:00:00Z".parse().unwrap();
        let check = |steps: &[i64], lives: bool| {
            let clock = Virtual::new(start);
            let sessions = Sessions::new(Arc::new(clock.clone()));
            let cookie = sessions.open(grant("dana"), &HeaderMap::new(), false, None).unwrap();
            let headers = sent(&cookie);
            let mut found = true;
            for minutes in steps {
                clock.advance(TimeDelta::minutes(*minutes));
                found = sessions.find(&headers, false).is_some();
            }
            assert_eq!(found, lives, "{steps:?}");
            sessions.close(&headers);
            assert!(sessions.find(&headers, false).is_none(), "{steps:?}");
        };
        check(&[0], true);
        check(&[59], true);
        check(&[60], false);
        check(&[59, 59], true);
        check(&[50; 14], true);
        check(&[50; 15], false);
    }

    #[test]
    fn a_sign_in_ends_the_session_before_and_has_other_secrets() {
        let sessions = Sessions::new(Arc::new(Virtual::new("2027-01-05T08:00:00Z".parse().unwrap())));
        let first = sent(&sessions.open(grant("dana"), &HeaderMap::new(), false, None).unwrap());
        let before = sessions.find(&first, false).unwrap();
        let second = sent(&sessions.open(grant("dana"), &first, false, None).unwrap());
        assert!(sessions.find(&first, false).is_none());
        let after = sessions.find(&second, false).unwrap();
        assert!(after.form_key != before.form_key && !after.is_form_key(&before.form_key));
        // A secret that we did not make opens nothing, before and after a sign-in.
        let planted = [(header::COOKIE, HeaderValue::from_static("proofd_session=planted"))];
        let planted: HeaderMap = planted.into_iter().collect();
        assert!(sessions.find(&planted, false).is_none());
        sessions.open(grant("dana"), &planted, false, None).unwrap();
        assert!(sessions.find(&planted, false).is_none());
    }

    #[test]
    fn with_https_only_the_host_cookie_counts() {
        let sessions = Sessions::new(Arc::new(Virtual::new("2027-01-05T08:00:00Z".parse().unwrap())));
        let plain = sent(&sessions.open(grant("dana"), &HeaderMap::new(), false, None).unwrap());
        assert!(sessions.find(&plain, true).is_none());
        let set = sessions.open(grant("dana"), &HeaderMap::new(), true, None).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.starts_with("__Host-proofd=") && text.ends_with("; Secure"), "{text}");
        assert!(sessions.find(&sent(&set), true).is_some());
    }

    #[test]
    fn a_link_signs_in_once_and_for_half_an_hour() {
        let clock = Virtual::new("2027-01-05T08:00:00Z".parse().unwrap());
        let sessions = Sessions::new(Arc::new(clock.clone()));
        let (one, two) = (sessions.link(grant("dana")).unwrap(), sessions.link(grant("dana")).unwrap());
        assert!(sessions.redeem(&one).is_some());
        assert!(sessions.redeem(&one).is_none());
        clock.advance(LINK);
        assert!(sessions.redeem(&two).is_none());
    }

    #[test]
    fn a_form_comes_from_our_own_origin() {
        for (headers, ours) in [
            (&[("host", "a.example"), ("origin", "https://a.example")][..], Some(true)),
            (&[("host", "a.example"), ("origin", "https://b.example")], Some(false)),
            (&[("host", "127.0.0.1:1"), ("origin", "https://p.example")], Some(true)),
            (&[("host", "a.example"), ("origin", "null")], Some(false)),
            (
                &[("host", "a.example"), ("origin", "http://a.example"), ("sec-fetch-site", "cross-site")],
                Some(false),
            ),
            (&[("host", "a.example"), ("sec-fetch-site", "same-origin")], Some(true)),
            (&[("host", "a.example"), ("sec-fetch-site", "same-site")], Some(false)),
            (&[("host", "a.example")], None),
        ] {
            let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let map: HeaderMap = pairs.collect();
            assert_eq!(is_same_origin(&map, "https://p.example/x"), ours, "{headers:?}");
        }
    }
}
