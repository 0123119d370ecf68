//! Registrations, behind one face with two back ends: OneLogin's registrations resource, which not every
//! tenant has, and the user record that waits behind a registration. It must not decide anything.

use std::fmt::Debug;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Refusal};
use super::events::{moment, text};
use super::people::{self, Record};
use crate::model::{Failure, Timestamp};

/// How far a registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    NotVerified,
    NotReviewed,
    Approved,
    Rejected,
    /// Let in, but no licence was free: cannot log in.
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
            Some(_) | None => {
                Err(Failure::unavailable("OneLogin answered with a user without a known state"))
            }
        }
    }

    fn of_resource(record: &Record) -> Result<Self, Failure> {
        match text(record, "status").as_deref() {
            Some("not_verified") => Ok(Self::NotVerified),
            Some("not_reviewed" | "pending") => Ok(Self::NotReviewed),
            Some("approved") => Ok(Self::Approved),
            Some("rejected") => Ok(Self::Rejected),
            Some(_) | None => {
                Err(Failure::unavailable("OneLogin answered with a registration without a known status"))
            }
        }
    }
}

/// One registration as it is now.
pub struct Found {
    pub id: String,
    pub user_id: Option<String>,
    pub profile_id: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub state: State,
    pub created_at: Option<Timestamp>,
    pub invited_at: Option<Timestamp>,
    /// The account behind it, where there is one.
    pub user: Option<Record>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Reject,
}

pub trait Registrations: Debug + Send + Sync {
    /// By our id of it or by the id of the account behind it. `None`: there is none.
    fn find<'a>(&'a self, api: &'a Api, id: &'a str) -> BoxFuture<'a, Result<Option<Found>, Failure>>;

    /// Writes a verdict; whoever asks reads back what became of it.
    fn decide<'a>(
        &'a self,
        api: &'a Api,
        found: &'a Found,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), Refusal>>;
}

/// The account is the registration; its id is the user's.
#[derive(Debug)]
pub struct UserRecord;

impl Registrations for UserRecord {
    fn find<'a>(&'a self, api: &'a Api, id: &'a str) -> BoxFuture<'a, Result<Option<Found>, Failure>> {
        async move { people::user(api, id).await?.map(from_user).transpose() }.boxed()
    }

    fn decide<'a>(
        &'a self,
        api: &'a Api,
        found: &'a Found,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        async move {
            let state = match verdict {
                Verdict::Approve => 1,
                Verdict::Reject => 2,
            };
            // An unlicensed user leaves that state only through set_state.
            let path = match found.state {
                State::Unlicensed => format!("/api/1/users/{}/set_state", found.id),
                State::NotVerified | State::NotReviewed | State::Approved | State::Rejected => {
                    format!("/api/2/users/{}", found.id)
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
        created_at: user.get("created_at").and_then(moment),
        invited_at: user.get("invitation_sent_at").and_then(moment),
        user: Some(user),
    })
}

/// The registrations resource. Our id is `<profile>-<registration>`, so that it says where to look and is
/// never taken for a user's id.
#[derive(Debug)]
pub struct Resource;

impl Registrations for Resource {
    fn find<'a>(&'a self, api: &'a Api, id: &'a str) -> BoxFuture<'a, Result<Option<Found>, Failure>> {
        async move {
            match id.split_once('-') {
                Some((profile, registration)) => {
                    people::numeric(profile)?;
                    people::numeric(registration)?;
                    let rows = listed(api, profile).await?;
                    let row = rows.into_iter().find(|row| text(row, "id").as_deref() == Some(registration));
                    match row {
                        Some(row) => complete(api, profile, row, None).await.map(Some),
                        None => Ok(None),
                    }
                }
                None => of_account(api, id).await,
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
        async move {
            if let (State::Unlicensed, Some(user)) = (found.state, &found.user_id) {
                let path = format!("/api/1/users/{user}/set_state");
                let state = if verdict == Verdict::Approve { 1 } else { 2 };
                return api.write(Method::PUT, &path, Some(&json!({"state": state}))).await;
            }
            let status = match verdict {
                Verdict::Approve => "approved",
                Verdict::Reject => "rejected",
            };
            let (profile, id) = found.id.split_once('-').unwrap_or_default();
            let path = format!("/api/2/self_registration_profiles/{profile}/registrations/{id}");
            api.write(Method::PUT, &path, Some(&json!({"status": status}))).await
        }
        .boxed()
    }
}

/// The registration of an account: the newest one with exactly its address in a moderated profile.
async fn of_account(api: &Api, id: &str) -> Result<Option<Found>, Failure> {
    let Some(user) = people::user(api, id).await? else { return Ok(None) };
    let Some(email) = text(&user, "email") else { return Ok(None) };
    let mut newest: Option<(Option<Timestamp>, String, Record)> = None;
    for profile in profiles(api).await? {
        for row in listed(api, &profile.id).await? {
            let at = row.get("created_at").and_then(moment);
            let same = text(&row, "email").is_some_and(|other| other.eq_ignore_ascii_case(&email));
            if same && newest.as_ref().is_none_or(|(other, ..)| *other < at) {
                newest = Some((at, profile.id.clone(), row));
            }
        }
    }
    match newest {
        Some((_, profile, row)) => complete(api, &profile, row, Some(user)).await.map(Some),
        None => Ok(None),
    }
}

async fn listed(api: &Api, profile: &str) -> Result<Vec<Record>, Failure> {
    let path = format!("/api/2/self_registration_profiles/{profile}/registrations");
    let rows = people::list(api, &path, "registrations").await?.unwrap_or_default();
    Ok(rows
        .into_iter()
        .filter_map(|row| if let Value::Object(row) = row { Some(row) } else { None })
        .collect())
}

async fn complete(api: &Api, profile: &str, row: Record, user: Option<Record>) -> Result<Found, Failure> {
    let user = match (user, text(&row, "user_id")) {
        (None, Some(id)) => people::user(api, &id).await?,
        (user, _) => user,
    };
    let mut state = State::of_resource(&row)?;
    if let Some(user) = &user
        && state == State::Approved
        && State::of_user(user)? == State::Unlicensed
    {
        state = State::Unlicensed;
    }
    Ok(Found {
        id: format!("{profile}-{}", text(&row, "id").unwrap_or_default()),
        user_id: user.as_ref().and_then(|user| text(user, "id")).or_else(|| text(&row, "user_id")),
        profile_id: Some(profile.to_owned()),
        email: text(&row, "email"),
        first_name: text(&row, "firstname"),
        last_name: text(&row, "lastname"),
        state,
        created_at: row.get("created_at").and_then(moment),
        invited_at: user.as_ref().and_then(|user| user.get("invitation_sent_at")).and_then(moment),
        user,
    })
}

/// An enabled, moderated profile.
#[derive(Debug, Clone)]
pub struct Profile {
    pub id: String,
    pub name: String,
}

/// The profiles that can have somebody waiting. The list leaves fields out, so each is read.
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

/// Whether the tenant has the registrations resource; `None` where no profile is there to try it with.
pub async fn has_resource(api: &Api, profiles: &[Profile]) -> Result<Option<bool>, Failure> {
    let Some(profile) = profiles.first() else { return Ok(None) };
    let path = format!("/api/2/self_registration_profiles/{}/registrations", profile.id);
    api.read(&path, &[("limit", "1")]).await.map(|answer| Some(answer.is_some()))
}
