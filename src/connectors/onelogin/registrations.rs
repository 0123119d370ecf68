//! Registrations, with one interface and two back ends: OneLogin's registrations resource, which not every tenant has,
//! and the user record behind a registration. Decides nothing.

use std::fmt::{self, Debug};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Refusal, rows};
use super::events::{moment, text};
use super::listing::Listings;
use super::people::{self, Record};
use crate::model::{Failure, Timestamp};

/// The state of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    NotVerified,
    NotReviewed,
    Approved,
    Rejected,
    /// Approved, but no license was free: the account cannot sign in.
    Unlicensed,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::NotVerified => "not_verified",
            Self::NotReviewed => "not_reviewed",
            Self::Approved | Self::Unlicensed => "approved",
            Self::Rejected => "rejected",
        }
    }

    fn of_user(record: &Record) -> Result<Self, Failure> {
        match text(record, "state").as_deref() {
            Some("0") => Ok(Self::NotReviewed),
            Some("1") => Ok(Self::Approved),
            Some("2") => Ok(Self::Rejected),
            Some("3") => Ok(Self::Unlicensed),
            Some(_) | None => Err(Failure::unavailable("OneLogin's answer has a user with an unknown state")),
        }
    }

    fn of_resource(record: &Record) -> Result<Self, Failure> {
        match text(record, "status").as_deref() {
            Some("not_verified") => Ok(Self::NotVerified),
            Some("not_reviewed" | "pending") => Ok(Self::NotReviewed),
            Some("approved") => Ok(Self::Approved),
            Some("rejected") => Ok(Self::Rejected),
            Some(_) | None => {
                Err(Failure::unavailable("OneLogin's answer has a registration with an unknown status"))
            }
        }
    }
}

/// Identifies a registration by all its known data. No record is selected by mail address alone: the address only finds
/// an account's row in the resource.
#[derive(Clone)]
pub struct Place {
    /// The id of the account, or `<profile>-<registration>` if no account was visible.
    pub id: String,
    pub user_id: Option<String>,
    pub email: Option<String>,
    /// The ids of the profiles that may contain it.
    pub profiles: Vec<String>,
}

impl Place {
    fn row(&self) -> Option<(&str, &str)> {
        self.id.split_once('-')
    }

    fn account(&self) -> Option<&str> {
        self.user_id.as_deref().or_else(|| self.row().is_none().then_some(self.id.as_str()))
    }
}

/// The current state of one registration.
pub struct Found {
    /// The account's id, which events name too; else `<profile>-<registration>`.
    pub id: String,
    pub user_id: Option<String>,
    pub profile_id: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub state: State,
    /// False if the resource and the account disagree, or the account is not visible.
    pub agreed: bool,
    pub created_at: Option<Timestamp>,
    pub invited_at: Option<Timestamp>,
    /// The account behind it, if there is one.
    pub user: Option<Record>,
    /// Its address in the resource, if it has a row there.
    row: Option<String>,
}

impl Found {
    /// Returns whether the account behind it is approved, with a license or without.
    pub fn lets_in(&self) -> bool {
        self.user.as_ref().and_then(|user| text(user, "state")).is_some_and(|it| it == "1" || it == "3")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Reject,
}

pub trait Registrations: Debug + Send + Sync {
    /// Finds a registration. `None`: it does not exist (any more).
    fn find<'a>(&'a self, api: &'a Api, place: &'a Place) -> BoxFuture<'a, Result<Option<Found>, Failure>>;

    /// Writes a verdict; the caller reads the result back.
    fn decide<'a>(
        &'a self,
        api: &'a Api,
        found: &'a Found,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), Refusal>>;
}

/// The back end of tenants without the resource: the account is the registration, and its id is the user's.
#[derive(Debug)]
pub struct UserRecord;

