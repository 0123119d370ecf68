//! The stages of a request: fault, limit, token, scope, resource, ledger, headers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde_json::json;

use super::answer::{Answer, Ask, Handled, Refusal, phrase};
use super::tenant::Tenant;
use super::{Inner, control, courier, page};
use crate::simulate::fault::strike;

/// Largest body; no client of this API sends more.
const MOST: usize = 1 << 20;

/// Answers one request.
pub(super) async fn handle(inner: Arc<Inner>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST).await else {
        return Answer::from(Refusal::Html { code: 413 }).into_response();
    };
    let query = head.uri.query().unwrap_or("");
    let ask = Ask {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: head.headers,
        body,
    };
    let segments: Vec<&str> = ask.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let answer = match segments.as_slice() {
        ["_sim", "webhook", "flush"] if ask.method == "POST" => {
            courier::flush(&inner).await;
            Answer::empty(204)
        }
        ["_sim", rest @ ..] => {
            inner.with(|tenant| control::handle(tenant, &ask, rest)).unwrap_or_else(Answer::from)
        }
        [] | ["self_registration" | "play" | "people", ..] => {
            inner.with(|tenant| page::handle(tenant, &ask, &segments)).unwrap_or_else(Answer::from)
        }
        _ => return api(&inner, &ask, &segments).await,
    };
    answer.into_response()
}

async fn api(inner: &Inner, ask: &Ask, segments: &[&str]) -> Response {
    let act = async { inner.with(|tenant| tenant.answer(ask, segments)).into_response() };
    let fault = inner.with(|tenant| {
        *tenant.requests.entry(format!("{} {}", ask.method, ask.path)).or_default() += 1;
        let fault = strike(&mut tenant.knobs.faults, &ask.method, &ask.path);
        if fault.as_ref().is_some_and(|fault| !fault.lets_act()) {
            record_failed(tenant, ask, "request.lost", "fault");
        }
        fault
    });
    let Some(fault) = fault else { return act.await };
    let refuse = |code: u16| {
        let refusal = match code {
            // This answer comes from the edge, not the application.
            429 | 503 => Refusal::Html { code },
            _ => ask.refuse(code, phrase(code)),
        };
        Answer::from(refusal).into_response()
    };
    fault.inject(&*inner.clock, refuse, act).await
}

/// Records a change request that was refused or did not reach the tenant.
fn record_failed(tenant: &Tenant, ask: &Ask, what: &str, why: &str) {
    if ask.method != "GET" && !ask.path.starts_with("/auth/") {
        let detail = json!({"method": ask.method, "why": why});
        tenant.record_as(what.into(), ask.path.clone(), false, detail);
    }
}

impl Tenant {
    fn answer(&mut self, ask: &Ask, segments: &[&str]) -> Answer {
        let before = self.recorded.get();
        let mut answer = self.admit(ask, segments).unwrap_or_else(|refusal| {
            let answer = Answer::from(refusal);
            if self.recorded.get() == before {
                record_failed(self, ask, "request.refused", &answer.code.to_string());
            }
            answer
        });
        if ask.path.starts_with("/api/1/") && self.is_limited(ask) {
            let left = self.knobs.hourly_limit.saturating_sub(self.hour_calls);
            answer.headers.push(("x-ratelimit-limit", self.knobs.hourly_limit.to_string()));
            answer.headers.push(("x-ratelimit-remaining", left.to_string()));
            answer.headers.push(("x-ratelimit-reset", self.seconds_to_reset().to_string()));
        }
        let at_the_edge = answer.headers.iter().any(|(name, _)| *name == "connection");
        if !at_the_edge {
            answer.headers.push(("x-request-id", self.random("request")));
        }
        answer
    }

    fn admit(&mut self, ask: &Ask, segments: &[&str]) -> Handled {
        let rest = match segments {
            ["auth", rest @ ..] => return self.auth(ask, rest),
            ["api", _, rest @ ..] => rest,
            _ => return Err(Refusal::v1(404, "No Route Exists")),
        };
        self.count_call(ask)?;
        // Event types need no token.
        if rest != ["events", "types"] {
            self.check_bearer(ask)?;
        }
        self.check_scope(ask, rest)?;
        match segments {
            ["api", "1", rest @ ..] => self.v1(ask, rest),
            ["api", "2", "users", rest @ ..] => self.users_v2(ask, rest),
            ["api", "2", "roles", rest @ ..] => self.roles_v2(ask, rest),
            ["api", "2", "self_registration_profiles", rest @ ..] => self.profiles_v2(ask, rest),
            ["api", "2", "mappings", rest @ ..] => self.mappings_v2(ask, rest),
            ["api", "2", "mfa", "users", id, "devices", rest @ ..] => self.devices_v2(ask, id, rest),
            ["api", "2", "risk", rest @ ..] => self.risk_v2(ask, rest),
            ["api", "2", "apps"] => Ok(Answer::json(200, json!([]))),
            _ => Err(Refusal::not_found()),
        }
    }

    fn risk_v2(&self, ask: &Ask, rest: &[&str]) -> Handled {
        match (ask.method.as_str(), rest) {
            ("POST", ["verify"]) => {
                ask.object()?;
                Ok(Answer::json(
                    200,
                    json!({"score": 24, "triggers": ["Accessed from a new IP address"], "messages": []}),
                ))
            }
            ("POST", ["events"]) => {
                ask.object()?;
                Ok(Answer::json(200, json!({})))
            }
            ("GET", ["scores"]) => Ok(Answer::json(
                200,
                json!({"scores": {"minimal": 50, "low": 165, "medium": 30, "high": 17, "very_high": 9},
                       "total": 271}),
            )),
            _ => Err(Refusal::not_found()),
        }
    }
}
