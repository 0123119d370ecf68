//! Converts OneLogin's user records. Independent of the purpose of a read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::api::{Api, rows};
use super::events::{moment, text};
use crate::model::{Failure, Fields, Timestamp, User};

/// Lifetime of cached names. They change rarely; a new role is visible after this time.
const NAMES_LIVE_MINUTES: i64 = 5;
/// Rows per request.
pub const PAGE: &str = "50";
/// A list with more pages than this is treated as an error.
const MOST_PAGES: usize = 200;

/// The raw record of a user.
pub type Record = Map<String, Value>;

pub async fn user(api: &Api, id: &str) -> Result<Option<Record>, Failure> {
    numeric(id)?;
    match api.read(&format!("/api/2/users/{id}"), &[]).await? {
        None => Ok(None),
        Some(Value::Object(record)) if text(&record, "id").as_deref() == Some(id) => Ok(Some(record)),
        Some(_) => Err(Failure::unavailable("OneLogin answered with another record than requested")),
    }
}

/// Checks that an id has only digits: ids become parts of addresses.
pub fn numeric(id: &str) -> Result<(), Failure> {
    if !id.is_empty() && id.len() <= 20 && id.bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(Failure::refused("the record's id is not an id of OneLogin"))
    }
}

/// Reads all pages of a v2 list.
pub async fn list(api: &Api, path: &str, name: &str) -> Result<Option<Vec<Value>>, Failure> {
    columns(api, path, name, None).await
}

/// Reads all pages of a v2 list with only these columns.
async fn columns(
    api: &Api,
    path: &str,
    name: &str,
    fields: Option<&str>,
) -> Result<Option<Vec<Value>>, Failure> {
    pages(|page| async move {
        let mut query = vec![("limit", PAGE), ("page", page.as_str())];
        query.extend(fields.map(|fields| ("fields", fields)));
        api.read(path, &query).await?.map(|answer| rows(answer, name)).transpose()
    })
    .await
}

/// Reads all pages of a list by their numbers; `None`: the list does not exist.
pub async fn pages<T: PartialEq, F: Future<Output = Result<Option<Vec<T>>, Failure>>>(
    read: impl Fn(String) -> F,
) -> Result<Option<Vec<T>>, Failure> {
    let mut all: Vec<T> = Vec::new();
    for page in 1..=MOST_PAGES {
        let Some(next) = read(page.to_string()).await? else {
            return Ok(None);
        };
        // Some lists ignore the page number and return the same rows again.
        let repeated = next.first().is_some_and(|row| all.contains(row));
        let count = next.len();
        if !repeated {
            all.extend(next);
        }
        if repeated || count < 50 {
            return Ok(Some(all));
        }
    }
    Err(Failure::unavailable("OneLogin's list does not end"))
}

/// Returns the short names of the defined custom fields.
pub async fn shortnames(api: &Api) -> Result<BTreeSet<String>, Failure> {
    let rows = list(api, "/api/2/users/custom_attributes", "custom_attributes").await?.unwrap_or_default();
    let names = rows.iter().map(|row| text(row.as_object()?, "shortname")).collect::<Option<_>>();
    names.ok_or_else(|| Failure::unavailable("OneLogin listed a custom field without a short name"))
}

/// The names of roles by id, and the time of their reading.
#[derive(Debug, Default)]
pub struct RoleNames(Mutex<Option<(Timestamp, BTreeMap<String, String>)>>);

/// The required freshness of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Lately,
    Now,
}

impl RoleNames {
    async fn names<T>(
        &self,
        api: &Api,
        now: Timestamp,
        fresh: Fresh,
        pick: impl FnOnce(&BTreeMap<String, String>) -> T,
    ) -> Result<T, Failure> {
        let mut held = self.0.lock().await;
        let lately = |at: Timestamp| (now - at).abs() < TimeDelta::minutes(NAMES_LIVE_MINUTES);
        let (_, names) = match held.take() {
            Some((at, names)) if fresh == Fresh::Lately && lately(at) => held.insert((at, names)),
            Some(_) | None => {
                // A role's row contains all of its users, possibly thousands, unless only these columns are requested.
                let rows = columns(api, "/api/2/roles", "roles", Some("id,name")).await?.unwrap_or_default();
                let pair =
                    |row: &Value| Some((text(row.as_object()?, "id")?, text(row.as_object()?, "name")?));
                // An incomplete list would make a role seem missing.
                let names = rows.iter().map(pair).collect::<Option<_>>();
                held.insert((
                    now,
                    names.ok_or_else(|| {
                        Failure::unavailable("OneLogin listed a role without an id or a name")
                    })?,
                ))
            }
        };
        Ok(pick(names))
    }

    async fn of(&self, api: &Api, ids: &[String], now: Timestamp) -> Result<Vec<String>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // A role without a known name is shown by its number.
        let name =
            |names: &BTreeMap<_, _>| ids.iter().map(|id| names.get(id).unwrap_or(id).clone()).collect();
        self.names(api, now, Fresh::Lately, name).await
    }

    /// Returns the id of the role of this name. An unknown name is read again: the role may be new.
    pub async fn id(&self, api: &Api, name: &str, now: Timestamp) -> Result<String, Failure> {
        match self.names(api, now, Fresh::Lately, |names| only(names, name)).await? {
            Ok(id) => Ok(id),
            Err(_) => self.id_now(api, name, now).await,
        }
    }

    pub async fn id_now(&self, api: &Api, name: &str, now: Timestamp) -> Result<String, Failure> {
        self.names(api, now, Fresh::Now, |names| only(names, name)).await?
    }
}