impl Registrations for UserRecord {
    fn find<'a>(&'a self, api: &'a Api, place: &'a Place) -> BoxFuture<'a, Result<Option<Found>, Failure>> {
        async move {
            let id = place
                .account()
                .ok_or_else(|| Failure::refused("OneLogin no longer has a registration with this number"))?;
            people::user(api, id).await?.map(from_user).transpose()
        }
        .boxed()
    }

    fn decide<'a>(
        &'a self,
        api: &'a Api,
        found: &'a Found,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        async move {
            let Some(user) = &found.user_id else {
                return Err(Failure::refused("the registration has no account").into());
            };
            let state = match verdict {
                Verdict::Approve => 1,
                Verdict::Reject => 2,
            };
            // An unlicensed user leaves that state only through set_state.
            let path = match found.state {
                State::Unlicensed => format!("/api/1/users/{user}/set_state"),
                State::NotVerified | State::NotReviewed | State::Approved | State::Rejected => {
                    format!("/api/2/users/{user}")
                }
            };
            api.write(Method::PUT, &path, Some(&json!({"state": state}))).await
        }
        .boxed()
    }
}

fn from_user(user: Record) -> Result<Found, Failure> {
    let id = text(&user, "id").unwrap_or_default();
    Ok(Found {
        user_id: Some(id.clone()),
        id,
        profile_id: None,
        email: text(&user, "email"),
        first_name: text(&user, "firstname"),
        last_name: text(&user, "lastname"),
        state: State::of_user(&user)?,
        agreed: true,
        created_at: user.get("created_at").and_then(moment),
        invited_at: user.get("invitation_sent_at").and_then(moment),
        user: Some(user),
        row: None,
    })
}

/// The registrations resource: verdicts are written there, and its rows are compared with the account. Rows need not
/// name the account: a registration therefore has its account's id here too, which later events about it also have.
/// Without a row in the resource, only the account counts.
#[derive(Default)]
pub struct Resource {
    listings: Listings,
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resource")
    }
}

impl Registrations for Resource {
    fn find<'a>(&'a self, api: &'a Api, place: &'a Place) -> BoxFuture<'a, Result<Option<Found>, Failure>> {
        async move {
            let mut user = match place.account() {
                Some(id) => people::user(api, id).await?,
                None => None,
            };
            let row = self.row_of(api, place, user.as_ref()).await?;
            if let (None, None, Some((_, row))) = (place.account(), &user, &row) {
                user = account_of(api, row).await?;
            }
            match (user, row) {
                (None, None) => Ok(None),
                (Some(user), None) => from_user(user).map(Some),
                (user, Some((profile, row))) => both(place, profile, &row, user).map(Some),
            }
        }
        .boxed()
    }

    fn decide<'a>(
        &'a self,
        api: &'a Api,
        found: &'a Found,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        let status = match verdict {
            Verdict::Approve => "approved",
            Verdict::Reject => "rejected",
        };
        match (&found.row, found.state) {
            (None, _) | (Some(_), State::Unlicensed) => UserRecord.decide(api, found, verdict),
            (Some(row), State::NotVerified | State::NotReviewed | State::Approved | State::Rejected) => {
                async move { api.write(Method::PUT, row, Some(&json!({"status": status}))).await }.boxed()
            }
        }
    }
}

impl Resource {
    /// Returns the row at a place, and its profile.
    async fn row_of(
        &self,
        api: &Api,
        place: &Place,
        user: Option<&Record>,
    ) -> Result<Option<(String, Record)>, Failure> {
        if let Some((profile, id)) = place.row() {
            people::numeric(profile)?;
            people::numeric(id)?;
            let rows = self.listings.rows(api, profile).await?;
            return Ok(rows.numbered(id).map(|row| (profile.to_owned(), row)));
        }
        // The case's snapshot takes precedence: the account may have another address by now.
        let email = place.email.clone().or_else(|| text(user?, "email"));
        let mut newest: Option<(Option<Timestamp>, String, Record)> = None;
        for profile in &place.profiles {
            let rows = self.listings.rows(api, profile).await?;
            for row in rows.about(place.account(), email.as_deref()) {
                let at = row.get("created_at").and_then(moment);
                if newest.as_ref().is_none_or(|(other, ..)| *other < at) {
                    newest = Some((at, profile.clone(), row));
                }
            }
        }
        Ok(newest.map(|(_, profile, row)| (profile, row)))
    }
}

