//! Bearer tokens: owner, roles and expiry. The text of a token is read once, at start.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Access, SecretSource};
use crate::model::{Actor, Secret, Timestamp};

/// Minimum length: shorter tokens can be guessed.
pub const SHORTEST: usize = 20;

/// Time before the expiry at which it is reported.
const ANNOUNCED: Days = Days::new(28);

/// A bearer token for programs and for the command line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Unique name, shown in journals.
    pub name: String,
    /// Role of the token.
    #[serde(default)]
    pub role: Option<Role>,
    /// Roles of the token, if it has several.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Stable id of the token's user: user id, login or mail address at the identity provider. All tokens of
    /// one person have the same value. Reviews with `people` or `never` compare it, ignoring case.
    #[serde(default)]
    pub person: Option<String>,
    /// Other ids of the same person at the identity provider, which `never` compares too.
    #[serde(default)]
    pub known_as: BTreeSet<String>,
    /// Teams of `people.yaml` of the person. The team of a queue decides its reviews.
    #[serde(default)]
    pub teams: BTreeSet<String>,
    /// The token: at least 20 characters, such as 32 random ones. Tokens must differ.
    pub token: SecretSource,
    /// Last day of validity, in UTC: `2027-06-30`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub expires: Option<NaiveDate>,
}

/// Permissions of a token or a person, who may have several roles. No role includes another, except `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees cases and journals.
    Viewer,
    /// Decides reviews of the teams that the token names.
    Desk,
    /// Sees and reloads policies.
    Author,
    /// Starts, retries and cancels cases.
    Operator,
    /// All but raw identity data. Decisions still need a team.
    Admin,
    /// Exports and erases the data of one person.
    Privacy,
    /// Posts events and nothing else.
    Source,
    /// Sees raw identity data, in addition to another role.
    RawIdentity,
}

impl Role {
    pub const ALL: [Self; 8] = [
        Self::Viewer,
        Self::Desk,
        Self::Author,
        Self::Operator,
        Self::Admin,
        Self::Privacy,
        Self::Source,
        Self::RawIdentity,
    ];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Desk => "desk",
            Self::Author => "author",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Privacy => "privacy",
            Self::Source => "source",
            Self::RawIdentity => "raw_identity",
        }
    }
}

impl Token {
    pub fn all_roles(&self) -> impl Iterator<Item = Role> + '_ {
        self.role.into_iter().chain(self.roles.iter().copied())
    }

    /// Returns whether the token can decide reviews.
    pub fn decides(&self) -> bool {
        self.all_roles().any(|role| role == Role::Desk || role == Role::Admin)
    }

    pub fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            person: self.person.clone(),
            known_as: self.known_as.clone(),
            teams: self.teams.clone(),
        }
    }
}

impl Access {
    /// Checks the rules that need no secret.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for (number, token) in self.tokens.iter().enumerate() {
            let wrong = |what: &str| Err(format!("access.tokens[{number}] ({}): {what}", token.name));
            let blank = |text: &String| text.trim().is_empty();
            if blank(&token.name) {
                return wrong("add a name; journals show it");
            }
            if !names.insert(token.name.trim().to_lowercase()) {
                return wrong("another token has this name; rename one");
            }
            if token.all_roles().next().is_none() {
                return wrong("add a role");
            }
            if token.person.iter().chain(&token.known_as).chain(&token.teams).any(blank) {
                return wrong("person, known_as and teams must not be empty; remove them");
            }
            if token.person.is_none() && !token.known_as.is_empty() {
                return wrong("known_as lists other ids of a person; add `person`");
            }
        }
        Ok(())
    }

    /// Reads every token's text. Errors contain no text of a token.
    pub fn reveal(&self, base: &Path) -> Result<Vec<(&Token, Secret)>, String> {
        let mut revealed: Vec<(&Token, Secret)> = Vec::new();
        for token in &self.tokens {
            let name = &token.name;
            let text =
                token.token.reveal(base).map_err(|why| format!("while reading the token {name}: {why}"))?;
            if text.expose().chars().count() < SHORTEST {
                return Err(format!(
                    "the token {name} is too short: it needs at least {SHORTEST} characters (openssl rand \
                        -hex 32)"
                ));
            }
            if let Some((other, _)) = revealed.iter().find(|(_, known)| known.expose() == text.expose()) {
                return Err(format!("the tokens {} and {name} are equal; change one", other.name));
            }
            revealed.push((token, text));
        }
        Ok(revealed)
    }

    /// Returns tokens that have expired or expire soon.
    pub fn ending(&self, now: Timestamp) -> Vec<Ending> {
        let today = now.date_naive();
        let of = |token: &Token| {
            let last = token.expires?;
            let soon = today.checked_add_days(ANNOUNCED).is_none_or(|end| last <= end);
            soon.then(|| Ending { name: token.name.clone(), last, over: last < today })
        };
        self.tokens.iter().filter_map(of).collect()
    }
}

/// A token's expiry that is near or past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub name: String,
    pub last: NaiveDate,
    pub over: bool,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, last, over } = self;
        if *over {
            write!(f, "the token {name} expired on {last}; requests with it are refused")
        } else {
            write!(f, "the token {name} expires on {last}; create a new one before")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(tokens: &str) -> Access {
        serde_yaml::from_str(&format!("tokens:\n{tokens}")).unwrap()
    }

    #[test]
    fn invalid_tokens_are_refused() {
        let long = "0123456789-0123456789";
        for (tokens, says) in [
            (format!("  - {{name: a, role: desk, token: {long}}}\n"), None),
            (format!("  - {{name: a, token: {long}}}\n"), Some("add a role")),
            (format!("  - {{name: ' ', role: desk, token: {long}}}\n"), Some("add a name")),
            (
                format!(
                    "  - {{name: a, role: desk, token: {long}}}\n  - {{name: A, role: desk, token: x{long}}}\n"
                ),
                Some("another token has this name"),
            ),
            (
                format!(
                    "  - {{name: a, role: desk, token: {long}}}\n  - {{name: b, role: desk, token: {long}}}\n"
                ),
                Some("the tokens a and b are equal"),
            ),
            ("  - {name: a, role: desk, token: 0123456789-01234567}\n".to_owned(), Some("too short")),
            ("  - {name: a, role: desk, token: ééééééééééééééééééé}\n".to_owned(), Some("too short")),
            (format!("  - {{name: a, role: desk, person: '', token: {long}}}\n"), Some("must not be empty")),
            (format!("  - {{name: a, role: desk, known_as: [b], token: {long}}}\n"), Some("add `person`")),
        ] {
            let access = access(&tokens);
            let found = access.check().and_then(|()| access.reveal(Path::new("")).map(|_| ()));
            match (says, found) {
                (None, Ok(())) => {}
                (Some(says), Err(why)) => {
                    assert!(why.contains(says), "{why}");
                    assert!(!why.contains("0123456789"), "no text of a token: {why}");
                }
                (says, found) => panic!("{tokens}: {says:?} {found:?}"),
            }
        }
    }

    #[test]
    fn token_expiry_is_warned_about_four_weeks_ahead() {
        let access = access("  - {name: a, role: desk, token: x, expires: 2027-06-30}\n");
        for (now, over) in [
            ("2027-06-01T23:59:59Z", None),
            ("2027-06-02T00:00:00Z", Some(false)),
            ("2027-06-30T23:59:59Z", Some(false)),
            ("2027-07-01T00:00:00Z", Some(true)),
        ] {
            let found: Vec<bool> = access.ending(now.parse().unwrap()).iter().map(|end| end.over).collect();
            assert_eq!(found, Vec::from_iter(over), "{now}");
        }
    }
}
