//! Generates thousands of people in a tenant, the same for the same seed. This module must not know their use.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tenant::Tenant;
use super::text::iso;
use super::user::{User, status};
use crate::model::Timestamp;

/// Properties of a generated crowd. Every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crowd {
    pub count: u32,
    pub seed: u64,
    /// Roles, created if they are missing. Each person has the first; each further role goes to half as many people
    /// as the one before. Empty: the tenant's existing roles.
    pub roles: Vec<String>,
    /// Number of people per manager, who is part of the crowd; 0 = no managers.
    pub people_per_manager: u32,
    /// Accounts were created within this many days.
    pub created_within_days: u32,
    /// The last login was within this many days; 0 = no logins.
    pub last_login_within_days: u32,
    /// Custom attributes, created if they are missing, with one of these values each; an empty text = none.
    pub values: BTreeMap<String, Vec<String>>,
    /// Custom attributes, created if they are missing, that hold a past time.
    pub moments: BTreeMap<String, Ages>,
    /// Every n-th account is suspended; 0 = none.
    pub suspended_every: u32,
}

/// The largest age in days, and the percentage of people without this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ages {
    pub days: u32,
    #[serde(default)]
    pub without_percent: u32,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            count: 100,
            seed: 1,
            roles: Vec::new(),
            people_per_manager: 12,
            created_within_days: 1_000,
            last_login_within_days: 30,
            values: BTreeMap::new(),
            moments: BTreeMap::new(),
            suspended_every: 0,
        }
    }
}

const FIRST: [&str; 24] = [
    "Ada",
    "Alan",
    "Barbara",
    "Claude",
    "Dennis",
    "Donald",
    "Edith",
    "Emmy",
    "Frances",
    "Grace",
    "Hedy",
    "Ida",
    "Jean",
    "Karen",
    "Katherine",
    "Leslie",
    "Margaret",
    "Niklaus",
    "Peter",
    "Radia",
    "Sofia",
    "Tim",
    "Vint",
    "Zoe",
];
const LAST: [&str; 24] = [
    "Archer", "Baker", "Carter", "Dyer", "Fisher", "Fletcher", "Gardner", "Glover", "Harper", "Hunter",
    "Mason", "Miller", "Parker", "Porter", "Potter", "Sawyer", "Shepherd", "Skinner", "Smith", "Tanner",
    "Taylor", "Turner", "Walker", "Weaver",
];
const DEPARTMENTS: [(&str, &str); 6] = [
    ("Engineering", "Engineer"),
    ("Finance", "Accountant"),
    ("Sales", "Account executive"),
    ("Support", "Support agent"),
    ("People", "Recruiter"),
    ("Operations", "Operator"),
];

/// A pseudorandom number generator with a fixed sequence per seed (SplitMix64, because it is short).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = self.throw(u64::try_from(from.len()).unwrap_or(1));
        from.get(usize::try_from(place).unwrap_or(0))
    }

    fn past(&mut self, now: Timestamp, days: u32) -> Timestamp {
        let seconds = self.throw(u64::from(days) * 86_400);
        now - TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0))
    }
}

impl Tenant {
    /// Adds a crowd without emitting events, as people who existed before the test. Returns their ids.
    pub fn gather(&mut self, crowd: &Crowd) -> Vec<i64> {
        let roles = self.roles_of(crowd);
        for name in crowd.values.keys().chain(crowd.moments.keys()) {
            if self.shortnames().all(|one| one != name) {
                self.add_attribute(name, name);
            }
        }
        let mut dice = Dice(crowd.seed);
        let mut manager = None;
        let ids = (0..crowd.count).map(|place| {
            let id = self.id("user");
            if place.checked_rem(crowd.people_per_manager) == Some(0) {
                manager = Some(id);
            }
            let user =
                person(id, place, crowd, &roles, manager.filter(|one| *one != id), self.now, &mut dice);
            self.users.insert(id, user);
            id
        });
        ids.collect()
    }

    fn roles_of(&mut self, crowd: &Crowd) -> Vec<i64> {
        if crowd.roles.is_empty() {
            return self.roles.keys().copied().collect();
        }
        let id = |name: &String| {
            let known = self.roles.values().find(|role| role.name == *name).map(|role| role.id);
            known.unwrap_or_else(|| self.add_role(name))
        };
        crowd.roles.iter().map(id).collect()
    }
}

fn person(
    id: i64,
    place: u32,
    crowd: &Crowd,
    roles: &[i64],
    manager: Option<i64>,
    now: Timestamp,
    dice: &mut Dice,
) -> User {
    let first = dice.pick(&FIRST).copied().unwrap_or("Ada");
    let last = dice.pick(&LAST).copied().unwrap_or("Archer");
    let username = format!("{}.{}.{id}", first.to_lowercase(), last.to_lowercase());
    let mut user = User::new(id, &username, &format!("{username}@example.com"), now);
    user.firstname = Some(first.into());
    user.lastname = Some(last.into());
    user.manager_user_id = manager;
    user.created_at = dice.past(now, crowd.created_within_days);
    user.updated_at = user.created_at;
    user.activated_at = Some(user.created_at);
    user.password_changed_at = Some(user.created_at);
    user.status = status::ACTIVE;
    if place.checked_rem(crowd.suspended_every) == Some(crowd.suspended_every.saturating_sub(1)) {
        user.status = status::SUSPENDED;
    }
    let logged_in = dice.past(now, crowd.last_login_within_days).max(user.created_at);
    user.last_login = (crowd.last_login_within_days > 0).then_some(logged_in);
    let (department, title) = dice.pick(&DEPARTMENTS).copied().unwrap_or(("Engineering", "Engineer"));
    user.plain.insert("department", department.into());
    user.plain.insert("title", title.into());
    for (step, role) in roles.iter().enumerate() {
        if dice.throw(1 << step.min(32)) == 0 {
            user.roles.insert(*role);
        }
    }
    for (name, values) in &crowd.values {
        let value = dice.pick(values).filter(|value| !value.is_empty());
        user.attributes.insert(name.clone(), value.map_or(Value::Null, |value| json!(value)));
    }
    for (name, ages) in &crowd.moments {
        let has = dice.throw(100) >= u64::from(ages.without_percent);
        let at = dice.past(now, ages.days);
        user.attributes.insert(name.clone(), if has { json!(iso(at)) } else { Value::Null });
    }
    user
}
