//! Target systems with SCIM 2.0 (RFC 7643, RFC 7644): creates and changes accounts, and reads changes back. Never
//! changes an account that is not exactly the requested one.
//!
//! | file | what |
//! |---|---|
//! | `api` | requests, searches, the meaning of answers |
//! | `attribute` | attribute names of policies, converted to SCIM |
//! | `compare` | compares an account with the requested one |
//! | `options` | its options in the configuration |

use std::fmt;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::http::{Answer, named};
use super::{Connector, Created, Finding, TargetSystem};
use crate::model::{Attempt, Failure, Fields, Secret};

mod api;
mod attribute;
mod compare;
mod options;

use api::{Account, Api, Found, id};
use attribute::Attribute;
pub use options::Options;

/// Attempts after which an invisible change counts as dropped by the system, and a missing account as nonexistent. With
/// the usual delays that is four minutes.
const PATIENT_ATTEMPTS: u32 = 4;

/// An id that no account has: the check only tests the permission.
const UNKNOWN_ID: &str = "proofd-doctor-asks-for-nobody";

/// The settings for one system.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name that policies use; failures contain it.
    pub name: String,
    /// Base address; `/Users` is appended.
    pub url: Url,
    pub token: Secret,
}

/// The connector.
pub struct Scim {
    name: String,
    api: Api,
}

impl fmt::Debug for Scim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scim({})", self.name)
    }
}

