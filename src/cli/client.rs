//! The client of a running daemon's API. The daemon is found through arguments or the configuration.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use percent_encoding::utf8_percent_encode;
use reqwest::header::{CONTENT_TYPE, DATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Daemon, Failed, output};
use crate::api::problem::Problem;
use crate::config;
use crate::engine::clock::System;
use crate::model::{Clock as _, Secret, Timestamp, UNRESERVED};

/// Builds a path of the API. Each part becomes one percent-encoded segment.
pub fn path(parts: &[&str]) -> String {
    parts
        .iter()
        .fold("/v1".to_owned(), |path, part| format!("{path}/{}", utf8_percent_encode(part, &UNRESERVED)))
}

/// Timeout of a request. Loading a tree may include a long back-test.
const LONGEST: Duration = Duration::from_secs(600);

pub const DEFAULT_CONFIG: &str = "/etc/proofd/proofd.yaml";

/// The configuration that a command uses if none is named: that of this machine, else that of the working directory. The
/// token of the latter goes to no other address.
fn usual_config(here: bool) -> Option<PathBuf> {
    let here = here.then_some("proofd.yaml");
    std::iter::once(DEFAULT_CONFIG).chain(here).map(PathBuf::from).find(|path| path.is_file())
}

#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Secret,
    /// The daemon's time at its last answer, in seconds.
    dated: AtomicI64,
}

impl Client {
    /// Finds the daemon: `--url` with a token, otherwise the given configuration, otherwise the one in `/etc`.
    pub fn find(daemon: &Daemon) -> Result<Self, Failed> {
        let given = token(daemon).map_err(Failed::usage)?;
        let (url, token) = match (&daemon.url, given) {
            (Some(url), Some(token)) => (url.trim_end_matches('/').to_owned(), token),
            (url, given) => {
                let Some(path) = daemon.config.clone().or_else(|| usual_config(url.is_none())) else {
                    return Err(Failed::usage(match (url, &given) {
                        (Some(_), _) => anyhow!(
                            "no token: add --token-file FILE, set PROOFD_TOKEN, or name a configuration with --config FILE"
                        ),
                        (None, _) => anyhow!(
                            "which daemon? Name its configuration with --config FILE or PROOFD_CONFIG, or its address with \
                             --url and a token in PROOFD_TOKEN; there is no {DEFAULT_CONFIG} and no proofd.yaml here"
                        ),
                    }));
                };
                let (from_url, from_token) = configured(&path).map_err(Failed::usage)?;
                let url = url.as_ref().map_or(from_url, |url| url.trim_end_matches('/').to_owned());
                let token = given.or(from_token).ok_or_else(|| {
                    Failed::usage(anyhow!(
                        "no token: add --token-file FILE, set PROOFD_TOKEN, or add one under `access.tokens` of the configuration"
                    ))
                })?;
                (url, token)
            }
        };
        Self::at(url, token)
    }

    pub fn at(url: String, token: Secret) -> Result<Self, Failed> {
        // An error means that a provider is already installed in this process; that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(LONGEST)
            .build()
            .context("while creating the HTTP client")?;
        Ok(Self { http, url, token, dated: AtomicI64::new(0) })
    }

