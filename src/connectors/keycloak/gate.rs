//! The gate of a realm: nobody who registers can sign in before they leave the pending group. Keycloak puts everybody
//! who is new into that group, which carries a role, and each flow that signs a person in ends by refusing that role.
//! This is a pure check of the realm's settings. Keycloak finds the role by its name and lets people in if it does not
//! find it: a gate that is not whole is open.

use std::collections::BTreeMap;

use super::wire::{Execution, Group, IdentityProviderLink};

const CONDITION: &str = "conditional-user-role";
const DENIAL: &str = "deny-access-authenticator";

/// The settings that the gate consists of.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// The path of the pending group in the configuration.
    pub path: String,
    /// The group of this path.
    pub group: Option<Group>,
    /// Ids of the groups that new people get.
    pub default_groups: Vec<String>,
    /// Every way in with its flow.
    pub ways: Vec<Way>,
    /// The lines of each flow by its alias.
    pub flows: BTreeMap<String, Vec<Execution>>,
    /// The settings of lines by their id.
    pub configs: BTreeMap<String, BTreeMap<String, String>>,
}

/// A way to sign in, and the alias of its flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// For messages, such as `the browser flow`.
    pub name: String,
    pub flow: Option<String>,
}

impl Way {
    pub fn new(name: impl Into<String>, flow: Option<String>) -> Self {
        Self { name: name.into(), flow: flow.filter(|flow| !flow.is_empty()) }
    }

    /// Returns the way in through an identity provider.
    pub fn through(provider: &IdentityProviderLink) -> Self {
        let name = format!("the post login flow of the identity provider {}", provider.alias);
        Self::new(name, provider.post_broker_login_flow_alias.clone())
    }
}

impl Gate {
    /// Returns a sentence for each gap; empty: the gate is whole.
    pub fn gaps(&self) -> Vec<String> {
        let Some(group) = &self.group else {
            return vec![format!(
                "the realm has no group {}; create it, give it a realm role of its own and make it a default group",
                self.path
            )];
        };
        let mut gaps = Vec::new();
        if !self.default_groups.contains(&group.id) {
            gaps.push(format!("{} is no default group, so new people are not in it; make it one", self.path));
        }
        if group.realm_roles.is_empty() {
            gaps.push(format!("{} carries no realm role that a flow could refuse; give it one", self.path));
            return gaps;
        }
        for way in &self.ways {
            if let Err(gap) = self.closes(way, &group.realm_roles) {
                gaps.push(format!("{} {gap}", way.name));
            }
        }
        gaps
    }

    /// Checks that a way in ends with the refusal of one of `roles`.
    fn closes(&self, way: &Way, roles: &[String]) -> Result<(), String> {
        let alias = way.flow.as_ref().ok_or("is not set; choose a flow that ends with the gate")?;
        let lines = self.flows.get(alias).ok_or_else(|| format!("is {alias:?}, which does not exist"))?;
        let gap = |what: &str| format!("is {alias:?}, {what}");
        let off = |line: &&Execution| line.requirement == "DISABLED";
        let tops: Vec<(usize, &Execution)> =
            lines.iter().enumerate().filter(|(_, line)| line.level == 0 && !off(line)).collect();
        let Some((last, before)) = tops.split_last() else { return Err(gap("which is empty")) };
        let (place, gate) = *last;
        if !gate.authentication_flow || gate.requirement != "CONDITIONAL" {
            return Err(gap(
                "which does not end with the gate: a conditional sub-flow that refuses the pending role",
            ));
        }
        if before.iter().any(|(_, line)| line.requirement == "ALTERNATIVE") {
            return Err(gap(
                "which has an alternative beside the gate on the top level; put the alternatives into one \
                             required sub-flow before it",
            ));
        }
        let inner: Vec<&Execution> = lines
            .get(place + 1..)
            .unwrap_or_default()
            .iter()
            .take_while(|line| line.level > 0)
            .filter(|line| line.level == 1 && !off(line))
            .collect();
        let mut refused = false;
        let mut asked = false;
        for line in inner {
            match line.provider_id.as_deref() {
                Some(CONDITION) if line.requirement == "REQUIRED" && self.asks_for(line, roles) => {
                    asked = true
                }
                Some(CONDITION) => {
                    return Err(gap(&format!(
                        "whose gate does not ask for the role {}: the name in its condition differs, or is negated",
                        roles.join(" or ")
                    )));
                }
                Some(other) if other.starts_with("conditional-") => {
                    return Err(gap(
                        "whose gate has a second condition, so it does not refuse everybody with the role",
                    ));
                }
                Some(DENIAL) if line.requirement == "REQUIRED" => refused = true,
                Some(_) | None if !refused => {
                    return Err(gap("whose gate does something else before it refuses"));
                }
                Some(_) | None => {}
            }
        }
        match (asked, refused) {
            (true, true) => Ok(()),
            (false, _) => Err(gap("whose gate has no condition for the pending role")),
            (true, false) => Err(gap("whose gate does not deny access")),
        }
    }

    fn asks_for(&self, line: &Execution, roles: &[String]) -> bool {
        let config = line.authentication_config.as_ref().and_then(|id| self.configs.get(id));
        config.is_some_and(|config| {
            let role = config.get("condUserRole");
            let negated = config.get("negate").is_some_and(|negate| negate == "true");
            role.is_some_and(|role| roles.contains(role)) && !negated
        })
    }

    /// Returns the ids of settings that the check needs: those of conditions for a role.
    pub fn wanted_configs(lines: &[Execution]) -> impl Iterator<Item = &String> {
        let conditions = lines.iter().filter(|line| line.provider_id.as_deref() == Some(CONDITION));
        conditions.filter_map(|line| line.authentication_config.as_ref())
    }
}
