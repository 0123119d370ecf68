//! Tokens, scopes and limits: the checks before a request reaches its resource.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::answer::{Answer, Ask, Handled, Refusal};
use super::knobs::Scope;
use super::tenant::{ACCOUNT, Tenant};
use super::text::iso;

impl Tenant {
    /// Requests under `/auth`.
    pub fn auth(&mut self, ask: &Ask, rest: &[&str]) -> Handled {
        match (ask.method.as_str(), rest) {
            ("POST", ["oauth2", "v2", "token"]) => self.token(ask, false),
            ("POST", ["oauth2", "token"]) => self.token(ask, true),
            ("POST", ["oauth2", "revoke"]) => self.revoke_token(ask),
            ("GET", ["rate_limit"]) => {
                self.check_bearer(ask)?;
                let left = self.knobs.hourly_limit.saturating_sub(self.hour_calls);
                Ok(Answer::envelope(Some(json!({
                    "X-RateLimit-Limit": self.knobs.hourly_limit,
                    "X-RateLimit-Remaining": left,
                    "X-RateLimit-Reset": self.seconds_to_reset()
                }))))
            }
            _ => Err(Refusal::v1(404, "No Route Exists")),
        }
    }

    fn token(&mut self, ask: &Ask, old: bool) -> Handled {
        if let Some(burst) = self.knobs.token_burst {
            let since = self.now - TimeDelta::seconds(burst.seconds.into());
            self.token_requests.retain(|at| *at > since);
            self.token_requests.push_back(self.now);
            if self.token_requests.len() > burst.requests as usize {
                // This answer comes from the edge, not the application: no JSON, no Retry-After, no limit headers.
                let mut answer = Answer::html(
                    429,
                    "<html><body><h1>429 Too Many Requests</h1>\nYou have sent too many requests.\n</body></html>"
                        .into(),
                );
                answer.headers = vec![("cache-control", "no-cache".into()), ("connection", "close".into())];
                return Ok(answer);
            }
        }
        let grant = self.grant_type(ask)?;
        if grant != "client_credentials" {
            return Err(Refusal::v1(400, "grant_type is invalid"));
        }
        let lifetime = TimeDelta::seconds(self.knobs.token_lifetime_s.into());
        let held = self.token.clone().filter(|(_, made)| *made + lifetime > self.now);
        let (token, made) = match held {
            Some(held) => held,
            None => (self.random("token"), self.now),
        };
        self.token = Some((token.clone(), made));
        let left = (made + lifetime - self.now).num_seconds();
        let body = json!({
            "access_token": token, "created_at": iso(made), "expires_in": left,
            "refresh_token": super::text::hex(self.options.seed, "refresh", 0), "token_type": "bearer",
            "account_id": ACCOUNT
        });
        Ok(if old { Answer::envelope(Some(json!([body]))) } else { Answer::json(200, body) })
    }

