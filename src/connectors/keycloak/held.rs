//! Assigns and removes roles by name. A role that a group or another role gives cannot be taken away alone: Keycloak
//! accepts the removal and the person keeps the role. So only what is read back of all roles counts.

use reqwest::Method;
use serde_json::json;

use super::Keycloak;
use super::registrations::{MANAGEMENT, gone, not_shown};
use super::roles::{self, Known};
use crate::model::{Changed, Failure, Snapshot};

impl Keycloak {
    /// Looks up a role that policies may change.
    async fn role(&self, name: &str) -> Result<Known, Failure> {
        let known = roles::find(&self.api, name).await?;
        if known.client.as_deref() == Some(MANAGEMENT) {
            return Err(Failure::refused(format!(
                "the role {name:?} is a right in this realm; proofd gives and takes no rights of administrators"
            )));
        }
        let of_everybody = format!("default-roles-{}", self.api.realm().to_lowercase());
        if known.client.is_none() && known.role.name == of_everybody {
            return Err(Failure::refused(format!("the role {name:?} is the one that everybody has")));
        }
        if known.client.is_none() && self.registrations {
            let pending = self.pending().await?;
            if pending.is_some_and(|group| group.realm_roles.contains(&known.role.name)) {
                return Err(Failure::refused(format!(
                    "the role {name:?} is the realm's gate; approve the registration instead"
                )));
            }
        }
        // A role may contain rights of administrators; Keycloak then refuses it, or worse, does not.
        let parts = self.catalog.closure(&self.api, vec![known.role.clone()]).await?;
        let names = self.catalog.names(&self.api, parts.into_values()).await?;
        let right =
            names.iter().find(|part| part.split_once('/').is_some_and(|(client, _)| client == MANAGEMENT));
        match right {
            Some(right) => Err(Failure::refused(format!(
                "the role {name:?} contains {right}, a right in this realm; proofd gives and takes no rights of \
                 administrators"
            ))),
            None => Ok(known),
        }
    }

    async fn write_role(&self, method: Method, known: &Known, user: &str) -> Result<(), Failure> {
        // Without a body Keycloak would take away every role.
        let body = json!([{"id": known.role.id, "name": known.role.name}]);
        let written = self.api.write(method, &known.path(user), &[], Some(&body)).await;
        written.map_err(|refusal| {
            if refusal.mentions("Role not found") || refusal.mentions("Could not find role") {
                return Failure::unavailable("the role was renamed or deleted at this moment");
            }
            Self::not_written(refusal)
        })
    }

    pub(super) async fn assign_role(&self, snapshot: &Snapshot, role: &str) -> Result<Changed, Failure> {
        let known = self.role(role).await?;
        let person = self.person(snapshot).await?;
        let id = &person.account.id;
        if known.held(&self.api, id, true).await?.ok_or_else(gone)? {
            return Ok(Changed::plain(true));
        }
        self.write_role(Method::POST, &known, id).await?;
        match known.held(&self.api, id, false).await?.ok_or_else(gone)? {
            true => Ok(Changed::plain(false)),
            false => Err(not_shown()),
        }
    }

    pub(super) async fn remove_role(&self, snapshot: &Snapshot, role: &str) -> Result<Changed, Failure> {
        let known = self.role(role).await?;
        let person = self.person(snapshot).await?;
        let id = &person.account.id;
        let own = known.held(&self.api, id, false).await?.ok_or_else(gone)?;
        if own {
            self.write_role(Method::DELETE, &known, id).await?;
            if known.held(&self.api, id, false).await?.ok_or_else(gone)? {
                return Err(not_shown());
            }
        }
        if !known.held(&self.api, id, true).await?.ok_or_else(gone)? {
            return Ok(Changed::plain(!own));
        }
        let by = roles::held_by(&self.api, &self.catalog, id, &known.role).await?;
        let by = if by.is_empty() { "something else".to_owned() } else { by.join(" and ") };
        let what = if own { "the role was taken away, but is still held by" } else { "the role is held by" };
        Err(Failure::refused(format!("{what} {by}; take the person out there, or take the role from it")))
    }
}
