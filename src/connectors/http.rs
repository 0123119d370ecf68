//! The shared outgoing HTTP client: limits, failures as data, and a token that is fetched once for all callers.
//! Independent of vendors; never puts an address or a body into an error.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use futures::StreamExt as _;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode, redirect};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;
use serde::de::DeserializeOwned;

use url::Url;

use super::Finding;
use crate::model::{Clock, Failure, FailureKind, Secret, Timestamp};

/// Size limit of an answer, far above any expected one.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// Longest accepted `Retry-After`; a longer one is shortened to it.
const LONGEST_RETRY_SECONDS: u32 = 3_600;

/// Time limit of a connection test.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

/// A client for one outside system.
#[derive(Debug, Clone)]
pub struct Wire {
    client: reqwest::Client,
}

/// A whole answer. `Debug` leaves out its body, which contains personal data and tokens.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Wire {
    /// Creates a client without the environment's proxy and without redirects: credentials go only to the configured
    /// address.
    pub fn new(user_agent: Option<&str>) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .user_agent(user_agent.unwrap_or(concat!("proofd/", env!("CARGO_PKG_VERSION"))))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(20))
            .timeout(Duration::from_secs(45))
            .build()
            .map_err(|e| format!("creating the HTTP client failed: {}", e.without_url()))?;
        Ok(Self { client })
    }

    pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.send_up_to(request, LARGEST_ANSWER).await
    }

    /// Sends a request whose answer may have up to `largest` bytes.
    pub async fn send_up_to(&self, request: RequestBuilder, largest: usize) -> Result<Answer, Failure> {
        let response = request.send().await.map_err(broken)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(broken)?;
            if body.len() + chunk.len() > largest {
                let most = largest / (1024 * 1024);
                return Err(Failure::unavailable(format!(
                    "the other side answered with more than {most} MiB"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }
}

/// Builds the TLS configuration. The system's certificates are hundreds of files: they are read once for all clients.
fn tls() -> Result<ClientConfig, String> {
    static TLS: OnceLock<Result<ClientConfig, String>> = OnceLock::new();
    let made = TLS.get_or_init(|| {
        // Other code in this process may have installed a provider before, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut tls = ClientConfig::with_platform_verifier()
            .map_err(|error| format!("reading the system's certificates failed: {error}"))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(tls)
    });
    made.clone()
}

fn broken(error: reqwest::Error) -> Failure {
    let what = if error.is_timeout() {
        "the other side did not answer in time"
    } else if error.is_connect() {
        "no connection to the other side; check its address, name resolution and certificate"
    } else if error.is_builder() {
        return Failure::refused("building the request failed; check the configured address and credentials");
    } else {
        "the connection to the other side closed before the answer was complete"
    };
    Failure::outage(what)
}

impl Answer {
    /// Parses the body as JSON. An HTML page of a proxy is not an answer.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                Failure::unavailable("the other side answered with JSON of an unexpected form")
            }
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => Failure::unavailable(
                "the other side answered with something \
                that is not JSON",
            ),
        })
    }

    /// Returns the time of the other side, if the answer has it.
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.headers.get(reqwest::header::DATE)?.to_str().ok()?)
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc())
}

/// Returns the failure of an unsuccessful answer. The vendor's text is left out: it may name people.
pub fn failure(answer: &Answer, system: &str) -> Failure {
    let status = answer.status;
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        let hint = match status {
            StatusCode::UNAUTHORIZED => "; check the credentials",
            StatusCode::FORBIDDEN => "; check the permissions of the credentials",
            _ => "",
        };
        return Failure::refused(format!("{system} answered {}{hint}", status.as_u16()));
    }
    let code = status.as_u16();
    let failure = Failure::outage(if status == StatusCode::TOO_MANY_REQUESTS {
        format!("{system} asks for fewer requests (429)")
    } else if status.is_server_error() {
        format!("{system} answered {code}")
    } else {
        // A redirect or an unexpected success status.
        format!("unexpected answer of {system}: {code}")
    });
    failure.waiting(retry_after(answer))
}