fn only(names: &BTreeMap<String, String>, name: &str) -> Result<String, Failure> {
    let mut ids = names.iter().filter(|(_, one)| *one == name).map(|(id, _)| id);
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(_), Some(_)) => {
            Err(Failure::refused(format!("OneLogin has more than one role named {name:?}; rename one")))
        }
        (None, _) => Err(Failure::refused(format!("OneLogin has no role named {name:?}"))),
    }
}

/// Converts a user.
pub async fn describe(
    api: &Api,
    roles: &RoleNames,
    names: &BTreeMap<String, String>,
    record: &Record,
    now: Timestamp,
) -> Result<User, Failure> {
    let user = row(api, roles, names, record, now).await?;
    Ok(User { manager: manager(api, record).await?, ..user })
}

/// Converts a user without the manager, which would need a request for each.
pub async fn row(
    api: &Api,
    roles: &RoleNames,
    names: &BTreeMap<String, String>,
    record: &Record,
    now: Timestamp,
) -> Result<User, Failure> {
    let ids: Vec<String> =
        record.get("role_ids").and_then(Value::as_array).into_iter().flatten().filter_map(number).collect();
    let email = text(record, "email");
    let attribute = |name: &str| custom(record, names.get(name)?);
    Ok(User {
        id: text(record, "id").unwrap_or_default(),
        username: text(record, "username"),
        email_domain: domain(email.as_deref()),
        email,
        first_name: text(record, "firstname"),
        last_name: text(record, "lastname"),
        status: text(record, "status").map(|status| status_word(&status)),
        state: text(record, "state").map(|state| state_word(&state)),
        roles: roles.of(api, &ids, now).await?,
        groups: text(record, "group_id").into_iter().collect(),
        manager: None,
        department: text(record, "department"),
        title: text(record, "title"),
        created_at: record.get("created_at").and_then(moment),
        last_login_at: record.get("last_login").and_then(moment),
        verified_at: attribute("verified_at").and_then(day_or_moment),
        exempt_until: attribute("exempt_until").and_then(day_or_moment),
        service_account: attribute("service_account").map(yes),
        locale: text(record, "preferred_locale_code"),
        attributes: attributes(record, names),
    })
}

pub fn number(value: &Value) -> Option<String> {
    value.as_i64().map(|id| id.to_string()).or_else(|| value.as_str().map(str::to_owned))
}

pub fn domain(email: Option<&str>) -> Option<String> {
    email?.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).filter(|domain| !domain.is_empty())
}

fn custom(record: &Record, shortname: &str) -> Option<String> {
    text(record.get("custom_attributes")?.as_object()?, shortname)
}

/// Returns every custom field by its short name, and mapped fields also by our name.
pub fn attributes(record: &Record, names: &BTreeMap<String, String>) -> Fields {
    let raw = record.get("custom_attributes").and_then(Value::as_object);
    let mut all = raw.cloned().unwrap_or_default();
    for (name, shortname) in names {
        let value = raw.and_then(|raw| raw.get(shortname)).cloned().unwrap_or(Value::Null);
        all.insert(name.clone(), value);
    }
    all
}

fn day_or_moment(value: String) -> Option<Timestamp> {
    match NaiveDate::parse_from_str(&value, "%Y-%m-%d") {
        Ok(day) => Some(day.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => moment(&Value::String(value)),
    }
}

fn yes(value: String) -> bool {
    ["true", "yes", "1", "on"].contains(&value.to_lowercase().as_str())
}

async fn manager(api: &Api, record: &Record) -> Result<Option<Fields>, Failure> {
    let Some(id) = text(record, "manager_user_id").filter(|id| id != "0") else { return Ok(None) };
    let Some(manager) = user(api, &id).await? else { return Ok(None) };
    let names: Vec<_> = ["firstname", "lastname"].iter().filter_map(|key| text(&manager, key)).collect();
    let mut fields = Fields::new();
    fields.insert("id".into(), id.into());
    fields.insert("email".into(), text(&manager, "email").map_or(Value::Null, Value::String));
    fields.insert("name".into(), if names.is_empty() { Value::Null } else { names.join(" ").into() });
    Ok(Some(fields))
}

pub fn status_word(status: &str) -> String {
    match status {
        "0" => "unactivated",
        "1" => "active",
        "2" => "suspended",
        "3" => "locked",
        "4" => "password_expired",
        "5" => "awaiting_password_reset",
        "7" => "password_pending",
        "8" => "security_questions_required",
        other => return format!("unknown_{other}"),
    }
    .into()
}

fn state_word(state: &str) -> String {
    match state {
        "0" => "unapproved",
        "1" => "approved",
        "2" => "rejected",
        "3" => "unlicensed",
        other => return format!("unknown_{other}"),
    }
    .into()
}
