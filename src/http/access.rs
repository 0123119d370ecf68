//! Who asks, and what they may do. The guard of a route asks for a `Caller` with a role before it reads a
//! body, and hands it to the handler.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::Role;
use crate::model::Secret;

use super::Problem;

/// A bearer token's hash with its name and roles. The token itself is not kept.
#[derive(Debug, Clone)]
pub struct Grant {
    name: String,
    roles: BTreeSet<Role>,
    hash: [u8; 32],
}

impl Grant {
    pub fn new(name: impl Into<String>, roles: impl IntoIterator<Item = Role>, token: &Secret) -> Self {
        let hash = Sha256::digest(token.expose().as_bytes()).into();
        Self { name: name.into(), roles: roles.into_iter().collect(), hash }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Access {
    grants: Vec<Grant>,
}

/// Somebody with at least one of the roles that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Stands in journals as who did it.
    pub name: String,
    pub raw_identity: bool,
}

/// As the guard found them. A handler that asks for one on a route that needs no role gets an error.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get().cloned();
        caller.ok_or_else(|| Problem::internal(&"a handler asks for a caller where the route needs no role"))
    }
}

impl Access {
    pub fn new(grants: Vec<Grant>) -> Self {
        Self { grants }
    }

    /// The name of the token that a request carries, if it is one of ours.
    pub(super) fn name(&self, headers: &HeaderMap) -> Option<&str> {
        self.grant(bearer(headers)?).map(|grant| grant.name.as_str())
    }

    fn grant(&self, token: &str) -> Option<&Grant> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.grants.iter().find(|grant| bool::from(grant.hash.ct_eq(&hash)))
    }

    /// The caller, if their token has one of these roles. `admin` is all but raw identity data.
    pub fn require(&self, headers: &HeaderMap, any_of: &[Role]) -> Result<Caller, Problem> {
        let Some(token) = bearer(headers) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "send a token: Authorization: Bearer TOKEN"));
        };
        let Some(grant) = self.grant(token) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "this token is not known"));
        };
        let allowed =
            grant.roles.contains(&Role::Admin) || any_of.iter().any(|role| grant.roles.contains(role));
        if !allowed {
            let needed: Vec<_> = any_of.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
            let detail =
                format!("the token {} needs one of these roles: {}, admin", grant.name, needed.join(", "));
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let raw_identity = grant.roles.contains(&Role::RawIdentity);
        Ok(Caller { name: grant.name.clone(), raw_identity })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, any_of: &[Role], expected: Result<&str, u16>) {
        let access = Access::new(vec![
            Grant::new("ci", [Role::Author], &Secret::new("t1")),
            Grant::new("root", [Role::Admin], &Secret::new("t2")),
        ]);
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        }
        let got = access.require(&headers, any_of);
        let got = got.map(|caller| caller.name).map_err(|problem| {
            use axum::response::IntoResponse as _;
            problem.into_response().status().as_u16()
        });
        assert_eq!(got, expected.map(str::to_owned), "{header} {any_of:?}");
    }

    #[test]
    fn a_role_opens_what_it_names_and_admin_opens_all() {
        check("", &[Role::Viewer], Err(401));
        check("Bearer wrong", &[Role::Viewer], Err(401));
        check("Basic t1", &[Role::Author], Err(401));
        check("Bearer t1", &[Role::Author], Ok("ci"));
        check("bearer t1", &[Role::Viewer, Role::Author], Ok("ci"));
        check("Bearer t1", &[Role::Desk], Err(403));
        check("Bearer t2", &[Role::Desk], Ok("root"));
    }
}
