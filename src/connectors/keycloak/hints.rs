//! Finds out what an administrator's event changed: compares what it names with what was read before and with what is
//! read back now. An event that names nothing, about somebody who was not read before, keeps only Keycloak's own name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::admin::{AdminRecord, Report, deletion};
use super::api::Own;
use super::events::{Fact, Head};
use super::memory::{Known, joined};
use super::wire::{Account, Group, Role};
use super::{Keycloak, people, roles};
use crate::model::SubjectKind::{Registration, User};
use crate::model::{Event, Failure, FailureKind, Origin};

/// Most members of a group whose roles are read after a change of the group's roles.
const MOST_MEMBERS: usize = 1_000;
/// Members per request.
const PAGE: usize = 100;

/// The order of records of one page: those that name what changed come first, and the others explain the rest.
pub fn is_named(report: &Report) -> bool {
    !matches!(report, Report::SomeRoles { .. })
}

impl Keycloak {
    /// Returns the events of a record. Records whose own events are of no use to policies have none.
    pub(super) async fn explain(
        &self,
        record: &AdminRecord,
        report: Report,
        own: &Own,
    ) -> Result<Vec<Event>, Failure> {
        if let Some(events) = self.memory.events_of(&record.id) {
            return Ok(events);
        }
        let head = record.head(&self.name, own);
        let events = match self.changes(&head, report.clone()).await {
            Ok(events) => events,
            // Nothing that is read later would explain it better.
            Err(failure) if failure.kind == FailureKind::Refused => {
                tracing::warn!(realm = self.name, reason = failure.reason, "reading back a change failed");
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let mut events = events;
        if events.is_empty()
            && head.origin != Origin::Ours
            && let Some(user) = user_of(&report)
        {
            events.push(head.event(User, user, Fact::default()));
        }
        self.memory.remember(&record.id, &events);
        Ok(events)
    }

    async fn changes(&self, head: &Head<'_>, report: Report) -> Result<Vec<Event>, Failure> {
        let of_user = |user: &str, facts: Vec<Fact>| {
            // Our own changes matter only under a common name.
            let facts =
                facts.into_iter().filter(|fact| !(fact.name.is_empty() && head.origin == Origin::Ours));
            facts.map(|fact| head.event(User, user, fact)).collect::<Vec<_>>()
        };
        Ok(match report {
            Report::Happened { user, facts } => of_user(&user, facts),
            Report::Deleted { user } => {
                self.memory.forget(&user);
                deletion().into_iter().map(|(kind, fact)| head.event(kind, &user, fact)).collect()
            }
            Report::Written { user, sent } => of_user(&user, self.written(head, &user, &sent)),
            Report::Roles { user, given, roles } => {
                let named = self.catalog.names(&self.api, roles.clone()).await?;
                let roles = self.catalog.closure(&self.api, roles).await?.into_values();
                let names = self.catalog.names(&self.api, roles).await?;
                let facts = self.turned(head, &user, given, names, &named).await?;
                of_user(&user, facts)
            }
            Report::SomeRoles { user } => {
                let facts = self.some_roles(head, &user).await?;
                of_user(&user, facts)
            }
            Report::Member { user, group, joined }
                if self.registrations && group.path == self.pending_group =>
            {
                if joined {
                    vec![head.event(Registration, &user, Fact::default())]
                } else {
                    vec![
                        head.event(User, &user, Fact::new("user.activated")),
                        head.event(Registration, &user, Fact::default()),
                    ]
                }
            }
            Report::Member { user, group, joined } => {
                let names = self.names_of_group(&group).await?;
                let facts = self.turned(head, &user, joined, names, &BTreeSet::new()).await?;
                of_user(&user, facts)
            }
            Report::GroupRoles { group, given, roles } => {
                self.catalog.clear().await;
                let roles = self.catalog.closure(&self.api, roles).await?.into_values();
                let names = self.catalog.names(&self.api, roles).await?;
                self.turned_for_members(head, &group, given, &names).await?
            }
            Report::Realm => {
                self.catalog.clear().await;
                Vec::new()
            }
            Report::Nothing => Vec::new(),
        })
    }

    async fn names_of_group(&self, group: &Group) -> Result<BTreeSet<String>, Failure> {
        let roles = self.catalog.of_group(&self.api, &group.id).await?;
        let roles: Vec<Role> = self.catalog.closure(&self.api, roles).await?.into_values().collect();
        let mut names = self.catalog.names(&self.api, roles).await?;
        // A group that was deleted since is known by its last representation.
        names.extend(group.realm_roles.iter().cloned());
        Ok(names)
    }

    /// Returns the roles of `names` that a change gave to a person, or took from them. Somebody else who takes a role of
    /// `named` says that the person shall not have it, also if proofd withholds it meanwhile.
    async fn turned(
        &self,
        head: &Head<'_>,
        user: &str,
        given: bool,
        names: BTreeSet<String>,
        named: &BTreeSet<String>,
    ) -> Result<Vec<Fact>, Failure> {
        let before = self.memory.before(user, head.time).map(|known| known.roles);
        let now = self.roles_now(user).await?;
        // Given and taken again before it was read: the person who took it changed something.
        let lost = |role: &&String| given && now.as_ref().is_some_and(|now| !now.contains(*role));
        let passed: Vec<String> = names.iter().filter(lost).cloned().collect();
        let says_no = |role: &String| !given && head.origin != Origin::Ours && named.contains(role);
        let turned = |role: &String| {
            let before = before.as_ref().filter(|_| !says_no(role));
            has_turned(role, given, before, now.as_ref())
        };
        let turned: Vec<String> = names.into_iter().filter(turned).collect();
        self.memory.follow(user, head.time, |known| {
            known.roles.extend(passed);
            for role in &turned {
                if given {
                    known.roles.insert(role.clone());
                } else {
                    known.roles.remove(role);
                }
            }
        });
        Ok(turned.iter().map(|role| Fact::role(given, role)).collect())
    }

    /// Returns the roles that a person lost or got since they were read.
    async fn some_roles(&self, head: &Head<'_>, user: &str) -> Result<Vec<Fact>, Failure> {
        let Some(Known { roles: before, .. }) = self.memory.before(user, head.time) else {
            return Ok(Vec::new());
        };
        let Some(now) = self.roles_now(user).await? else { return Ok(Vec::new()) };
        let taken = before.difference(&now).map(|role| Fact::role(false, role));
        let given = now.difference(&before).map(|role| Fact::role(true, role));
        let facts = taken.chain(given).collect();
        self.memory.follow(user, head.time, |known| known.roles = now.clone());
        Ok(facts)
    }

    async fn roles_now(&self, user: &str) -> Result<Option<BTreeSet<String>>, Failure> {
        let Some(groups) = roles::groups(&self.api, user).await? else { return Ok(None) };
        roles::effective(&self.api, &self.catalog, user, &groups).await
    }

    async fn turned_for_members(
        &self,
        head: &Head<'_>,
        group: &str,
        given: bool,
        names: &BTreeSet<String>,
    ) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        let members = self.members(group).await?;
        if members.iter().any(|(_, path)| self.registrations && *path == self.pending_group) {
            return Ok(events);
        }
        for (user, _) in members {
            let facts = self.turned(head, &user, given, names.clone(), &BTreeSet::new()).await?;
            events.extend(facts.into_iter().map(|fact| head.event(User, &user, fact)));
        }
        Ok(events)
    }

    /// Returns the members of a group and of the groups within it, each with the path of its group.
    async fn members(&self, group: &str) -> Result<BTreeMap<String, String>, Failure> {
        let mut found = BTreeMap::new();
        let mut open = vec![group.to_owned()];
        while let Some(id) = open.pop() {
            let Some(group): Option<Group> = self.api.read(&["groups", &id], &[]).await? else { continue };
            for member in self.members_of(&id, MOST_MEMBERS - found.len().min(MOST_MEMBERS)).await? {
                found.insert(member.id, group.path.clone());
            }
            if found.len() >= MOST_MEMBERS {
                tracing::warn!(
                    realm = self.name,
                    group = id,
                    "the roles of a group with very many members changed; events tell of the first members only; start a \
                     sweep for the others"
                );
                break;
            }
            let within: Option<Vec<Group>> =
                self.api.read(&["groups", &id, "children"], &[("first", "0"), ("max", "1000")]).await?;
            open.extend(within.unwrap_or_default().into_iter().map(|group| group.id));
        }
        Ok(found)
    }

    /// Returns up to `most` direct members of a group.
    pub(super) async fn members_of(&self, group: &str, most: usize) -> Result<Vec<Account>, Failure> {
        let mut found: Vec<Account> = Vec::new();
        while found.len() < most {
            let (first, max) = (found.len().to_string(), PAGE.to_string());
            let query = [("first", first.as_str()), ("max", max.as_str()), ("briefRepresentation", "false")];
            let page: Option<Vec<Account>> = self.api.read(&["groups", group, "members"], &query).await?;
            let page = page.unwrap_or_default();
            let full = page.len() >= PAGE;
            found.extend(page);
            if !full {
                break;
            }
        }
        Ok(found)
    }

    /// Returns what a write changed, compared with what was read before.
    fn written(&self, head: &Head<'_>, user: &str, sent: &Map<String, Value>) -> Vec<Fact> {
        let before = self.memory.before(user, head.time);
        let (enabled, values) = (sent.get("enabled").and_then(Value::as_bool), values(sent));
        self.memory.follow(user, head.time, |known| {
            known.enabled = enabled.unwrap_or(known.enabled);
            known.values.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
        });
        written(before.as_ref(), enabled, &values, &people::reversed(&self.names))
    }
}

/// Returns the person of a record.
fn user_of(report: &Report) -> Option<&str> {
    match report {
        Report::Happened { user, .. }
        | Report::Deleted { user }
        | Report::Roles { user, .. }
        | Report::SomeRoles { user }
        | Report::Member { user, .. }
        | Report::Written { user, .. } => Some(user),
        Report::GroupRoles { .. } | Report::Realm | Report::Nothing => None,
    }
}

/// Returns whether a change gave a role to a person, or took it. Keycloak also reports a role that was held already,
/// and one that was not held. `before`: as far as known; `now`: `None` if the account is gone.
fn has_turned(
    role: &str,
    given: bool,
    before: Option<&BTreeSet<String>>,
    now: Option<&BTreeSet<String>>,
) -> bool {
    let held_before = before.map(|before| before.contains(role));
    let held_now = now.map(|now| now.contains(role));
    held_before != Some(given) && held_now.is_none_or(|held| held == given)
}

/// Returns the values that a write sends, by Keycloak's names.
fn values(sent: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |name: &str| {
        let value = sent.get(name)?.as_str()?;
        Some((name.to_owned(), value.to_owned()))
    };
    let own = ["username", "email", "firstName", "lastName"].into_iter().filter_map(text);
    let attributes = sent.get("attributes").and_then(Value::as_object).into_iter().flatten();
    let more = attributes.map(|(name, value)| {
        let several = value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let value = value.as_str().map_or_else(|| joined(&several.collect::<Vec<_>>()), str::to_owned);
        (name.clone(), value)
    });
    own.chain(more).collect()
}

fn written(
    before: Option<&Known>,
    enabled: Option<bool>,
    values: &BTreeMap<String, String>,
    names: &BTreeMap<String, String>,
) -> Vec<Fact> {
    // The admin console sends whole accounts. A whole account that is enabled need not have been disabled before.
    let whole = values.contains_key("username");
    let open = match (enabled, before) {
        (Some(enabled), Some(before)) if enabled == before.enabled => None,
        (Some(true), None) if whole => None,
        (Some(true), _) => Some(Fact::new("user.activated")),
        (Some(false), _) => Some(Fact::new("user.suspended")),
        (None, _) => None,
    };
    let changed: Vec<Fact> = match before {
        None if values.is_empty() => Vec::new(),
        None => vec![Fact::some_attribute()],
        Some(before) => values
            .iter()
            .filter_map(|(name, new)| {
                let old = before.values.get(name).map(String::as_str).filter(|old| !old.is_empty());
                let new = Some(new.as_str()).filter(|new| !new.is_empty());
                let ours = names.get(name).unwrap_or(name);
                (old != new).then(|| Fact::attribute(ours, old, new))
            })
            .collect(),
    };
    open.into_iter().chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::{has_turned, values, written};
    use crate::connectors::keycloak::memory::Known;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_role_change_is_reported_only_if_membership_changed() {
        let held = BTreeSet::from(["r".to_owned()]);
        let none = BTreeSet::new();
        for (given, before, now, turned) in [
            (true, Some(&none), Some(&held), true),
            (true, Some(&held), Some(&held), false),
            (true, None, Some(&held), true),
            (true, None, Some(&none), false),
            (true, None, None, true),
            (false, Some(&held), Some(&none), true),
            (false, Some(&none), Some(&none), false),
            (false, None, Some(&held), false),
            (false, None, Some(&none), true),
            (false, Some(&held), None, true),
        ] {
            assert_eq!(has_turned("r", given, before, now), turned, "{given} {before:?} {now:?}");
        }
    }

    #[test]
    fn an_account_update_reports_only_changed_fields() {
        let known = |enabled: bool| Known {
            enabled,
            values: [("email", "a@x"), ("username", "a"), ("dept", "1")]
                .map(|(k, v)| (k.into(), v.into()))
                .into(),
            ..Known::default()
        };
        let names = BTreeMap::from([("dept".to_owned(), "department".to_owned())]);
        let whole = json!({"username": "a", "email": "b@x", "enabled": true, "attributes": {"dept": ["2"]}});
        for (before, sent, facts) in [
            (None, json!({"enabled": false}), vec!["user.suspended:"]),
            (Some(known(false)), json!({"enabled": false}), vec![]),
            (None, json!({"enabled": true}), vec!["user.activated:"]),
            (None, whole.clone(), vec!["user.attribute_changed:"]),
            (
                Some(known(true)),
                whole.clone(),
                vec!["user.attribute_changed:department", "user.attribute_changed:email"],
            ),
            (Some(known(false)), json!({"username": "a", "enabled": true}), vec!["user.activated:"]),
            (Some(known(true)), json!({"requiredActions": []}), vec![]),
        ] {
            let object = sent.as_object().unwrap();
            let enabled = object.get("enabled").and_then(serde_json::Value::as_bool);
            let found = written(before.as_ref(), enabled, &values(object), &names);
            let mut found: Vec<_> =
                found.iter().map(|fact| format!("{}:{}", fact.name, fact.detail)).collect();
            found.sort();
            assert_eq!(found, facts, "{sent}");
        }
    }
}