/// Returns the failure of an answer of a configured system. Rejected credentials affect every call: the calls wait for
/// the operator, and no case ends because of them.
pub fn trouble(answer: &Answer, system: &str) -> Failure {
    let failure = match answer.status {
        StatusCode::UNAUTHORIZED => {
            Failure::outage(format!("{system} refused the credentials (401); correct them in proofd.yaml"))
        }
        StatusCode::FORBIDDEN => Failure::outage(format!(
            "{system} refused the request (403); give the credentials the permission"
        )),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Failure::unavailable(format!("{system} answered {}", answer.status.as_u16()))
        }
        status if status.is_redirection() => Failure::outage(format!(
            "{system} answered {} and redirects are not followed; correct its url in proofd.yaml",
            status.as_u16()
        )),
        _ => failure(answer, system),
    };
    match failure.kind {
        FailureKind::Unavailable => failure.waiting(retry_after(answer)),
        FailureKind::Refused | FailureKind::Changed | FailureKind::NotEnrolled => failure,
    }
}

/// Adds the name of the system to a transport failure.
pub fn named(mut failure: Failure, system: &str) -> Failure {
    failure.reason = failure.reason.replacen("the other side", system, 1);
    failure
}

/// Checks an address of the configuration before anything is sent to it.
pub fn check_address(url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("url: expected an address such as https://example.com/path".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url: remove user name and password from the address".to_owned());
    }
    if url.fragment().is_some() {
        return Err("url: remove the #fragment".to_owned());
    }
    Ok(())
}

/// Appends path segments to `base`, each escaped: none of them can change the address.
pub fn under(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Checked addresses are http(s), which always have a path.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// Tests whether a server listens at an address, and sends nothing: a request might have an effect.
pub async fn reach(name: &str, url: &Url) -> Finding {
    let finding = |ok, detail: &str| Finding { ok, what: name.to_owned(), detail: detail.to_owned() };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return finding(false, "its url has no host");
    };
    // An IPv6 address has brackets in a URL and none elsewhere.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let connect = tokio::net::TcpStream::connect((host, port));
    match tokio::time::timeout(REACHED_WITHIN, connect).await {
        Ok(Ok(_)) => finding(true, "configured; a server accepts connections; nothing was sent"),
        Ok(Err(error)) => {
            finding(false, &format!("no connection ({}); check the url and the network", error.kind()))
        }
        Err(_) => finding(false, "no connection in time; check the url, name resolution and firewalls"),
    }
}

/// Returns how many seconds the other side asks to wait: `Retry-After` as seconds or as a date; without it, the reset
/// of an exhausted rate limit. Unreadable values are ignored, and the longest wait is one hour.
pub fn retry_after(answer: &Answer) -> Option<u32> {
    let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER.as_str()).and_then(|value| match value.parse::<f64>() {
        Ok(seconds) => whole(seconds),
        // A date is compared with the other side's own clock.
        Err(_) => http_date(value).zip(answer.date()).map(|(until, now)| (until - now).num_seconds()),
    });
    let used_up = answer.status == StatusCode::TOO_MANY_REQUESTS
        || ["x-ratelimit-remaining", "ratelimit-remaining"].iter().any(|name| text(name) == Some("0"));
    let reset = || {
        let names = ["x-ratelimit-reset", "ratelimit-reset"];
        let seconds = names.iter().find_map(|name| whole(text(name)?.parse().ok()?))?;
        // Some systems send the time itself, in seconds since 1970.
        if seconds < EPOCH_FROM { Some(seconds) } else { Some(seconds - answer.date()?.timestamp()) }
    };
    let seconds = asked.or_else(|| used_up.then(reset)?)?;
    Some(u32::try_from(seconds.max(0)).unwrap_or(LONGEST_RETRY_SECONDS).min(LONGEST_RETRY_SECONDS))
}

/// Numbers from here on are times, not delays.
const EPOCH_FROM: i64 = 1_000_000_000;

#[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest integer")]
fn whole(seconds: f64) -> Option<i64> {
    seconds.is_finite().then(|| seconds.ceil() as i64)
}

/// A client-credentials token. One task fetches it, the others wait.
#[derive(Debug)]
pub struct TokenCache {
    clock: Arc<dyn Clock>,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Secret>,
    fetched: Timestamp,
    until: Timestamp,
    /// The other side refused a token and requested a pause until then.
    refused: Option<(Failure, Timestamp)>,
}

