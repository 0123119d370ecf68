//! The accounts of the HR system: unique user names, versions, searches, single changes. This module must not
//! know HTTP.

use serde_json::{Map, Value, json};

#[derive(Debug, Default)]
pub(super) struct Directory {
    accounts: Vec<Value>,
    next: u64,
}

/// Why a request failed, as a SCIM error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: u16,
    pub kind: &'static str,
    pub detail: &'static str,
}

const fn refused(status: u16, kind: &'static str, detail: &'static str) -> Refused {
    Refused { status, kind, detail }
}

impl Directory {
    pub fn all(&self) -> Vec<Value> {
        self.accounts.clone()
    }

    pub fn get(&self, id: &str) -> Option<&Value> {
        self.accounts.iter().find(|account| account["id"] == id)
    }

    pub fn create(&mut self, account: Value) -> Result<Value, Refused> {
        let Value::Object(mut fields) = account else {
            return Err(refused(400, "invalidSyntax", "an account is an object"));
        };
        let name = fields.get("userName").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        if name.is_empty() {
            return Err(refused(400, "invalidValue", "userName is required"));
        }
        let taken =
            |other: &Value| other["userName"].as_str().is_some_and(|other| other.to_lowercase() == name);
        if self.accounts.iter().any(taken) {
            return Err(refused(409, "uniqueness", "userName is taken"));
        }
        self.next += 1;
        let id = format!("hr-{}", self.next);
        fields.insert("meta".to_owned(), meta(&id, 1));
        fields.insert("id".to_owned(), id.into());
        let account = Value::Object(fields);
        self.accounts.push(account.clone());
        Ok(account)
    }

    /// Accounts that match every `path eq value` of a filter.
    pub fn search(&self, filter: &str) -> Result<Vec<Value>, Refused> {
        let bad = || refused(400, "invalidFilter", "a filter is: path eq \"value\" [and ...]");
        let mut wanted = Vec::new();
        for term in filter.split(" and ").filter(|term| !term.trim().is_empty()) {
            let (path, value) = term.split_once(" eq ").ok_or_else(bad)?;
            let value: Value = serde_json::from_str(value.trim()).map_err(|_| bad())?;
            wanted.push((path.trim().to_owned(), value));
        }
        let has = |account: &&Value| wanted.iter().all(|(path, value)| holds(account, path, value));
        Ok(self.accounts.iter().filter(has).cloned().collect())
    }

    pub fn patch(&mut self, id: &str, operations: &[Value], version: Option<&str>) -> Result<Value, Refused> {
        let known = self.accounts.iter_mut().find(|account| account["id"] == id);
        let account = known.ok_or(refused(404, "", "there is no such account"))?;
        if version.is_some_and(|version| account["meta"]["version"] != version) {
            return Err(refused(412, "", "the account was changed meanwhile"));
        }
        let mut changed = account.clone();
        for operation in operations {
            let op = operation["op"].as_str().unwrap_or_default().to_lowercase();
            let path = operation["path"].as_str().unwrap_or_default();
            let value = operation.get("value").cloned().unwrap_or(Value::Null);
            match (op.as_str(), path) {
                ("add" | "replace", "") => {
                    let fields = value.as_object().cloned().unwrap_or_default();
                    fields.into_iter().for_each(|(path, value)| set(&mut changed, &path, value));
                }
                ("add" | "replace", path) => set(&mut changed, path, value),
                ("remove", path) => set(&mut changed, path, Value::Null),
                _ => return Err(refused(400, "invalidSyntax", "an operation is add, replace or remove")),
            }
        }
        let number = number_of(&changed) + 1;
        changed["meta"] = meta(id, number);
        account.clone_from(&changed);
        Ok(changed)
    }
}

fn meta(id: &str, version: u64) -> Value {
    json!({ "resourceType": "User", "location": format!("/scim/v2/Users/{id}"), "version": format!("W/\"{version}\"") })
}

fn number_of(account: &Value) -> u64 {
    let version = account["meta"]["version"].as_str().unwrap_or_default();
    version.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// Splits a path: `name.givenName`, `emails.value`, `urn:...:User:department`, `emails[primary eq true].value`.
fn parts(path: &str) -> Vec<String> {
    let bare: String = match (path.find('['), path.find(']')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &path[..from], &path[to + 1..]),
        _ => path.to_owned(),
    };
    match bare.strip_prefix("urn:").and_then(|_| bare.rfind(':')) {
        Some(end) => {
            let rest = bare[end + 1..].split('.').map(str::to_owned);
            std::iter::once(bare[..end].to_owned()).chain(rest).collect()
        }
        None => bare.split('.').map(str::to_owned).collect(),
    }
}

fn holds(account: &Value, path: &str, wanted: &Value) -> bool {
    let mut values = vec![account];
    for part in parts(path) {
        let inside = values.into_iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            other => vec![other],
        });
        values = inside.filter_map(|value| value.get(&part)).collect();
    }
    let same = |value: &&Value| match (value.as_str(), wanted.as_str()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => *value == wanted,
    };
    values.iter().any(|value| match value {
        Value::Array(items) => items.iter().any(|item| same(&item)),
        value => same(value),
    })
}

fn set(account: &mut Value, path: &str, value: Value) {
    let parts = parts(path);
    let Some((last, before)) = parts.split_last() else { return };
    let mut at = account;
    for part in before {
        if !at.get(part).is_some_and(|inside| inside.is_object() || inside.is_array()) {
            at[part] = Value::Object(Map::new());
        }
        at = &mut at[part];
        if let Value::Array(items) = at {
            if items.is_empty() {
                items.push(json!({ "primary": true }));
            }
            at = &mut items[0];
        }
    }
    match value {
        Value::Null => {
            if let Some(fields) = at.as_object_mut() {
                fields.remove(last);
            }
        }
        value => at[last] = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_can_be_found_and_changed_and_are_unique() {
        let mut directory = Directory::default();
        let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        let made = directory.create(json!({"userName": "Ada@x.test", "externalId": "a1"})).unwrap();
        assert_eq!(directory.create(json!({"userName": "ada@X.test"})).unwrap_err().status, 409);
        assert_eq!(directory.create(json!({})).unwrap_err().status, 400);
        let id = made["id"].as_str().unwrap().to_owned();
        let operations = [
            json!({"op": "replace", "path": "name.givenName", "value": "Ada"}),
            json!({"op": "add", "path": department, "value": "Maths"}),
            json!({"op": "add", "path": "emails", "value": [{"value": "ada@x.test", "primary": true}]}),
        ];
        let changed = directory.patch(&id, &operations, Some("W/\"1\"")).unwrap();
        assert_eq!(changed["name"]["givenName"], "Ada");
        assert_eq!(directory.patch(&id, &[], Some("W/\"1\"")).unwrap_err().status, 412);
        for (filter, found) in [
            ("externalId eq \"a1\"", 1),
            ("userName eq \"ADA@x.test\" and name.givenName eq \"Ada\"", 1),
            ("emails.value eq \"ada@x.test\"", 1),
            ("externalId eq \"a2\"", 0),
        ] {
            assert_eq!(directory.search(filter).unwrap().len(), found, "{filter}");
        }
        assert_eq!(directory.search(&format!("{department} eq \"Maths\"")).unwrap().len(), 1);
        assert_eq!(directory.search("userName sw \"a\"").unwrap_err().kind, "invalidFilter");
    }
}
