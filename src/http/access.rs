//! Authenticates callers and checks their roles. The guard of a route requires a `Caller` with a role before it reads a
//! body, and passes it to the handler.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::Role;
use crate::engine::clock::System;
use crate::model::{Actor, Clock, Secret};

use super::Problem;

/// A bearer token's hash with its owner and roles. The token itself is not kept.
#[derive(Debug, Clone)]
pub struct Grant {
    actor: Actor,
    roles: BTreeSet<Role>,
    /// None: no token.
    hash: Option<[u8; 32]>,
    /// The last day on which the token is accepted.
    last: Option<NaiveDate>,
}

impl Grant {
    pub fn new(actor: Actor, roles: impl IntoIterator<Item = Role>, token: &Secret) -> Self {
        let hash = Some(Sha256::digest(token.expose().as_bytes()).into());
        Self { actor, roles: roles.into_iter().collect(), hash, last: None }
    }

    pub fn until(self, last: Option<NaiveDate>) -> Self {
        Self { last, ..self }
    }
}

impl Grant {
    /// A person whom the organization's identity provider has signed in: no token belongs to it.
    pub fn signed_in(actor: Actor, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { actor, roles: roles.into_iter().collect(), hash: None, last: None }
    }

    /// The name in journals.
    pub fn name(&self) -> &str {
        &self.actor.name
    }
}

#[derive(Debug, Clone)]
pub struct Access {
    grants: Vec<Grant>,
    clock: Arc<dyn Clock>,
}

/// No tokens: every request that needs a role is refused.
impl Default for Access {
    fn default() -> Self {
        Self::new(Vec::new(), Arc::new(System))
    }
}

/// A caller with at least one of the required roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Recorded in journals as the author of a change.
    pub actor: Actor,
    pub raw_identity: bool,
    /// May see all data of one person.
    pub privacy: bool,
    roles: BTreeSet<Role>,
}

/// As the guard found the caller. A handler that takes one on a route that needs no role gets an error.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get().cloned();
        caller.ok_or_else(|| Problem::internal(&"a handler asks for a caller where the route needs no role"))
    }
}

impl Caller {
    /// The token's name.
    pub fn name(&self) -> &str {
        &self.actor.name
    }

    /// Whether the caller passes a route with these roles.
    pub fn may(&self, any_of: &[Role]) -> bool {
        allowed(&self.roles, any_of)
    }
}

/// `admin` includes all roles except raw identity data.
fn allowed(roles: &BTreeSet<Role>, any_of: &[Role]) -> bool {
    roles.contains(&Role::Admin) || any_of.iter().any(|role| roles.contains(role))
}

impl Access {
    pub fn new(grants: Vec<Grant>, clock: Arc<dyn Clock>) -> Self {
        Self { grants, clock }
    }

    /// Returns the name of the token that a request carries, if it is one of ours.
    pub(super) fn name(&self, headers: &HeaderMap) -> Option<&str> {
        self.grant(bearer(headers)?).map(|grant| grant.actor.name.as_str())
    }

    fn grant(&self, token: &str) -> Option<&Grant> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.grants.iter().find(|grant| grant.hash.is_some_and(|known| bool::from(known.ct_eq(&hash))))
    }

    /// Returns the caller if the token has one of these roles.
    pub fn require(&self, headers: &HeaderMap, any_of: &[Role]) -> Result<Caller, Problem> {
        let Some(token) = bearer(headers) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "send a token: Authorization: Bearer TOKEN"));
        };
        self.permit(&self.sign_in(token)?, any_of)
    }

    /// Returns what a token grants.
    pub fn sign_in(&self, token: &str) -> Result<Grant, Problem> {
        let grant = self.grant(token).cloned();
        let grant = grant.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "unknown token"))?;
        self.check_expiry(&grant)?;
        Ok(grant)
    }

    fn check_expiry(&self, grant: &Grant) -> Result<(), Problem> {
        let name = &grant.actor.name;
        if let Some(last) = grant.last.filter(|last| *last < self.clock.now().date_naive()) {
            tracing::warn!(by = name, "a request with an expired token was refused");
            let detail = format!("the token {name} expired on {last}; use a new one");
            return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
        }
        Ok(())
    }

    /// Returns the caller if a grant is still accepted and has one of these roles.
    pub fn permit(&self, grant: &Grant, any_of: &[Role]) -> Result<Caller, Problem> {
        self.check_expiry(grant)?;
        let name = &grant.actor.name;
        if !allowed(&grant.roles, any_of) {
            let needed: Vec<_> = any_of.iter().map(|role| role.word()).chain(["admin"]).collect();
            let detail =
                format!("the token {name} lacks the role; one of these is required: {}", needed.join(", "));
            tracing::warn!(by = name, needed = needed.join(","), "a request without the role was refused");
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let raw_identity = grant.roles.contains(&Role::RawIdentity);
        let privacy = grant.roles.contains(&Role::Privacy);
        Ok(Caller { actor: grant.actor.clone(), raw_identity, privacy, roles: grant.roles.clone() })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::engine::clock::Virtual;

    fn check(now: &str, header: &str, any_of: &[Role], expected: Result<&str, u16>) {
        let grant =
            |name: &str, role, token: &str| Grant::new(Actor::named(name), [role], &Secret::new(token));
        let grants = vec![
            grant("ci", Role::Author, "t1"),
            grant("root", Role::Admin, "t2"),
            grant("temp", Role::Viewer, "t3").until("2027-06-30".parse().ok()),
        ];
        let access = Access::new(grants, Arc::new(Virtual::new(now.parse().unwrap())));
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        }
        let got = access.require(&headers, any_of);
        let got = got.map(|caller| caller.name().to_owned()).map_err(|problem| {
            use axum::response::IntoResponse as _;
            problem.into_response().status().as_u16()
        });
        assert_eq!(got, expected.map(str::to_owned), "{header} {any_of:?}");
    }

    #[test]
    fn a_role_grants_its_routes_and_admin_grants_all() {
        let now = "2027-06-30T12:00:00Z";
        check(now, "", &[Role::Viewer], Err(401));
        check(now, "Bearer wrong", &[Role::Viewer], Err(401));
        check(now, "Basic t1", &[Role::Author], Err(401));
        check(now, "Bearer t1", &[Role::Author], Ok("ci"));
        check(now, "bearer t1", &[Role::Viewer, Role::Author], Ok("ci"));
        check(now, "Bearer t1", &[Role::Desk], Err(403));
        check(now, "Bearer t2", &[Role::Desk], Ok("root"));
    }

    #[test]
    fn a_token_is_valid_until_the_end_of_its_last_day() {
        check("2027-06-30T23:59:59Z", "Bearer t3", &[Role::Viewer], Ok("temp"));
        check("2027-07-01T00:00:00Z", "Bearer t3", &[Role::Viewer], Err(401));
        check("2027-07-01T00:00:00Z", "Bearer t1", &[Role::Author], Ok("ci"));
    }
}
