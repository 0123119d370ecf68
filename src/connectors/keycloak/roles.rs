//! The roles of people and their names. A realm role has its name; a role of a client is `CLIENT/ROLE`. A person has a
//! role by themselves, by a group or one of its parents, or by a role that contains it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use tokio::sync::Mutex;

use super::api::Api;
use super::wire::{Client, Group, Mappings, Role};
use crate::model::{Failure, Timestamp};

/// Lifetime of cached settings. The poll drops them as soon as it sees that one changed.
const LIVE_MINUTES: i64 = 5;
/// A chain of parents longer than this is treated as an error.
const DEEPEST: usize = 32;
/// Rows of one request.
const MANY: &str = "1000";

/// What contains which roles, cached: few settings, read again and again.
#[derive(Debug, Default)]
pub struct Catalog(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    since: Timestamp,
    /// Roles within a role, by its id.
    parts: BTreeMap<String, Vec<Role>>,
    /// A group with its parent, and the roles that it carries itself.
    groups: BTreeMap<String, Option<(Group, Vec<Role>)>>,
    /// Client ids by UUID.
    clients: BTreeMap<String, String>,
}

impl Catalog {
    pub async fn clear(&self) {
        *self.0.lock().await = Held::default();
    }

    async fn held(&self, now: Timestamp) -> tokio::sync::MutexGuard<'_, Held> {
        let mut held = self.0.lock().await;
        if (now - held.since).abs() > TimeDelta::minutes(LIVE_MINUTES) {
            *held = Held { since: now, ..Held::default() };
        }
        held
    }

    /// Returns the name of a role.
    pub async fn name(&self, api: &Api, role: &Role) -> Result<String, Failure> {
        if !role.client_role {
            return Ok(role.name.clone());
        }
        let mut held = self.held(api.now()).await;
        if let Some(client) = held.clients.get(&role.container_id) {
            return Ok(format!("{client}/{}", role.name));
        }
        let found: Option<Client> = api.read(&["clients", &role.container_id], &[]).await?;
        // A client that was deleted is named by its UUID.
        let client = found.map_or_else(|| role.container_id.clone(), |client| client.client_id);
        held.clients.insert(role.container_id.clone(), client.clone());
        Ok(format!("{client}/{}", role.name))
    }

    async fn parts(&self, api: &Api, role: &Role) -> Result<Vec<Role>, Failure> {
        if !role.composite {
            return Ok(Vec::new());
        }
        let mut held = self.held(api.now()).await;
        if let Some(parts) = held.parts.get(&role.id) {
            return Ok(parts.clone());
        }
        let parts: Option<Vec<Role>> = api.read(&["roles-by-id", &role.id, "composites"], &[]).await?;
        Ok(held.parts.entry(role.id.clone()).or_insert(parts.unwrap_or_default()).clone())
    }

    /// Returns a group and the roles that it carries itself; `None`: it was deleted.
    async fn group(&self, api: &Api, id: &str) -> Result<Option<(Group, Vec<Role>)>, Failure> {
        let mut held = self.held(api.now()).await;
        if let Some(group) = held.groups.get(id) {
            return Ok(group.clone());
        }
        let group: Option<Group> = api.read(&["groups", id], &[]).await?;
        let found = match group {
            None => None,
            Some(group) => {
                let mappings: Option<Mappings> = api.read(&["groups", id, "role-mappings"], &[]).await?;
                Some((group, all(mappings.unwrap_or_default())))
            }
        };
        held.groups.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    /// Returns the roles with all roles that they contain.
    pub async fn closure(&self, api: &Api, roles: Vec<Role>) -> Result<BTreeMap<String, Role>, Failure> {
        let mut all = BTreeMap::new();
        let mut open = roles;
        while let Some(role) = open.pop() {
            if all.contains_key(&role.id) {
                continue;
            }
            open.extend(self.parts(api, &role).await?);
            all.insert(role.id.clone(), role);
        }
        Ok(all)
    }

    /// Returns the roles that members of a group have by it or its parents, before the closure.
    pub async fn of_group(&self, api: &Api, id: &str) -> Result<Vec<Role>, Failure> {
        let (mut roles, mut next) = (Vec::new(), Some(id.to_owned()));
        for _ in 0..DEEPEST {
            let Some(id) = next else { return Ok(roles) };
            let Some((group, own)) = self.group(api, &id).await? else { return Ok(roles) };
            roles.extend(own);
            next = group.parent_id;
        }
        Err(Failure::unavailable("Keycloak's groups are nested too deeply"))
    }

    pub async fn names(
        &self,
        api: &Api,
        roles: impl IntoIterator<Item = Role>,
    ) -> Result<BTreeSet<String>, Failure> {
        let mut names = BTreeSet::new();
        for role in roles {
            names.insert(self.name(api, &role).await?);
        }
        Ok(names)
    }
}