/// Returns the account of a row: the one that it names, or the only one with its address.
async fn account_of(api: &Api, row: &Record) -> Result<Option<Record>, Failure> {
    if let Some(id) = text(row, "user_id") {
        return people::user(api, &id).await;
    }
    let Some(email) = text(row, "email") else { return Ok(None) };
    let found = api.read("/api/2/users", &[("email", &email), ("fields", "id,email")]).await?;
    let found = found.map(|answer| rows(answer, "users")).transpose()?.unwrap_or_default();
    let same = |user: &&Record| text(user, "email").is_some_and(|one| one.eq_ignore_ascii_case(&email));
    let mut accounts = found.iter().filter_map(Value::as_object).filter(same);
    match (accounts.next().and_then(|user| text(user, "id")), accounts.next()) {
        (Some(id), None) => people::user(api, &id).await,
        (Some(_) | None, _) => Ok(None),
    }
}

fn both(place: &Place, profile: String, row: &Record, user: Option<Record>) -> Result<Found, Failure> {
    let number = text(row, "id").unwrap_or_default();
    people::numeric(&number)?;
    let stated = State::of_resource(row)?;
    let account = user.as_ref().map(State::of_user).transpose()?;
    // A decided account takes precedence: it determines whether the person can sign in.
    let (state, agreed) = match account {
        Some(State::NotReviewed) => (stated, matches!(stated, State::NotReviewed | State::NotVerified)),
        Some(decided) => (decided, stated.word() == decided.word()),
        None => (stated, stated != State::Approved),
    };
    let user_id = user.as_ref().and_then(|user| text(user, "id"));
    let user_id = user_id.or_else(|| text(row, "user_id")).or_else(|| place.account().map(str::to_owned));
    let of_user = |key: &str| user.as_ref().and_then(|user| text(user, key));
    Ok(Found {
        id: user_id.clone().unwrap_or_else(|| format!("{profile}-{number}")),
        email: of_user("email").or_else(|| text(row, "email")),
        first_name: of_user("firstname").or_else(|| text(row, "firstname")),
        last_name: of_user("lastname").or_else(|| text(row, "lastname")),
        state,
        agreed,
        created_at: user.as_ref().unwrap_or(row).get("created_at").and_then(moment),
        invited_at: user.as_ref().and_then(|user| user.get("invitation_sent_at")).and_then(moment),
        row: Some(format!("/api/2/self_registration_profiles/{profile}/registrations/{number}")),
        profile_id: Some(profile),
        user_id,
        user,
    })
}

/// An enabled, moderated profile.
#[derive(Debug, Clone)]
pub struct Profile {
    pub id: String,
    pub name: String,
}

/// Returns the profiles that can have waiting registrations. The list leaves fields out: each profile is read.
pub async fn profiles(api: &Api) -> Result<Vec<Profile>, Failure> {
    let path = "/api/2/self_registration_profiles";
    let mut found = Vec::new();
    for row in people::list(api, path, "self_registration_profiles").await?.unwrap_or_default() {
        let Some(id) = row.as_object().and_then(|row| text(row, "id")) else { continue };
        people::numeric(&id)?;
        let Some(answer) = api.read(&format!("{path}/{id}"), &[]).await? else { continue };
        let profile = answer.get("self_registration_profile").unwrap_or(&answer);
        let on = |key| profile.get(key).and_then(Value::as_bool) == Some(true);
        if on("enabled") && on("moderated") {
            let name =
                profile.as_object().and_then(|profile| text(profile, "name")).unwrap_or_else(|| id.clone());
            found.push(Profile { id, name });
        }
    }
    Ok(found)
}

/// Returns whether the tenant has the registrations resource; `None` without a profile to test it with.
pub async fn has_resource(api: &Api, profiles: &[Profile]) -> Result<Option<bool>, Failure> {
    let Some(profile) = profiles.first() else { return Ok(None) };
    let path = format!("/api/2/self_registration_profiles/{}/registrations", profile.id);
    api.read(&path, &[("limit", "1")]).await.map(|answer| Some(answer.is_some()))
}