    /// The daemon's time, which a simulated clock may have moved; the machine's before the first answer.
    pub fn now(&self) -> Timestamp {
        let dated = Timestamp::from_timestamp(self.dated.load(Ordering::Relaxed), 0);
        dated.filter(|at| *at > Timestamp::UNIX_EPOCH).unwrap_or_else(|| System.now())
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Failed> {
        self.get_by(path, &()).await
    }

    /// Sends a GET request with query parameters.
    pub async fn get_by<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<Answer<T>, Failed> {
        Ok(self.try_get(path, query).await??)
    }

    /// Sends a GET request; the inner error is the daemon's refusal.
    pub async fn try_get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<Result<Answer<T>, Refused>, Failed> {
        self.ask(self.request(Method::GET, path).query(query)).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Failed> {
        Ok(self.try_post(path, body).await??)
    }

    pub async fn post_by<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
        body: &impl Serialize,
    ) -> Result<Answer<T>, Failed> {
        Ok(self.ask(self.request(Method::POST, path).query(query).json(body)).await??)
    }

    pub async fn try_post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Result<Answer<T>, Refused>, Failed> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    /// Sends a POST request with a body of another content type than plain JSON.
    pub async fn post_text<T: DeserializeOwned>(
        &self,
        path: &str,
        kind: &str,
        body: String,
    ) -> Result<Answer<T>, Failed> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, kind).body(body);
        Ok(self.ask(request).await??)
    }

    /// Sends a POST request and reads the answer line by line until it ends.
    pub async fn post_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        each: &mut dyn FnMut(T),
    ) -> Result<(), Failed> {
        let request = self.request(Method::POST, path).json(body).timeout(Duration::from_secs(24 * 3600));
        let mut answer = self.sent(request).await?;
        if !answer.status().is_success() {
            return Err(self.read::<Value>(answer).await?.err().map_or_else(|| self.strange(), Failed::from));
        }
        let mut rest = Vec::new();
        let gone = |error: reqwest::Error| Failed::unreachable(error.without_url());
        while let Some(bytes) = answer.chunk().await.map_err(gone)? {
            rest.extend_from_slice(&bytes);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                each(serde_json::from_slice(&line).map_err(|_| self.strange())?);
            }
        }
        Ok(())
    }

    fn strange(&self) -> Failed {
        Failed::unreachable(anyhow!("{} did not answer like proofd; check the address", self.url))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(self.token.expose())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Result<Answer<T>, Refused>, Failed> {
        let answer = self.sent(request).await?;
        self.read(answer).await
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response, Failed> {
        request.send().await.map_err(|error| {
            Failed::unreachable(anyhow!(
                "the daemon at {} cannot be reached: {}",
                self.url,
                error.without_url()
            ))
        })
    }

    async fn read<T: DeserializeOwned>(
        &self,
        answer: Response,
    ) -> Result<Result<Answer<T>, Refused>, Failed> {
        let status = answer.status();
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        if let Some(at) = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok()) {
            self.dated.store(at.timestamp(), Ordering::Relaxed);
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let refused = kind.starts_with("application/problem+json");
        let text = answer.text().await.map_err(|error| Failed::unreachable(error.without_url()))?;
        if refused {
            let problem = serde_json::from_str(&text).map_err(|_| self.strange())?;
            return Ok(Err(Refused { status, problem }));
        }
        let answer =
            Answer { value: serde_json::from_str(&text).map_err(|_| self.strange())?, of: PhantomData };
        // A proxy's error answer may also be JSON.
        if !status.is_success() && answer.read().is_err() {
            return Err(self.strange());
        }
        Ok(Ok(answer))
    }
}

/// An answer as JSON, with the type it is read as.
#[derive(Debug)]
pub struct Answer<T> {
    value: Value,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Answer<T> {
    pub fn read(&self) -> Result<T, Failed> {
        T::deserialize(&self.value).map_err(|error| {
            let hint = "reading the daemon's answer failed; its version may differ from this program's";
            Failed::unreachable(anyhow!(error).context(hint))
        })
    }

    /// Prints the answer: the JSON as received for programs, or through `show` for people.
    pub fn show(&self, json: bool, show: impl FnOnce(&T)) -> Result<(), Failed> {
        if json {
            output::json(&self.value);
        } else {
            show(&self.read()?);
        }
        Ok(())
    }

    /// The JSON as received.
    pub fn into_value(self) -> Value {
        self.value
    }
}

/// A refusal by the daemon.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    pub problem: Problem,
}

impl From<Refused> for Failed {
    fn from(Refused { status, problem }: Refused) -> Self {
        let detail = problem.detail;
        if status == StatusCode::UNAUTHORIZED {
            return Self::usage(anyhow!(
                "the daemon refused the token: {detail}; check --token-file, PROOFD_TOKEN, or `access.tokens` of \
                 the daemon's configuration"
            ));
        }
        let allowed = problem.more.decisions_allowed.filter(|words| !words.is_empty());
        let allowed = allowed.map(|words| format!(" (allowed now: {})", words.join(", ")));
        Self::no(anyhow!("{detail}{}", allowed.unwrap_or_default()))
    }
}

fn token(daemon: &Daemon) -> anyhow::Result<Option<Secret>> {
    if let Some(path) = &daemon.token_file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("while reading {}", path.display()))?;
        return Ok(Some(Secret::new(text.trim())));
    }
    Ok(std::env::var("PROOFD_TOKEN").ok().map(Secret::new))
}

/// Address and token of a daemon on this machine. Chooses the token with the most roles.
fn configured(path: &Path) -> anyhow::Result<(String, Option<Secret>)> {
    let (config, _) = config::read(path)?;
    let mut tokens: Vec<_> = config.access.tokens.iter().collect();
    let rank = |token: &config::Token| {
        (token.all_roles().any(|role| role == config::Role::Admin), token.all_roles().count())
    };
    tokens.sort_by_key(|token| std::cmp::Reverse(rank(token)));
    let token = tokens.iter().find_map(|token| token.token.reveal(&config.base).ok());
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok((format!("http://{address}"), token))
}
