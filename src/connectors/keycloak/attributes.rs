//! Sets attributes by the names that policies use. Keycloak replaces all attributes and empties the names and the mail
//! address if a write has attributes and lacks them: each write has everything that was read. It drops attributes that
//! the user profile does not have, without a word: these are refused before.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::Keycloak;
use super::options::RESERVED;
use super::registrations::gone;
use super::wire::{Account, Profile};
use crate::connectors::options::attribute_text;
use crate::model::{Changed, Failure, Fields, Snapshot};

/// Values by attribute; `None` clears it.
pub type Wanted = BTreeMap<String, Option<String>>;

impl Keycloak {
    pub(super) async fn set_attributes(
        &self,
        snapshot: &Snapshot,
        attributes: &Fields,
    ) -> Result<Changed, Failure> {
        let mut wanted = Wanted::new();
        for (name, value) in attributes {
            wanted.insert(self.attribute(name)?, attribute_text(name, value)?);
        }
        let person = self.person(snapshot).await?;
        if differing(&person.account, &wanted).next().is_none() {
            return Ok(Changed::plain(true));
        }
        self.write_attributes(person.account, &wanted).await?;
        Ok(Changed::plain(false))
    }

    /// Returns the attribute of a name in a policy.
    fn attribute(&self, name: &str) -> Result<String, Failure> {
        if let Some(short) = name.strip_prefix("attributes.") {
            // Records show a mapped attribute under our name too: that name may be written as well.
            let attribute = self.names.get(short).map_or(short, String::as_str);
            let known = self.names.values().any(|mapped| mapped == attribute);
            return if known || !(RESERVED.contains(&attribute) || attribute == self.state_attribute) {
                Ok(attribute.to_owned())
            } else {
                Err(Failure::refused(format!(
                    "{name} cannot be set: Keycloak and proofd keep it for themselves"
                )))
            };
        }
        self.names.get(name).cloned().ok_or_else(|| {
            Failure::refused(format!(
                "no attribute is configured for {name}; add attributes: {{{name}: <attribute>}} under \
                 connectors.keycloak.{} in proofd.yaml",
                self.name
            ))
        })
    }

    /// Writes attributes of an account that was just read, and reads them back with everything else.
    pub(super) async fn write_attributes(&self, account: Account, wanted: &Wanted) -> Result<(), Failure> {
        self.are_managed(wanted).await?;
        let mut attributes = account.attributes.clone();
        for (name, value) in wanted {
            match value {
                Some(value) => attributes.insert(name.clone(), vec![value.clone()]),
                None => attributes.remove(name),
            };
        }
        let body = json!({
            "username": account.username,
            "email": account.email,
            "emailVerified": account.email_verified,
            "firstName": account.first_name,
            "lastName": account.last_name,
            "attributes": attributes,
        });
        let written = self.api.write(Method::PUT, &["users", &account.id], &[], Some(&body)).await;
        written.map_err(Self::not_written)?;
        let now = self.account(&account.id).await?.ok_or_else(gone)?;
        if let Some(name) = differing(&now, wanted).next() {
            return Err(Failure::refused(format!(
                "Keycloak accepted the attribute {name} and did not store it; let administrators edit it in the user \
                 profile"
            )));
        }
        let same = now.username == account.username
            && now.email == account.email
            && now.first_name == account.first_name
            && now.last_name == account.last_name
            && now.attributes == attributes;
        if same {
            Ok(())
        } else {
            let mut failure = Failure::changed(
                "the attributes are set, and somebody else changed the account at the same moment",
            );
            failure.written = true;
            Err(failure)
        }
    }

    /// Checks that the user profile has the attributes, or that it allows any.
    async fn are_managed(&self, wanted: &Wanted) -> Result<(), Failure> {
        let profile: Profile = self.api.must(&["users", "profile"], &[]).await?;
        if matches!(profile.unmanaged_attribute_policy.as_deref(), Some("ENABLED" | "ADMIN_EDIT")) {
            return Ok(());
        }
        let has = |name: &String| profile.attributes.iter().any(|attribute| attribute.name == *name);
        match wanted.keys().find(|name| !has(name)) {
            None => Ok(()),
            Some(name) => Err(Failure::refused(format!(
                "the realm's user profile has no attribute {name}; add it there, or correct the name"
            ))),
        }
    }
}

/// Returns the attributes whose values differ from the wanted ones.
fn differing<'a>(account: &'a Account, wanted: &'a Wanted) -> impl Iterator<Item = &'a String> {
    let is = |name: &String| {
        let values = account.attributes.get(name).map(Vec::as_slice).unwrap_or_default();
        match values {
            [] => None,
            [one] => Some(one.clone()).filter(|one| !one.is_empty()),
            several => Some(several.join("::")),
        }
    };
    wanted.iter().filter(move |(name, value)| is(name) != **value).map(|(name, _)| name)
}
