//! The simulators in the place of the systems that a configuration names, for a person who tries policies.

use serde_yaml::{Mapping, Value};

use super::front::Row;
use super::office;
use super::onelogin::Crowd;
use super::town::{Credentials, Town};

impl Town {
    /// Returns connectors in which the simulators stand for the systems of a configuration. Refuses a system without a
    /// simulator.
    pub fn stand_in_for(&self, own: Mapping, credentials: &Credentials) -> Result<Mapping, String> {
        let simulators = self.connectors_yaml(credentials);
        let simulators: Value = serde_yaml::from_str(&simulators).map_err(|error| error.to_string())?;
        connectors(own, &simulators["connectors"], &self.office_served.url)
    }

    /// Sends events without the delay of the real webhook: a person at the keyboard waits for them.
    pub fn deliver_at_once(&self) {
        self.onelogin.turn(|knobs| knobs.webhook.at_once = true);
    }

    /// Adds people with accounts, and roles.
    pub fn settle(&self, people: u32, roles: impl IntoIterator<Item = String>) {
        for role in roles {
            if self.onelogin.role(&role).is_none() {
                self.onelogin.add_role(&role);
            }
        }
        self.onelogin.gather(&Crowd { count: people, people_per_manager: people, ..Crowd::default() });
    }

    /// The pages for people, with their addresses.
    pub fn pages(&self) -> Vec<Row> {
        let row = |name, url: &str, about| Row { name, url: url.to_owned(), about };
        vec![
            row(
                "Sign up",
                &self.onelogin_served.url,
                "OneLogin: the sign-up form, accounts, roles, sign-ins",
            ),
            row("Mailbox", &self.mailbox_served.web.url, "Every mail, with its links"),
            row("Jumio", &self.jumio_served.url, "Sessions: choose what the camera sees"),
            row("Office", &self.office_served.url, "HR system, tickets, pages, events"),
        ]
    }
}

/// The connectors of a tree with the addresses and secrets of the simulators. Other settings stay.
fn connectors(own: Mapping, simulators: &Value, office: &str) -> Result<Mapping, String> {
    let mut all = Mapping::new();
    let has_identity = own.contains_key("onelogin");
    for (name, settings) in own {
        let word = name.as_str().unwrap_or_default().to_owned();
        let settings = match settings {
            Value::Mapping(settings) => settings,
            _ => Mapping::new(),
        };
        let replaced = match word.as_str() {
            "onelogin" => over(settings, &simulators["onelogin"], &[]),
            "jumio" => over(settings, &simulators["jumio"], &["region", "redirect_hosts"]),
            "smtp" => {
                let from = settings.get("from").cloned();
                let mut smtp = over(Mapping::new(), &simulators["smtp"], &[]);
                smtp.extend(from.map(|from| ("from".into(), from)));
                smtp
            }
            "scim" => each(settings, &["token", "headers", "oauth"], |_| {
                vec![("url", format!("{office}/scim/v2")), ("token", office::TOKEN.to_owned())]
            }),
            "http" => each(settings, &["headers", "oauth", "signing_secret"], |name| {
                let desk = if name == "paging" { "paging" } else { "ticketing" };
                vec![("url", format!("{office}/{desk}"))]
            }),
            "events" => {
                each(settings, &["signing_secret", "headers"], |_| vec![("url", format!("{office}/events"))])
            }
            other => {
                return Err(format!(
                    "connectors.{other}: there is no simulator for it, and dev calls no real system. Use \
                     onelogin and jumio, or `proofd run --config FILE`"
                ));
            }
        };
        all.insert(name, Value::Mapping(replaced));
    }
    for part in ["onelogin", "jumio", "smtp", "scim", "http", "events"] {
        // Without its own, the policies of a tree may use each simulator.
        if !all.contains_key(part) && (!has_identity || matches!(part, "jumio" | "smtp")) {
            all.insert(part.into(), simulators[part].clone());
        }
    }
    Ok(all)
}

/// Puts the settings of a simulator over those of a tree.
fn over(mut own: Mapping, simulator: &Value, without: &[&str]) -> Mapping {
    for key in without {
        own.remove(*key);
    }
    for (key, value) in simulator.as_mapping().into_iter().flatten() {
        // Names of custom attributes are the tree's own.
        if key.as_str() != Some("attributes") || !own.contains_key("attributes") {
            own.insert(key.clone(), value.clone());
        }
    }
    own
}

/// Puts addresses over each named system.
fn each(own: Mapping, without: &[&str], settings: impl Fn(&str) -> Vec<(&'static str, String)>) -> Mapping {
    let one = |(name, system): (Value, Value)| {
        let mut system = match system {
            Value::Mapping(system) => system,
            _ => Mapping::new(),
        };
        for key in without {
            system.remove(*key);
        }
        for (key, value) in settings(name.as_str().unwrap_or_default()) {
            system.insert(key.into(), value.into());
        }
        (name, Value::Mapping(system))
    };
    own.into_iter().map(one).collect()
}