/// Longest use of a token, whatever its answer contains.
const LONGEST_LIFE_SECONDS: i64 = 30 * 86_400;

impl TokenCache {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: tokio::sync::Mutex::default() }
    }

    /// Returns the token, or calls `fetch` (token and lifetime in seconds) if none is held or it is about to expire.
    pub async fn get<F, R>(&self, fetch: F) -> Result<Secret, Failure>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<(Secret, i64), Failure>>,
    {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        // A token that was fetched in the future was fetched under a wrong clock; its age is unknown.
        if let Some(token) = &held.token
            && (held.fetched..held.until).contains(&now)
        {
            return Ok(token.clone());
        }
        if let Some((failure, until)) = &held.refused
            && let Ok(left @ 1..) = u32::try_from((*until - now).num_seconds())
            && left <= LONGEST_RETRY_SECONDS
        {
            return Err(failure.clone().waiting(Some(left)));
        }
        let (token, seconds) = match fetch().await {
            Ok(fetched) => fetched,
            Err(failure) => {
                let wait = failure.retry_after_seconds.map(|seconds| TimeDelta::seconds(seconds.into()));
                held.refused = wait.map(|wait| (failure.clone(), self.clock.now() + wait));
                return Err(failure);
            }
        };
        // Renewed early by a tenth of its life, at most five minutes: no request starts with an expiring token.
        let seconds = seconds.clamp(0, LONGEST_LIFE_SECONDS);
        let fetched = self.clock.now();
        let until = fetched + TimeDelta::seconds(seconds - (seconds / 10).min(300));
        *held = Held { token: Some(token.clone()), fetched, until, refused: None };
        Ok(token)
    }

    /// Drops `old` after the other side refused it, unless another task has replaced it already.
    pub async fn invalidate(&self, old: &Secret) {
        let mut held = self.held.lock().await;
        if held.token.as_ref() == Some(old) {
            held.token = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, retry_after};
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    fn asked(status: u16, headers: &[(&str, &str)]) -> Option<u32> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let status = reqwest::StatusCode::from_u16(status).unwrap();
        retry_after(&Answer { status, headers: map, body: Vec::new() })
    }

    #[test]
    fn retry_after_is_parsed_in_every_form_and_capped() {
        let date = ("date", "Mon, 30 Nov 2026 10:00:00 GMT");
        for (status, headers, seconds) in [
            (429, vec![("retry-after", "120")], Some(120)),
            (503, vec![("retry-after", "120")], Some(120)),
            (403, vec![("retry-after", " 7 ")], Some(7)),
            (429, vec![("retry-after", "1.2")], Some(2)),
            (429, vec![("retry-after", "-5")], Some(0)),
            (429, vec![("retry-after", "99999999999999999999")], Some(3_600)),
            (429, vec![date, ("retry-after", "Mon, 30 Nov 2026 10:02:00 GMT")], Some(120)),
            (429, vec![date, ("retry-after", "Mon, 30 Nov 2026 09:00:00 GMT")], Some(0)),
            (429, vec![date, ("retry-after", "Thu, 30 Nov 2056 10:00:00 GMT")], Some(3_600)),
            (429, vec![("retry-after", "soon"), ("x-ratelimit-reset", "600")], Some(600)),
            (429, vec![("retry-after", "inf")], None),
            (429, vec![("x-ratelimit-reset", "600")], Some(600)),
            (429, vec![("ratelimit-reset", "30")], Some(30)),
            (429, vec![date, ("x-ratelimit-reset", "1796032860")], Some(60)),
            (429, vec![("x-ratelimit-reset", "never")], None),
            (429, vec![], None),
            // Every answer has the reset time of the hour; that alone is no reason to wait for it.
            (500, vec![("x-ratelimit-reset", "600"), ("x-ratelimit-remaining", "4000")], None),
            (503, vec![("x-ratelimit-reset", "600"), ("x-ratelimit-remaining", "0")], Some(600)),
        ] {
            assert_eq!(asked(status, &headers), seconds, "{status} {headers:?}");
        }
    }
}
