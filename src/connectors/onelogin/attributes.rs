//! Sets attributes by the names that policies use. Only differing values are sent: nothing else on the record changes.
//! Values that are read back must equal the requested ones.

use serde_json::{Map, Value, json};

use super::OneLogin;
use super::accounts::Account;
use super::events::text;
use super::people;
use crate::connectors::options::attribute_text;
use crate::model::{Changed, Failure, Fields, Snapshot};

/// Fields that every tenant has and that identify no person.
pub const PLAIN: [&str; 2] = ["title", "department"];
/// Names with a meaning of their own, stored in a custom field.
const MAPPED: [&str; 3] = ["verified_at", "exempt_until", "service_account"];

/// The location of a value on the record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spot {
    Plain(String),
    Custom(String),
}

/// The requested value of each location; `None` clears it.
type Wanted = Vec<(Spot, Option<String>)>;

impl OneLogin {
    pub(super) async fn set_attributes(
        &self,
        snapshot: &Snapshot,
        attributes: &Fields,
    ) -> Result<Changed, Failure> {
        let mut wanted = Wanted::new();
        for (name, value) in attributes {
            wanted.push((self.spot(name)?, attribute_text(name, value)?));
        }
        let account = self.account(snapshot).await?;
        let differing = differing(&account, &wanted)?;
        if differing.is_empty() {
            return Ok(Changed::plain(true));
        }
        self.are_defined(&account, &differing).await?;
        self.write_account(&account, &body(&differing)).await?;
        if self::differing(&self.account(snapshot).await?, &wanted)?.is_empty() {
            Ok(Changed::plain(false))
        } else {
            Err(Failure::unavailable("OneLogin accepted the attributes but does not show them yet"))
        }
    }

    fn spot(&self, name: &str) -> Result<Spot, Failure> {
        if let Some(short) = name.strip_prefix("attributes.") {
            // Records show a mapped field under our name too: that name may be written as well.
            let short = self.attributes.get(short).map_or(short, String::as_str);
            return Ok(Spot::Custom(short.to_owned()));
        }
        if PLAIN.contains(&name) {
            return Ok(Spot::Plain(name.to_owned()));
        }
        if let Some(short) = self.attributes.get(name) {
            return Ok(Spot::Custom(short.clone()));
        }
        Err(Failure::refused(if MAPPED.contains(&name) {
            format!(
                "no custom field is configured for {name}; add attributes: {{{name}: <short name>}} under \
                    connectors.onelogin in proofd.yaml"
            )
        } else {
            format!(
                "{name} cannot be set in OneLogin; {}, {} and attributes.<short name> can",
                MAPPED.join(", "),
                PLAIN.join(", ")
            )
        }))
    }

    /// Checks that the fields are defined: OneLogin silently drops a value for an undefined field. A record contains
    /// every defined field; for a field that it lacks, the list of definitions decides.
    async fn are_defined(&self, account: &Account, wanted: &Wanted) -> Result<(), Failure> {
        let carried = account.record.get("custom_attributes").and_then(Value::as_object);
        let unseen: Vec<&String> = wanted
            .iter()
            .filter_map(|(spot, _)| match spot {
                Spot::Custom(short) => Some(short),
                Spot::Plain(_) => None,
            })
            .filter(|short| !carried.is_some_and(|carried| carried.contains_key(*short)))
            .collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let defined = people::shortnames(&self.api).await?;
        match unseen.into_iter().find(|short| !defined.contains(*short)) {
            None => Ok(()),
            Some(short) => Err(Failure::refused(format!(
                "OneLogin has no custom field with the short name {short}; create it, or correct the name"
            ))),
        }
    }
}

fn differing(account: &Account, wanted: &Wanted) -> Result<Wanted, Failure> {
    let none = Map::new();
    let custom = match account.record.get("custom_attributes") {
        Some(Value::Object(custom)) => custom,
        // The member may be missing if the tenant defines no fields.
        Some(Value::Null) | None => &none,
        Some(_) => {
            return Err(Failure::unavailable("OneLogin's answer has custom fields of an unknown form"));
        }
    };
    let is = |spot: &Spot| match spot {
        Spot::Plain(key) => value(&account.record, key),
        Spot::Custom(short) => value(custom, short),
    };
    Ok(wanted.iter().filter(|(spot, value)| is(spot) != *value).cloned().collect())
}

/// Like `text`, but also accepts a boolean: another program may have written the field with a strict type.
fn value(record: &Map<String, Value>, key: &str) -> Option<String> {
    match record.get(key) {
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        Some(_) | None => text(record, key),
    }
}

fn body(wanted: &Wanted) -> Value {
    let (mut body, mut custom) = (Map::new(), Map::new());
    for (spot, value) in wanted {
        match spot {
            Spot::Plain(key) => body.insert(key.clone(), json!(value)),
            Spot::Custom(short) => custom.insert(short.clone(), json!(value)),
        };
    }
    if !custom.is_empty() {
        body.insert("custom_attributes".into(), custom.into());
    }
    body.into()
}