impl Scim {
    /// Checks the settings; makes no connection.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let name = settings.name.clone();
        Ok(Self { api: Api::new(settings)?, name })
    }

    /// Creates an account after a search: not every system enforces a unique `externalId`.
    async fn made(&self, external_id: &str, attributes: &Fields, repeated: bool) -> Result<Created, Failure> {
        if external_id.trim().is_empty() {
            return Err(Failure::refused("creating an account needs an id to find it by"));
        }
        let account = attribute::account(external_id, attributes)?;
        match self.ours(external_id).await? {
            Ours::Is(id) => return Ok(Created { id: Some(id), already: true }),
            Ours::CannotLook if repeated => return Err(self.may_have_been_made()),
            Ours::CannotLook | Ours::IsNot => {}
        }
        let answer = self.api.send(Method::POST, &["Users"], &[], Some(&account), None).await?;
        if answer.status == StatusCode::CONFLICT {
            return match self.ours(external_id).await? {
                // Another call of ours was faster.
                Ours::Is(id) => Ok(Created { id: Some(id), already: true }),
                Ours::IsNot | Ours::CannotLook => Err(Failure::changed(format!(
                    "{} has another account with this user name or another unique value; check it by hand",
                    self.name
                ))),
            };
        }
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer));
        }
        self.read_made(&answer, external_id).await
    }

    /// Reads the answer to a creation. Without an id in it, only a search counts.
    async fn read_made(&self, answer: &Answer, external_id: &str) -> Result<Created, Failure> {
        let body = answer.json::<Value>().unwrap_or_default();
        match (id(&body), compare::text(&body, "externalId")) {
            (Some(_), Some(other)) if other != external_id => Err(Failure::changed(format!(
                "{} created an account with another externalId than requested; check it by hand",
                self.name
            ))),
            (Some(id), _) => Ok(Created { id: Some(id), already: false }),
            (None, _) => match self.ours(external_id).await? {
                Ours::Is(id) => Ok(Created { id: Some(id), already: false }),
                Ours::IsNot => Err(Failure::unavailable(format!(
                    "{} answered {} without an account, and a search finds none",
                    self.name,
                    answer.status.as_u16()
                ))),
                Ours::CannotLook => Err(self.may_have_been_made()),
            },
        }
    }

    fn may_have_been_made(&self) -> Failure {
        Failure::changed(format!(
            "{} does not support a search by externalId, and the account may exist already; check it by \
                hand",
            self.name
        ))
    }

    /// Returns whether an account with our `externalId` exists, in this exact spelling.
    async fn ours(&self, external_id: &str) -> Result<Ours, Failure> {
        let key = [(Attribute::external_id(), Value::from(external_id))];
        match self.api.find(&key).await? {
            Found::None => Ok(Ours::IsNot),
            Found::One(account) => Ok(Ours::Is(account.id)),
            Found::Several => Err(Failure::changed(format!(
                "{} has several accounts with this externalId; check it by hand",
                self.name
            ))),
            Found::CannotSearch(_) => Ok(Ours::CannotLook),
        }
    }

    async fn changed(&self, matching: &Fields, attributes: &Fields, attempt: u32) -> Result<bool, Failure> {
        let wanted = attribute::wanted(attributes)?;
        let account = match self.api.find(&attribute::keys(matching)?).await? {
            Found::One(account) => account,
            Found::None if attempt < PATIENT_ATTEMPTS => {
                // The account may have been created seconds ago.
                return Err(Failure::unavailable(format!("{} has no account that matches yet", self.name)));
            }
            Found::None => {
                return Err(Failure::changed(format!("{} has no account that matches", self.name)));
            }
            Found::Several => {
                return Err(Failure::refused(format!(
                    "{} has several accounts that match; make 'match' more specific",
                    self.name
                )));
            }
            Found::CannotSearch(failure) => return Err(failure),
        };
        let operations: Vec<_> =
            wanted.iter().filter_map(|(attribute, value)| change(&account, attribute, value)).collect();
        if operations.is_empty() {
            return Ok(true);
        }
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        let path = ["Users", account.id.as_str()];
        let answer =
            self.api.send(Method::PATCH, &path, &[], Some(&body), account.version.as_deref()).await?;
        match answer.status {
            status if status.is_success() => {}
            StatusCode::PRECONDITION_FAILED => {
                return Err(Failure::unavailable(format!(
                    "the account in {} changed at the same time",
                    self.name
                )));
            }
            StatusCode::NOT_FOUND => return Err(self.gone(&answer, attempt)),
            _ => return Err(self.api.refusal(&answer)),
        }
        self.read_back(&account.id, &wanted, attempt).await
    }

    /// Reads a change back: systems accept attributes that they do not keep.
    async fn read_back(
        &self,
        id: &str,
        wanted: &[(Attribute, Value)],
        attempt: u32,
    ) -> Result<bool, Failure> {
        let answer = self.api.send(Method::GET, &["Users", id], &[], None, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(self.gone(&answer, attempt));
        }
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer));
        }
        let account: Value = answer.json().map_err(|failure| named(failure, &self.name))?;
        let missing: Vec<_> = wanted
            .iter()
            .filter(|(attribute, value)| {
                !attribute.is_write_only() && !compare::kept(&account, attribute, value)
            })
            .map(|(attribute, _)| attribute.spelled.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(false);
        }
        let missing = missing.join(", ");
        Err(if attempt < PATIENT_ATTEMPTS {
            Failure::unavailable(format!(
                "{} accepted the change but does not show it yet: {missing}",
                self.name
            ))
        } else {
            Failure::refused(format!("{} accepts the change but does not keep it: {missing}", self.name))
        })
    }

    /// Returns the failure for a missing account. A 404 page of a proxy does not concern the account.
    fn gone(&self, answer: &Answer, attempt: u32) -> Failure {
        match answer.json::<Value>() {
            Ok(_) if attempt < PATIENT_ATTEMPTS => {
                Failure::unavailable(format!("{} does not show the account", self.name))
            }
            Ok(_) => Failure::changed(format!("the account in {} no longer exists", self.name)),
            Err(failure) => named(failure, &self.name),
        }
    }

    async fn look(&self) -> Vec<Finding> {
        let finding =
            |ok, what: &str, detail: String| Finding { ok, what: format!("{}: {what}", self.name), detail };
        let answer = self.api.send(Method::GET, &["ServiceProviderConfig"], &[], None, None).await;
        let mut findings = Vec::new();
        match answer {
            Err(failure) => return vec![finding(false, "service", failure.reason)],
            Ok(answer) if !answer.status.is_success() => {
                findings.push(finding(false, "service", self.api.refusal(&answer).reason));
            }
            Ok(answer) => match answer.json::<Value>() {
                Err(failure) => {
                    findings.push(finding(false, "service", named(failure, &self.name).reason));
                }
                Ok(body) => {
                    findings.push(finding(true, "service", "its capabilities are readable".to_owned()));
                    let lacks = |feature: &str| body[feature]["supported"].as_bool() == Some(false);
                    if lacks("patch") {
                        let detail = "PATCH is not supported; update_user will fail";
                        findings.push(finding(false, "changes", detail.to_owned()));
                    }
                }
            },
        }
        let key = [(Attribute::external_id(), Value::from(UNKNOWN_ID))];
        findings.push(match self.api.find(&key).await {
            Ok(Found::CannotSearch(failure)) => finding(false, "search by externalId", failure.reason),
            Ok(_) => finding(
                true,
                "search by externalId",
                "the token has the permission, and the answers \
                are valid"
                    .to_owned(),
            ),
            Err(failure) => finding(false, "search by externalId", failure.reason),
        });
        findings
    }
}

enum Ours {
    Is(String),
    IsNot,
    CannotLook,
}

/// Returns the operation that sets an attribute, or `None` if it has the value.
fn change(account: &Account, attribute: &Attribute, value: &Value) -> Option<Value> {
    if !attribute.is_write_only() && compare::held(&account.resource, attribute, value) {
        return None;
    }
    let path = attribute.path();
    Some(match compare::to_write(&account.resource, attribute, value) {
        Value::Null => json!({"op": "remove", "path": path}),
        value => json!({"op": "replace", "path": path, "value": value}),
    })
}

impl Connector for Scim {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.look().boxed()
    }
}

impl TargetSystem for Scim {
    fn create<'a>(
        &'a self,
        attempt: &'a Attempt,
        external_id: &'a str,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<Created, Failure>> {
        self.made(external_id, attributes, attempt.is_repeated()).boxed()
    }

    fn update<'a>(
        &'a self,
        attempt: &'a Attempt,
        matching: &'a Fields,
        attributes: &'a Fields,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        self.changed(matching, attributes, attempt.number).boxed()
    }
}