fn all(mappings: Mappings) -> Vec<Role> {
    let clients = mappings.client_mappings.into_values().flat_map(|client| client.mappings);
    mappings.realm_mappings.into_iter().chain(clients).collect()
}

/// Returns the groups of a person; `None`: there is no such person.
pub async fn groups(api: &Api, user: &str) -> Result<Option<Vec<Group>>, Failure> {
    api.read(&["users", user, "groups"], &[("first", "0"), ("max", MANY)]).await
}

/// Returns the roles that a person has themselves; `None`: there is no such person.
pub async fn direct(api: &Api, user: &str) -> Result<Option<Vec<Role>>, Failure> {
    let mappings: Option<Mappings> = api.read(&["users", user, "role-mappings"], &[]).await?;
    Ok(mappings.map(all))
}

/// Returns the names of all roles that a person has, however.
pub async fn effective(
    api: &Api,
    catalog: &Catalog,
    user: &str,
    groups: &[Group],
) -> Result<Option<BTreeSet<String>>, Failure> {
    let Some(mut roles) = direct(api, user).await? else { return Ok(None) };
    for group in groups {
        roles.extend(catalog.of_group(api, &group.id).await?);
    }
    let roles = catalog.closure(api, roles).await?;
    catalog.names(api, roles.into_values()).await.map(Some)
}

/// A role that was looked up by its name.
#[derive(Debug, Clone)]
pub struct Known {
    pub role: Role,
    /// The client id of a client's role.
    pub client: Option<String>,
}

impl Known {
    /// Returns the path of a person's roles of this kind.
    pub fn path<'a>(&'a self, user: &'a str) -> Vec<&'a str> {
        let mut path = vec!["users", user, "role-mappings"];
        match self.client {
            Some(_) => path.extend(["clients", &self.role.container_id]),
            None => path.push("realm"),
        }
        path
    }

    /// Returns whether the person has the role: however, or only by themselves.
    pub async fn held(&self, api: &Api, user: &str, however: bool) -> Result<Option<bool>, Failure> {
        let mut path = self.path(user);
        if however {
            path.push("composite");
        }
        let roles: Option<Vec<Role>> = api.read(&path, &[]).await?;
        Ok(roles.map(|roles| roles.iter().any(|role| role.id == self.role.id)))
    }
}

/// Looks a role up by its name.
pub async fn find(api: &Api, name: &str) -> Result<Known, Failure> {
    let query = [("search", name), ("first", "0"), ("max", MANY)];
    let realm: Vec<Role> = api.must(&["roles"], &query).await?;
    let mut found: Vec<Known> =
        realm.into_iter().filter(|role| role.name == name).map(|role| Known { role, client: None }).collect();
    // Ids of clients are often addresses: every slash may be the one before the role.
    for (at, _) in name.match_indices('/') {
        let (client, role) = (&name[..at], &name[at + 1..]);
        if client.is_empty() || role.is_empty() {
            continue;
        }
        let Some(uuid) = api.client_uuid(client).await? else { continue };
        let query = [("search", role), ("first", "0"), ("max", MANY)];
        let roles: Option<Vec<Role>> = api.read(&["clients", &uuid, "roles"], &query).await?;
        let named = roles.unwrap_or_default().into_iter().filter(|one| one.name == role);
        found.extend(named.map(|role| Known { role, client: Some(client.to_owned()) }));
    }
    match (found.pop(), found.pop()) {
        (Some(known), None) => Ok(known),
        (Some(_), Some(_)) => {
            Err(Failure::refused(format!("Keycloak has more than one role named {name:?}; rename one")))
        }
        (None, _) => Err(Failure::refused(format!(
            "Keycloak has no role named {name:?}; it may have been renamed; write the name of a realm role, or CLIENT/ROLE"
        ))),
    }
}

/// Returns by what a person has a role that is not their own: groups and other roles.
pub async fn held_by(api: &Api, catalog: &Catalog, user: &str, role: &Role) -> Result<Vec<String>, Failure> {
    // What was cached may be the reason why it looks held.
    catalog.clear().await;
    let mut by = Vec::new();
    for group in groups(api, user).await?.unwrap_or_default() {
        let roles = catalog.of_group(api, &group.id).await?;
        if catalog.closure(api, roles).await?.contains_key(&role.id) {
            by.push(format!("the group {}", group.path));
        }
    }
    for own in direct(api, user).await?.unwrap_or_default() {
        if own.id != role.id && catalog.closure(api, vec![own.clone()]).await?.contains_key(&role.id) {
            by.push(format!("the role {}", catalog.name(api, &own).await?));
        }
    }
    Ok(by)
}