    /// Checks the credentials in any of their four formats and returns the grant type.
    fn grant_type(&self, ask: &Ask) -> Result<String, Refusal> {
        let failed = || Refusal::v1(401, "Authentication Failure");
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&ask.body).into_owned().collect();
        let is_form = ask.header("content-type").starts_with("application/x-www-form-urlencoded");
        let of_form =
            |name: &str| form.iter().find(|(key, _)| is_form && key == name).map(|(_, v)| v.clone());
        let (id, secret) = match credentials(ask.header("authorization")) {
            Some(pair) => pair,
            None => match (of_form("client_id"), of_form("client_secret")) {
                (Some(id), Some(secret)) => (id, secret),
                _ => return Err(Refusal::v1(400, "Authorization Information is incorrect")),
            },
        };
        if id != self.options.client_id || secret != self.options.client_secret {
            return Err(failed());
        }
        if let Some(grant) = of_form("grant_type").or_else(|| ask.param("grant_type").map(str::to_owned)) {
            return Ok(grant);
        }
        let body = ask.object()?;
        Ok(body.get("grant_type").and_then(Value::as_str).unwrap_or("").to_owned())
    }

    fn revoke_token(&mut self, ask: &Ask) -> Handled {
        let known = credentials(ask.header("authorization"))
            .is_some_and(|(id, secret)| id == self.options.client_id && secret == self.options.client_secret);
        if !known {
            return Err(Refusal::v1(401, "Authentication Failure"));
        }
        let body = ask.object()?;
        let named = body.get("access_token").and_then(Value::as_str).unwrap_or("");
        let held = self.token.as_ref().is_some_and(|(token, _)| token == named);
        if !held {
            return Err(Refusal::v1(400, "Access token is invalid"));
        }
        self.token = None;
        Ok(Answer::envelope(None))
    }

    /// Checks the bearer token: `bearer` in any case, then a space or a colon, then the token.
    pub fn check_bearer(&self, ask: &Ask) -> Result<(), Refusal> {
        if self.knobs.credential_orphaned {
            return Err(ask.refuse(500, "Internal Server Error"));
        }
        let refused = || {
            if ask.is_v1() {
                Refusal::v1(401, "Authentication Failure")
            } else {
                Refusal::v2(401, "Unauthorized")
            }
        };
        let header = ask.header("authorization");
        let Some((scheme, token)) = header.split_once([' ', ':']) else {
            return Err(if ask.is_v1() {
                Refusal::v1(400, "Authorization Information is incorrect")
            } else {
                refused()
            });
        };
        let lifetime = TimeDelta::seconds(self.knobs.token_lifetime_s.into());
        let good = self
            .token
            .as_ref()
            .is_some_and(|(held, made)| held == token.trim() && *made + lifetime > self.now);
        if scheme.eq_ignore_ascii_case("bearer") && good { Ok(()) } else { Err(refused()) }
    }

    /// Whether the credential's scope covers the request.
    pub fn check_scope(&self, ask: &Ask, rest: &[&str]) -> Result<(), Refusal> {
        let reads = ask.method == "GET";
        let action = matches!(
            rest.last(),
            Some(&("set_state" | "lock_user" | "add_roles" | "remove_roles" | "set_custom_attributes"))
        );
        let covered = match self.knobs.scope {
            Scope::ManageAll => true,
            Scope::AuthenticationOnly => rest.last() == Some(&"logout") || rest.first() == Some(&"risk"),
            Scope::ReadUsers | Scope::ReadAll => reads,
            Scope::ManageUsers => reads || !(ask.is_v1() && action),
        };
        if covered { Ok(()) } else { Err(ask.refuse(403, "Forbidden")) }
    }

    pub fn seconds_to_reset(&self) -> i64 {
        (self.hour_began + TimeDelta::hours(1) - self.now).num_seconds().max(0)
    }

    /// Counts a call against the hourly limit; refuses it when the limit is used up.
    pub fn count_call(&mut self, ask: &Ask) -> Result<(), Refusal> {
        if !self.is_limited(ask) {
            return Ok(());
        }
        if self.hour_calls >= self.knobs.hourly_limit {
            return Err(ask.refuse(429, "Too Many Requests"));
        }
        self.hour_calls += 1;
        Ok(())
    }

    pub fn is_limited(&self, ask: &Ask) -> bool {
        ask.path.starts_with("/api/1/") || (self.knobs.limit_v2 && ask.path.starts_with("/api/2/"))
    }
}

/// Id and secret from `Basic ...` or from `client_id:..., client_secret:...`.
fn credentials(header: &str) -> Option<(String, String)> {
    if let Some((scheme, rest)) = header.split_once(' ')
        && scheme.eq_ignore_ascii_case("basic")
    {
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        return Some((id.to_owned(), secret.to_owned()));
    }
    let (id, secret) = header.split_once(',')?;
    let id = id.trim().strip_prefix("client_id:")?;
    let secret = secret.trim().strip_prefix("client_secret:")?;
    Some((id.trim().to_owned(), secret.trim().to_owned()))
}
